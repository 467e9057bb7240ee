"""Evaluation report of a run as one self-contained HTML file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from petmood.data.index import Split
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.evaluate import CROSSVAL, Evaluation
from petmood.evaluation.paired import PairedTest
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.robustness import Robustness
from petmood.evaluation.selective import risk_coverage
from petmood.evaluation.undecided import undecided
from petmood.evaluation.verdict import chance_text
from petmood.presentation.display_names import photos_of_split, title
from petmood.presentation.thumbnails import PhotoOf, Thumbnails
from petmood.reports.examples import MapOf, confusion_cells, most_confident_errors
from petmood.reports.plots import corruption_chart, learning_chart, reliability_chart, risk_coverage_chart
from petmood.reports.templates import page_template

__all__ = ["MetricBar", "bars", "render_report", "shown_facts"]

Curves = Sequence[Mapping[str, float | None]]
_TEMPLATE = "run.html.j2"


@dataclass(frozen=True, slots=True)
class MetricBar:
    """One row of the accuracy chart; `kind` is "model", "control" (a baseline) or "leak"."""

    name: str
    estimate: Estimate
    kind: str


def render_report(
    evaluation: Evaluation,
    scored_by_split: Mapping[str, Predictions],
    *,
    photo_of: PhotoOf,
    title: str,
    facts: Mapping[str, object],
    curves: Curves = (),
    paired: PairedTest | None = None,
    map_of: MapOf | None = None,
) -> str:
    """Render the report as HTML.

    `photo_of` returns the pixels of a photo by its path (uint8 [H, W, 3] RGB). If it raises PetmoodError or OSError,
    the photo is listed without a thumbnail. `map_of` returns the same photo as a heat map of the predicted class, or
    None; it is called for the most confident errors. `facts` are shown unchanged (data version, code version,
    configuration). `curves` are rows with `epoch`, `train/loss`, `val/loss` and `val/accuracy`. `paired` compares with
    another run.
    """
    scored = scored_by_split[evaluation.main]
    temperature = evaluation.calibration.temperature
    thumbnails = Thumbnails(photo_of)
    return page_template(_TEMPLATE).render(
        title=title,
        evaluation=evaluation,
        classes=scored.classes,
        n=len(scored),
        groups=len(set(scored.groups)),
        chance=1 / len(scored.classes),
        bars=bars(evaluation),
        chance_band=evaluation.comparison.chance if evaluation.comparison else None,
        chance_text=_chance_text(evaluation),
        undecided=undecided(evaluation),
        mistakes=most_confident_errors(scored, thumbnails, temperature=temperature, map_of=map_of),
        cells=confusion_cells(scored, thumbnails, temperature=temperature),
        reliability=reliability_chart(evaluation.calibration.reliability),
        risk_coverage=_risk_coverage(evaluation, scored),
        learning=_learning(curves),
        corruptions=_corruptions(evaluation.robustness),
        leak=_leakage(evaluation),
        paired=paired,
        **shown_facts(facts),
    )


def _chance_text(evaluation: Evaluation) -> str:
    found = evaluation.comparison
    return chance_text(found.chance, subject=f"this {evaluation.subject}") if found else ""


def bars(evaluation: Evaluation) -> tuple[MetricBar, ...]:
    """Return the accuracies of the run and its baselines, the run first and the random split (leakage) last."""
    splits, main = evaluation.splits, evaluation.main
    rows = [MetricBar(f"this model, {photos_of_split(main)}", splits[main]["accuracy"], "model")]
    if main == CROSSVAL:
        names = {CROSSVAL: "this recipe", Split.VALID: "this model"}
        rows = [
            MetricBar(f"{name}, {evaluation.photos_of(split)}", splits[split]["accuracy"], "model")
            for split, name in names.items()
            if split in splits
        ]
    for name, values in evaluation.baselines.items():
        rows.append(MetricBar(title(name), values["accuracy"], "leak" if name == "random_split" else "control"))
    return tuple(sorted(rows, key=lambda row: row.kind == "leak"))


def _risk_coverage(evaluation: Evaluation, scored: Predictions) -> str:
    measured = evaluation.abstention.measured
    chosen = (measured.coverage.value, measured.error.value) if measured and measured.error.n else None
    curve = risk_coverage(scored, temperature=evaluation.calibration.temperature)
    return risk_coverage_chart(curve, target_error=evaluation.abstention.rule.target_error, chosen=chosen)


def _learning(curves: Curves) -> tuple[str, ...]:
    if not curves:
        return ()
    return (
        learning_chart(curves, ("train/loss", "val/loss"), y_label="loss"),
        learning_chart(curves, ("val/accuracy",), y_label="validation accuracy"),
    )


def _corruptions(found: Robustness | None) -> dict[str, str]:
    """Return a chart for each corruption by its display name; none if the robustness is not measured."""
    if found is None:
        return {}
    charts = {title(name): levels for name, levels in found.corruptions.items()}
    return {name: corruption_chart(name, levels, clean=found.clean) for name, levels in charts.items()}


def _leakage(evaluation: Evaluation) -> float | None:
    """Return the accuracy that a random split adds to the same method on the same photos; None if not measured."""
    pair = [evaluation.baselines.get(name) for name in ("random_split", "group_split")]
    if pair[0] is None or pair[1] is None:
        return None
    return pair[0]["accuracy"].value - pair[1]["accuracy"].value


def shown_facts(facts: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """Return the texts of facts for the macro ``run_facts``: ``plain`` ones, and ``nested`` ones as JSON."""
    return {
        "plain": {name: _text(value) for name, value in facts.items() if not isinstance(value, Mapping)},
        "nested": {name: _pretty(value) for name, value in facts.items() if isinstance(value, Mapping)},
    }


def _text(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, (list, tuple)) else str(value)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)

"""Complete evaluation of a run: metrics per split, calibration, abstention, prediction sets, baselines and slices.

Temperature, abstention threshold and conformal quantile are chosen on photos of the "valid" split that did not choose
the model. They are measured on the main split, which is "test" if it exists. If "valid" is the only split, the choices
are reported but their effects are not measured.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from petmood.core.errors import DataError
from petmood.data.index import Split
from petmood.evaluation.bootstrap import Estimate, estimate_class_metrics, estimate_metrics
from petmood.evaluation.calibration import ReliabilityBin, calibrated_ece, fit_temperature, reliability
from petmood.evaluation.comparison import Comparison, compare, estimate_baseline
from petmood.evaluation.conformal import PredictionSetMetrics, conformal_quantile, evaluate_prediction_sets
from petmood.evaluation.domain import DomainResult
from petmood.evaluation.model_choice import ModelChoice, without_choice
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.selective import AbstainRule, Selective, choose_threshold, evaluate_selective, risk_coverage
from petmood.evaluation.slices import Slice, slice_metrics
from petmood.evaluation.verdict import chance_text, verdict_text
from petmood.presentation.display_names import VALIDATION_NOTE, number_text, percent_text, photos_of_split, title

__all__ = ["AbstentionResult", "Calibration", "Conformal", "Evaluation", "evaluate", "summary_text"]

Estimates = dict[str, Estimate]
_MAIN_FIRST = (Split.TEST, "crossval", Split.VALID)
_PROBABILISTIC = ("brier", "nll", "ece")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Temperature, the number of photos it was fitted on (0: not fitted, it is 1) and its effect on the main split.

    ``ece_by_chance`` is the mean calibration error that a calibrated model shows on as many photos.
    """

    temperature: float
    fitted_on: int
    before: Estimates
    after: Estimates
    ece_by_chance: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class AbstentionResult:
    """Abstention rule, its effect on the main split (None if not measured), and the AURC on the main split."""

    rule: AbstainRule
    measured: Selective | None
    aurc: float


@dataclass(frozen=True, slots=True)
class Conformal:
    """Prediction sets: target coverage, quantile (None without validation photos), metrics (None if unmeasured)."""

    method: str
    target: float
    quantile: float | None
    measured: PredictionSetMetrics | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All results of one run; `main` is the split that the headline metrics come from."""

    main: str
    splits: dict[str, Estimates]
    per_class: dict[str, dict[str, Estimates]]
    calibration: Calibration
    abstention: AbstentionResult
    conformal: Conformal
    baselines: dict[str, Estimates]
    slices: tuple[Slice, ...]
    choice: ModelChoice
    domain: DomainResult | None = None
    comparison: Comparison | None = None

    @property
    def verdict(self) -> str:
        """What the accuracy shows, in plain words."""
        accuracy = self.splits[self.main]["accuracy"]
        photos = photos_of_split(self.main, accuracy.n)
        found = verdict_text(accuracy, self.comparison, subject="The model", photos=photos)
        return f"{found} {VALIDATION_NOTE}" if self.main == Split.VALID else found

    def to_json(self) -> dict[str, object]:
        """Return all results as JSON values; None where a value is not finite or not known."""
        rule, sets = self.abstention, self.conformal.measured
        return {
            "main": self.main,
            "verdict": self.verdict,
            "splits": {name: _json(values) for name, values in self.splits.items()},
            "classes": {name: {c: _json(v) for c, v in found.items()} for name, found in self.per_class.items()},
            "calibration": {
                "temperature": self.calibration.temperature,
                "fitted_on": self.calibration.fitted_on,
                "before": _json(self.calibration.before),
                "after": _json(self.calibration.after),
                "ece_by_chance": self.calibration.ece_by_chance,
                "reliability": [point.to_json() for point in self.calibration.reliability],
            },
            "abstention": {
                **rule.rule.to_json(),
                "error": rule.measured.error.to_json() if rule.measured else None,
                "coverage": rule.measured.coverage.to_json() if rule.measured else None,
                "aurc": rule.aurc if math.isfinite(rule.aurc) else None,
            },
            "conformal": {
                "method": self.conformal.method,
                "target_coverage": self.conformal.target,
                "quantile": self.conformal.quantile,
                "coverage": sets.coverage.to_json() if sets else None,
                "mean_size": sets.mean_size.to_json() if sets else None,
                "sizes": list(sets.sizes) if sets else None,
            },
            "selection": {**self.choice.to_json(), "confidence": rule.rule.confidence},
            "baselines": {name: _json(values) for name, values in self.baselines.items()},
            "comparison": self.comparison.to_json() if self.comparison else None,
            "slices": [part.to_json() for part in self.slices],
            "domain": self.domain.to_json() if self.domain else None,
        }


def evaluate(
    scored_by_split: Mapping[str, Predictions],
    *,
    choice: ModelChoice | None = None,
    baselines: Mapping[str, Sequence[Predictions]] | None = None,
    target_error: float = 0.1,
    coverage: float = 0.9,
    domain: DomainResult | None = None,
    main: str | None = None,
    seed: int = 0,
) -> Evaluation:
    """Evaluate a run on all its splits, together with its baselines.

    A baseline has one Predictions, or one for each permutation of the labels: then its values are means over them, and
    its intervals are where 95% of permutations lie.
    `domain` is the result for photos of another kind, measured by `evaluation.domain`.
    `main` is the split that the headline comes from; by default test, or validation if there are no test photos.
    `choice` says which validation photos calibrate; by default all of them do, and none chose the model.
    Splits without photos are left out. Brier score, NLL and calibration error of the splits are computed from
    calibrated probabilities.

    Raises:
        DataError: no split has photos.
    """
    splits = {name: scored for name, scored in scored_by_split.items() if len(scored)}
    if not splits:
        raise DataError("Expected at least one split with photos to evaluate, got none. Check the dataset.")
    if main is None:
        main = next((name for name in _MAIN_FIRST if name in splits), next(iter(splits)))
    every_valid = splits.get(Split.VALID)
    choice = choice or without_choice(len(every_valid) if every_valid else 0)
    valid = every_valid.take(choice.calibrating) if every_valid else None
    predictions = splits[main]
    others = {name: parts for name, parts in (baselines or {}).items() if len(parts[0])}
    unseen = None if predictions is every_valid else predictions
    temperature = fit_temperature(valid) if valid else 1.0
    measured = {name: estimate_metrics(part, temperature=temperature, seed=seed) for name, part in splits.items()}
    return Evaluation(
        main=main,
        splits=measured,
        per_class={name: estimate_class_metrics(part) for name, part in splits.items()},
        calibration=_calibration(predictions, after=measured[main], valid=valid, temperature=temperature, seed=seed),
        abstention=_abstention(predictions, unseen, valid=valid, temperature=temperature, target_error=target_error),
        conformal=_conformal(unseen, valid=valid, temperature=temperature, coverage=coverage, seed=seed),
        baselines={name: estimate_baseline(parts, seed=seed) for name, parts in others.items()},
        slices=slice_metrics(predictions),
        choice=choice,
        domain=domain,
        comparison=compare([predictions], others, seed=seed),
    )


def summary_text(evaluation: Evaluation) -> str:
    """Format the results as a text table for a terminal, each value with its 95% interval."""
    lines = ["", evaluation.verdict]
    for split, values in evaluation.splits.items():
        lines += ["", f"{photos_of_split(split, values['accuracy'].n)} (95% interval over groups)"]
        lines += [_line(title(name), number_text(estimate)) for name, estimate in values.items()]
    if evaluation.baselines:
        lines += ["", "accuracy of the baselines"]
        lines += [
            _line(title(name), f"{number_text(values['accuracy'])}, {values['accuracy'].n} photos")
            for name, values in evaluation.baselines.items()
        ]
    if evaluation.comparison:
        lines += ["", chance_text(evaluation.comparison.chance, subject="this model")]
    lines += ["", "confidence", *_certainty_lines(evaluation)]
    if evaluation.domain:
        lines += ["", "photos of another kind", *_domain_lines(evaluation.domain)]
    return "\n".join(lines[1:])


def _certainty_lines(evaluation: Evaluation) -> list[str]:
    abstain, sets = evaluation.abstention, evaluation.conformal
    fitted = evaluation.calibration.fitted_on
    source = f"fitted on {fitted} validation photos" if fitted else "not fitted: no validation photos"
    lines = [_line("temperature", f"{evaluation.calibration.temperature:.3f}, {source}")]
    if fitted and evaluation.choice.chosen_on:
        lines.append(_line("model", _choice_text(evaluation.choice)))
    if abstain.rule.threshold is None:
        lines.append(_line("confident from", f"no threshold: {abstain.rule.reason}"))
    else:
        lines.append(_line("confident from", f"{abstain.rule.threshold:.3f}, {abstain.rule.reason}"))
    if abstain.measured is not None:
        lines.append(_line("error if confident", percent_text(abstain.measured.error)))
        lines.append(_line("coverage", percent_text(abstain.measured.coverage)))
    if sets.measured is not None:
        lines.append(
            _line(f"sets for {sets.target:.0%}", f"contain the truth in {percent_text(sets.measured.coverage)}")
        )
        lines.append(_line("classes in a set", number_text(sets.measured.mean_size, digits=2)))
    return lines


def _domain_lines(domain: DomainResult) -> list[str]:
    refused, images = domain.total
    lines = [_line("images without a pet refused", f"{refused} of {images}")]
    if domain.false_alarms is not None:
        lines.append(_line("held-out photos refused", percent_text(domain.false_alarms)))
    return lines


def _choice_text(choice: ModelChoice) -> str:
    photos = "other" if choice.separate else "the same"
    return f"best of {choice.tried} tried, chosen on {choice.chosen_on} {photos} validation photos"


def _line(name: str, text: str) -> str:
    return f"  {name:<44}{text}"


def _json(values: Mapping[str, Estimate]) -> dict[str, dict[str, float | int | None]]:
    return {name: estimate.to_json() for name, estimate in values.items()}


def _calibration(
    predictions: Predictions, *, after: Estimates, valid: Predictions | None, temperature: float, seed: int
) -> Calibration:
    before = estimate_metrics(predictions, seed=seed)
    return Calibration(
        temperature=temperature,
        fitted_on=len(valid) if valid else 0,
        before={name: before[name] for name in _PROBABILISTIC},
        after={name: after[name] for name in _PROBABILISTIC},
        ece_by_chance=float(calibrated_ece(predictions, temperature=temperature, seed=seed).mean()),
        reliability=reliability(predictions, temperature=temperature),
    )


def _abstention(
    predictions: Predictions,
    unseen: Predictions | None,
    *,
    valid: Predictions | None,
    temperature: float,
    target_error: float,
) -> AbstentionResult:
    aurc = risk_coverage(predictions, temperature=temperature).aurc
    rule = choose_threshold(valid or predictions.take([]), target_error=target_error, temperature=temperature)
    if rule.threshold is None or unseen is None:
        return AbstentionResult(rule, measured=None, aurc=aurc)
    measured = evaluate_selective(unseen, threshold=rule.threshold, temperature=temperature)
    return AbstentionResult(rule, measured=measured, aurc=aurc)


def _conformal(
    unseen: Predictions | None, *, valid: Predictions | None, temperature: float, coverage: float, seed: int
) -> Conformal:
    if not valid:
        return Conformal("lac", target=coverage, quantile=None, measured=None)
    quantile = conformal_quantile(valid, coverage=coverage, temperature=temperature)
    if unseen is None:
        return Conformal("lac", target=coverage, quantile=quantile, measured=None)
    measured = evaluate_prediction_sets(unseen, quantile=quantile, temperature=temperature, seed=seed)
    return Conformal("lac", target=coverage, quantile=quantile, measured=measured)

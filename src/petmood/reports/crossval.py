"""Report of a cross-validation as one self-contained HTML file."""

from collections.abc import Mapping

from petmood.evaluation.calibration import reliability
from petmood.evaluation.comparison import Comparison
from petmood.evaluation.crossval import CrossValidation
from petmood.evaluation.verdict import chance_text
from petmood.presentation.display_names import crossval_title
from petmood.presentation.thumbnails import PhotoOf, Thumbnails
from petmood.reports.examples import confusion_cells, most_confident_errors
from petmood.reports.plots import reliability_chart
from petmood.reports.run import MetricBar, shown_facts
from petmood.reports.templates import page_template

__all__ = ["render_crossval"]

RANDOM_SPLIT = "random_split"


def render_crossval(
    recipe: CrossValidation,
    baselines: Mapping[str, CrossValidation],
    *,
    comparison: Comparison,
    verdict: str,
    photo_of: PhotoOf,
    title: str,
    facts: Mapping[str, object],
) -> str:
    """Render the report as HTML.

    Confusion matrix, errors and calibration are those of the out-of-fold predictions of the first repeat. ``photo_of``
    returns the pixels of a photo by its path (uint8 [H, W, 3] RGB). If it raises PetmoodError or OSError, the photo is
    listed without a thumbnail. ``facts`` are shown unchanged.
    """
    first, thumbnails = recipe.pooled[0], Thumbnails(photo_of)
    tested = [fold for fold in recipe.folds if fold.tested]
    return page_template("crossval.html.j2").render(
        title=title,
        verdict=verdict,
        chance_band=comparison.chance,
        chance_text=chance_text(comparison.chance, subject="this recipe"),
        recipe=recipe,
        baselines={crossval_title(name): found for name, found in baselines.items()},
        folds=tested,
        classes=first.classes,
        n=len(first),
        groups=len(set(first.groups)),
        chance=1 / len(first.classes),
        bars=_bars(recipe, baselines),
        gain=_leak(recipe, baselines),
        mistakes=most_confident_errors(first, thumbnails),
        cells=confusion_cells(first, thumbnails),
        reliability=reliability_chart(reliability(first)),
        **shown_facts(facts),
    )


def _bars(recipe: CrossValidation, baselines: Mapping[str, CrossValidation]) -> list[MetricBar]:
    """Return the accuracies of the recipe and its baselines, the random split (leakage) last."""
    others = [
        MetricBar(crossval_title(name), found.metrics["accuracy"], "leak" if name == RANDOM_SPLIT else "control")
        for name, found in baselines.items()
    ]
    rows = [MetricBar("this recipe", recipe.metrics["accuracy"], "model"), *others]
    return sorted(rows, key=lambda row: row.kind == "leak")


def _leak(recipe: CrossValidation, baselines: Mapping[str, CrossValidation]) -> float | None:
    """Return the accuracy that a random split adds, or None if it was not measured."""
    if RANDOM_SPLIT not in baselines:
        return None
    return baselines[RANDOM_SPLIT].metrics["accuracy"].value - recipe.metrics["accuracy"].value

"""Display names and number formats of metrics, baselines and slices."""

from typing import Protocol

__all__ = [
    "BASELINE_TITLES",
    "HEADLINE_METRICS",
    "HEADLINE_SHARES",
    "LOWER_IS_BETTER",
    "METRIC_TITLES",
    "Interval",
    "crossval_title",
    "number_text",
    "percent_text",
    "title",
]

METRIC_TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "brier": "Brier score",
    "nll": "negative log likelihood",
    "ece": "calibration error",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}
HEADLINE_SHARES = ("accuracy", "balanced_accuracy", "macro_f1")
"""The headline metrics whose values are written in percent."""
HEADLINE_METRICS = (*HEADLINE_SHARES, "nll", "ece")
"""The metrics that the model card and the experiment tracker show of an evaluation, in this order."""
LOWER_IS_BETTER = frozenset({"brier", "nll", "ece"})
BASELINE_TITLES = {
    "most_frequent": "always the most frequent class",
    "hog_svm": "HOG features + SVM",
    "permuted_labels": "HOG + SVM, labels permuted",
    "group_split": "HOG + SVM, all photos, groups kept together",
    "random_split": "HOG + SVM, all photos, random split (leaks)",
}
_CROSSVAL_TITLES = {
    "permuted_labels": "this recipe, labels permuted",
    "random_split": "this recipe, random split (leaks)",
}
"""Baselines that a cross-validation makes with the recipe itself."""


class Interval(Protocol):
    """A number with the ends of its 95% interval; nan where undefined."""

    @property
    def value(self) -> float:
        """The number itself."""

    @property
    def low(self) -> float:
        """The lower end of the interval."""

    @property
    def high(self) -> float:
        """The upper end of the interval."""


def title(name: str) -> str:
    """Return the display name of a metric or baseline; for an unknown name, underscores become spaces."""
    return METRIC_TITLES.get(name) or BASELINE_TITLES.get(name) or name.replace("_", " ")


def crossval_title(name: str) -> str:
    """Return the display name of a baseline of a cross-validation."""
    return _CROSSVAL_TITLES.get(name) or title(name)


def number_text(estimate: Interval, *, digits: int = 3) -> str:
    """Format an estimate with its interval: '0.447 (0.289 to 0.605)'; nan becomes a dash."""
    if estimate.value != estimate.value:
        return "-"
    interval = f" ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})" if estimate.low == estimate.low else ""
    return f"{estimate.value:.{digits}f}{interval}"


def percent_text(estimate: Interval) -> str:
    """Format an estimate of a share in percent with its interval: '44.7% (28.9 to 60.5)'; nan becomes a dash."""
    if estimate.value != estimate.value:
        return "-"
    interval = f" ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})" if estimate.low == estimate.low else ""
    return f"{100 * estimate.value:.1f}%{interval}"

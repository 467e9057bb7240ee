"""Display names and number formats of metrics, baselines and slices."""

from collections.abc import Mapping
from typing import Protocol

__all__ = [
    "BASELINE_TITLES",
    "HEADLINE_METRICS",
    "HEADLINE_SHARES",
    "HEADLINE_SPLITS",
    "LOWER_IS_BETTER",
    "METRIC_TITLES",
    "VALIDATION_NOTE",
    "Interval",
    "crossval_title",
    "headline_split",
    "number_text",
    "p_value_text",
    "percent_text",
    "photos_of_split",
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
HEADLINE_SPLITS = ("test", "crossval", "valid")
"""The splits whose metrics are the headline, the first one with photos; "crossval" is a cross-validation."""
LOWER_IS_BETTER = frozenset({"brier", "nll", "ece"})
BASELINE_TITLES = {
    "most_frequent": "always the most frequent class",
    "hog_svm": "HOG features + SVM",
    "permuted_labels": "HOG + SVM, labels permuted",
    "group_split": "HOG + SVM, all photos, groups kept together",
    "random_split": "HOG + SVM, all photos, random split (leaks)",
}
_CROSSVAL_TITLES = {
    "random_split": "this recipe, random split (leaks)",
}
"""Baselines that a cross-validation makes with the recipe itself."""
_CORRUPTION_TITLES = {"jpeg": "JPEG"}
_PHOTOS = {
    "train": "{}training {}",
    "valid": "{}validation {}",
    "test": "{}test {}",
    "crossval": "{}{} in cross-validation",
    "out_of_fold": "out-of-fold predictions of {}{}",
}
VALIDATION_NOTE = "These photos calibrated the model and may have chosen it: it may be less accurate on others."
"""What is said beside every number on validation photos."""


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
    """Return the display name of a metric, baseline or corruption; for others, underscores become spaces."""
    known = METRIC_TITLES.get(name) or BASELINE_TITLES.get(name) or _CORRUPTION_TITLES.get(name)
    return known or name.replace("_", " ")


def headline_split(splits: Mapping[str, object]) -> str | None:
    """Return the split whose metrics are the headline: the first of ``HEADLINE_SPLITS`` that has any; None without."""
    return next((name for name in HEADLINE_SPLITS if splits.get(name)), None)


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


def photos_of_split(split: str, count: int | None = None) -> str:
    """Return how many photos a number is of, and which ones; without a count which ones alone.

    An unknown split keeps its name.

    >>> photos_of_split("valid", 36), photos_of_split("crossval", 329), photos_of_split("test")
    ('36 validation photos', '329 photos in cross-validation', 'test photos')
    """
    number = "" if count is None else f"{count} "
    if split not in _PHOTOS:
        return f"{number}{split}"
    return _PHOTOS[split].format(number, "photo" if count == 1 else "photos")


def p_value_text(p_value: float) -> str:
    """Format a p-value with two digits: 'p = 0.012', 'p < 0.001'."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"

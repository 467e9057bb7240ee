"""Classification metrics with batched sample weights: accuracy, balanced accuracy, macro F1, Brier score, NLL and ECE.

Every metric takes sample weights [B, N] and returns B values at once, so that a bootstrap is a few matrix products
rather than thousands of passes. Without weights, B is 1 and all photos have equal weight. Undefined values (a class
without photos) are nan.

Definitions follow scikit-learn: balanced accuracy averages the recall of the classes that occur in the labels. Macro F1
averages over the classes that occur in the labels or the predictions.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLASS_METRICS",
    "METRICS",
    "PROPORTIONS",
    "RATIO_MEANS",
    "class_metrics",
    "confusion_matrices",
    "equal_mass_bins",
    "expected_calibration_error",
    "metrics",
    "per_sample_brier",
    "per_sample_nll",
]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "brier", "nll", "ece")
CLASS_METRICS = ("precision", "recall", "f1")
PROPORTIONS = frozenset({"accuracy", "balanced_accuracy", "macro_f1", *CLASS_METRICS})
"""Metrics that are shares between 0 and 1; their intervals come from that of a proportion."""
RATIO_MEANS = frozenset({"macro_f1"})
"""Shares that are a mean of ratios, not a share of photos; their intervals also contain the bootstrap interval."""

_LEAST_PROBABILITY = 1e-12

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def metrics(probabilities: Floats, labels: Ints, *, weights: Floats | None = None) -> dict[str, Floats]:
    """Compute every metric in METRICS, each as B values.

    `probabilities` is [N, K] with rows that sum to 1, `labels` int [N], `weights` [B, N]. `brier` is the multiclass
    score of Brier (1950), from 0 to 2; `nll` is in nats; for `ece` see `expected_calibration_error`.
    """
    counted = _weights(weights, len(labels))
    table = confusion_matrices(probabilities.argmax(axis=1), labels, classes=probabilities.shape[1], weights=counted)
    total = counted.sum(axis=1)
    per_class = _from_confusion_matrices(table)
    seen = (table.sum(axis=1) + table.sum(axis=2)) > 0
    return {
        "accuracy": _ratio(np.trace(table, axis1=1, axis2=2), total),
        "balanced_accuracy": _mean_where(per_class["recall"], table.sum(axis=2) > 0),
        "macro_f1": _mean_where(per_class["f1"], seen),
        "brier": _ratio(counted @ per_sample_brier(probabilities, labels), total),
        "nll": _ratio(counted @ per_sample_nll(probabilities, labels), total),
        "ece": expected_calibration_error(probabilities, labels, weights=counted),
    }


def class_metrics(probabilities: Floats, labels: Ints, *, weights: Floats | None = None) -> dict[str, Floats]:
    """Compute precision, recall and F1 of every class, each [B, K]; nan where the denominator is 0."""
    counted = _weights(weights, len(labels))
    predicted = probabilities.argmax(axis=1)
    return _from_confusion_matrices(
        confusion_matrices(predicted, labels, classes=probabilities.shape[1], weights=counted)
    )


def confusion_matrices(predicted: Ints, labels: Ints, *, classes: int, weights: Floats | None = None) -> Floats:
    """Count predictions per true class: [B, K, K], rows are true classes, columns are predicted classes."""
    counted = _weights(weights, len(labels))
    cells = np.zeros((len(labels), classes * classes))
    cells[np.arange(len(labels)), labels * classes + predicted] = 1.0
    return np.asarray((counted @ cells).reshape(len(counted), classes, classes), dtype=np.float64)


def per_sample_brier(probabilities: Floats, labels: Ints) -> Floats:
    """Compute each photo's squared distance [N] between its probabilities and the one-hot label, 0 to 2."""
    truth = np.eye(probabilities.shape[1])[labels]
    return np.asarray(((probabilities - truth) ** 2).sum(axis=1), dtype=np.float64)


def per_sample_nll(probabilities: Floats, labels: Ints) -> Floats:
    """Compute each photo's negative log probability [N] of the true class, in nats (0 is clipped to 1e-12)."""
    given = probabilities[np.arange(len(labels)), labels]
    return np.asarray(-np.log(np.maximum(given, _LEAST_PROBABILITY)), dtype=np.float64)


def equal_mass_bins(confidence: Floats, *, bins: int = 10) -> Ints:
    """Sort photos by confidence into at most `bins` bins of about equal size; equal confidences stay together.

    Returns int [N], numbered from 0 without gaps. With few photos there are fewer bins, about five photos in each.
    """
    if len(confidence) == 0:
        return np.zeros(0, dtype=np.int64)
    wanted = int(np.clip(len(confidence) // 5, 1, bins))
    edges = np.quantile(confidence, np.arange(1, wanted) / wanted, method="lower")
    raw = np.searchsorted(edges, confidence, side="left")
    return np.asarray(np.unique(raw, return_inverse=True)[1], dtype=np.int64)


def expected_calibration_error(
    probabilities: Floats, labels: Ints, *, bins: int = 10, weights: Floats | None = None
) -> Floats:
    """Compute the expected calibration error [B]: mean gap between confidence and accuracy over equal-mass bins.

    Naeini et al. (2015), Guo et al. (2017); bins of equal mass after Nguyen and O'Connor (2015), since
    equal-width bins are mostly empty on small datasets. The bins are those of the unweighted photos.
    """
    counted = _weights(weights, len(labels))
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    member = equal_mass_bins(confidence, bins=bins)
    gaps = np.zeros((len(labels), int(member.max()) + 1 if len(member) else 1))
    gaps[np.arange(len(labels)), member] = right - confidence
    return _ratio(np.abs(counted @ gaps).sum(axis=1), counted.sum(axis=1))


def _weights(weights: Floats | None, photos: int) -> Floats:
    return np.ones((1, photos)) if weights is None else np.atleast_2d(np.asarray(weights, dtype=np.float64))


def _from_confusion_matrices(table: Floats) -> dict[str, Floats]:
    hits = np.diagonal(table, axis1=1, axis2=2)
    truths, answers = table.sum(axis=2), table.sum(axis=1)
    return {
        "precision": _ratio(hits, answers),
        "recall": _ratio(hits, truths),
        "f1": _ratio(2 * hits, truths + answers),
    }


def _ratio(above: Floats, below: Floats) -> Floats:
    empty = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below > 0), dtype=np.float64)


def _mean_where(values: Floats, kept: NDArray[np.bool_]) -> Floats:
    return _ratio(np.where(kept, values, 0.0).sum(axis=-1), kept.sum(axis=-1))

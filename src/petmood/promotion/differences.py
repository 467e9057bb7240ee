"""Differences in accuracy between two models on the same photos, with intervals over groups, and their texts.

The interval is the wider of two: the bootstrap interval, and the adjusted interval of Agresti and Min (2005), which
adds one group to either side. The bootstrap alone is too narrow if few predictions differ: four wins and no loss would
count as an improvement.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from petmood.core.errors import DataError
from petmood.evaluation.bootstrap import Estimate, bootstrap_estimate, cluster_bootstrap_weights
from petmood.evaluation.predictions import Predictions
from petmood.promotion.limits import CONFIDENCE
from petmood.promotion.records import SliceComparison

__all__ = [
    "compare_slice",
    "difference",
    "differences_by_group",
    "number_text",
    "points_text",
    "side_by_side",
    "widened",
    "with_interval",
]

Floats = NDArray[np.float64]


def difference(candidate: Predictions, champion: Predictions, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the candidate's accuracy minus the champion's, with its interval; both have the same photos in order.

    For another confidence than 95% the bootstrap interval is stretched like one of the normal distribution.
    """
    apart = _right(candidate) - _right(champion)
    groups = candidate.group_numbers()
    sums, sizes = np.bincount(groups, weights=apart), np.bincount(groups)
    times = cluster_bootstrap_weights(np.arange(len(sums)), seed=0)
    value, quantile = float(apart.mean()), _quantile(confidence)
    drawn = bootstrap_estimate(value, times @ sums / (times @ sizes), n=len(apart), groups=len(sums))
    wide = widened(drawn, confidence=confidence)
    low, high = _adjusted_interval(sums / sizes.mean(), quantile=quantile)
    return Estimate(value, float(np.fmin(wide.low, low)), float(np.fmax(wide.high, high)), n=len(apart))


def widened(estimate: Estimate, *, confidence: float) -> Estimate:
    """Return an estimate whose 95% interval is stretched to another confidence, like one of the normal distribution."""
    stretch, value = _quantile(confidence) / _quantile(CONFIDENCE), estimate.value
    ends = value - (value - estimate.low) * stretch, value + (estimate.high - value) * stretch
    return Estimate(value, *ends, n=estimate.n)


def differences_by_group(candidate: Predictions, champion: Predictions) -> Floats:
    """Return the number of correct predictions of the candidate minus the champion's, for every group, float64 [G]."""
    apart = _right(candidate) - _right(champion)
    return np.asarray(np.bincount(candidate.group_numbers(), weights=apart), np.float64)


def _quantile(confidence: float) -> float:
    return float(stats.norm.ppf((1 + confidence) / 2))


def _adjusted_interval(moved: Floats, *, quantile: float) -> tuple[float, float]:
    """Return the interval of the mean change per group (Agresti and Min, 2005), with one group added to each side."""
    groups = len(moved) + 2
    middle = float(moved.sum()) / groups
    reach = quantile * math.sqrt(float((moved**2).sum()) + 1 - groups * middle**2) / groups
    return max(-1.0, middle - reach), min(1.0, middle + reach)


def _right(scored: Predictions) -> Floats:
    return np.asarray(scored.predicted() == scored.labels, dtype=np.float64)


def compare_slice(
    name: str, candidate: Predictions, champion: Predictions, *, confidence: float = CONFIDENCE
) -> SliceComparison:
    """Return both accuracies on the same photos and their difference."""
    accuracies = float(_right(candidate).mean()), float(_right(champion).mean())
    return SliceComparison(name, *accuracies, difference(candidate, champion, confidence=confidence))


def side_by_side(candidate: Predictions, champion: Predictions) -> tuple[Predictions, Predictions]:
    """Return both models' predictions in one order; raises DataError if they are not of the same photos."""
    first, second = (scored.take(np.argsort(np.array(scored.paths))) for scored in (candidate, champion))
    if (first.paths, first.groups, first.classes) != (second.paths, second.groups, second.classes) or (
        first.labels.tolist() != second.labels.tolist()
    ):
        raise DataError("Expected both bundles to predict the same photos, got different ones. Run both again.")
    return first, second


def points_text(share: float) -> str:
    """Return a difference of two shares in points, with its sign."""
    return f"{100 * share:+z.1f} points"


def with_interval(estimate: Estimate) -> str:
    """Return a difference of two shares in points, with its interval if there is one."""
    interval = f" ({100 * estimate.low:+z.1f} to {100 * estimate.high:+z.1f})" if math.isfinite(estimate.low) else ""
    return points_text(estimate.value) + interval


def number_text(estimate: Estimate) -> str:
    """Return a difference of two numbers, with its interval if there is one."""
    interval = f" ({estimate.low:+z.3f} to {estimate.high:+z.3f})" if math.isfinite(estimate.low) else ""
    return f"{estimate.value:+z.3f}{interval}"

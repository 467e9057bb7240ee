"""Mean differences between two predictions of the same photos, with intervals over groups.

The interval is the wider of two: the bootstrap interval, and the adjusted interval of Agresti and Min (2005), which
adds one group to either side. The bootstrap alone is too narrow if few predictions differ: four wins and no loss would
count as an improvement.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from petmood.evaluation.bootstrap import Estimate, bootstrap_estimate, cluster_bootstrap_weights
from petmood.evaluation.proportions import CONFIDENCE

__all__ = ["estimate_difference", "widened"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def estimate_difference(apart: Floats, groups: Ints, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the mean of one difference per photo [N], each from -1 to 1, with its interval over groups.

    `groups` is int [N] with values 0..F-1, as from `Predictions.group_numbers`; N is at least 1.
    For another confidence than 95% the bootstrap interval is stretched like one of the normal distribution.
    """
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


def _quantile(confidence: float) -> float:
    return float(stats.norm.ppf((1 + confidence) / 2))


def _adjusted_interval(moved: Floats, *, quantile: float) -> tuple[float, float]:
    """Return the interval of the mean change per group (Agresti and Min, 2005), with one group added to each side."""
    groups = len(moved) + 2
    middle = float(moved.sum()) / groups
    reach = quantile * math.sqrt(float((moved**2).sum()) + 1 - groups * middle**2) / groups
    return max(-1.0, middle - reach), min(1.0, middle + reach)

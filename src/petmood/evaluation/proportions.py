"""Exact 95% intervals of proportions over groups of photos.

Photos of one group are counted as if they were all right or all wrong together (intraclass correlation 1). Groups of
sizes m then carry as much evidence as `(sum m)^2 / sum m^2` independent photos (Kish, 1965), which is the number of
photos if every group has one. The interval is that of Clopper and Pearson (1934) for this number. It depends on the
share and the groups alone, not on random draws, so more successes never lower an end.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["CONFIDENCE", "clopper_pearson_interval", "effective_number", "proportion_interval"]

CONFIDENCE = 0.95
_ROUNDING = 1e-9
"""Largest relative rounding error of a share; without it, 36 of 36 could come out as slightly fewer."""

Floats = NDArray[np.float64]


def clopper_pearson_interval(successes: float, trials: float, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact two-sided interval of Clopper and Pearson (1934) for a proportion; (0, 1) without trials.

    `successes` and `trials` need not be whole numbers.
    """
    if trials <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, successes, trials - successes + 1)) if successes > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def effective_number(groups: NDArray[np.int64], *, weights: Floats | None = None) -> float:
    """Return the number of independent photos with the evidence of these groups; 0.0 without photos.

    `groups` is int [N]. `weights` [N] (1 by default) are the photos' weights in the proportion.
    """
    if len(groups) == 0:
        return 0.0
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], weights=weights)
    return float(sums.sum() ** 2 / (sums**2).sum())


def proportion_interval(
    value: float, groups: NDArray[np.int64], *, weights: Floats | None = None
) -> tuple[float, float]:
    """Return the 95% interval of a share `value` of photos that belong to `groups`, int [N]; (0, 1) without photos.

    With one photo per group and no `weights`, this is the exact binomial interval: coverage is at least 95%.
    """
    trials = effective_number(groups, weights=weights)
    successes = float(np.clip(value, 0.0, 1.0)) * trials
    nearest = round(successes)
    return clopper_pearson_interval(nearest if abs(successes - nearest) < _ROUNDING * trials else successes, trials)

"""Cluster bootstrap over groups and 95% confidence intervals of metrics.

Photos of one group (near-duplicates, or one animal twice) are not independent, so groups are resampled, not photos
(cluster bootstrap, Davison and Hinkley 1997, 3.8). The interval is the expanded percentile interval of Hesterberg
(2015). It widens the percentiles by the t distribution, so that coverage holds for 30 groups as well as for 1,000.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from petmood.core.errors import ConfigError
from petmood.evaluation.metrics import CLASS_METRICS, METRICS, PROPORTIONS, class_metrics, metrics
from petmood.evaluation.predictions import Predictions

__all__ = [
    "REPLICATES",
    "Estimate",
    "bootstrap_estimate",
    "clopper_pearson_interval",
    "cluster_bootstrap_weights",
    "estimate_class_metrics",
    "estimate_mean",
    "estimate_metrics",
]

REPLICATES = 2000
_CONFIDENCE = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Value of a metric, its 95% interval and the number of photos it is based on; nan where undefined."""

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return the four numbers by name; values that are not finite become None."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {**{name: x if math.isfinite(x) else None for name, x in numbers.items()}, "n": self.n}


def cluster_bootstrap_weights(
    groups: NDArray[np.int64], *, replicates: int = REPLICATES, seed: int
) -> NDArray[np.float64]:
    """Draw groups with replacement and return how often each photo was drawn: [replicates, N].

    `groups` is int [N] with values 0..F-1, as from `Predictions.group_numbers`. Photos of one group share one count.

    Raises:
        ConfigError: fewer than 2 replicates.
    """
    if replicates < 2:
        raise ConfigError(f"Expected at least 2 bootstrap replicates, got {replicates}. {REPLICATES} is usual.")
    count = int(groups.max()) + 1 if len(groups) else 0
    if count == 0:
        return np.zeros((replicates, 0))
    drawn = np.random.default_rng(seed).integers(0, count, size=(replicates, count))
    drawn += np.arange(replicates)[:, None] * count
    times = np.bincount(drawn.ravel(), minlength=replicates * count).reshape(replicates, count)
    return np.asarray(times[:, groups], dtype=np.float64)


def clopper_pearson_interval(
    successes: float, trials: float, *, confidence: float = _CONFIDENCE
) -> tuple[float, float]:
    """Return the exact two-sided interval of Clopper and Pearson (1934) for a proportion; (0, 1) without trials."""
    if trials <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, successes, trials - successes + 1)) if successes > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def bootstrap_estimate(value: float, replicates: Floats, *, n: int, groups: int, proportion: bool = False) -> Estimate:
    """Make an estimate from a value, its bootstrap replicates [B] and the number of groups that were drawn.

    If all replicates are equal (all correct, all wrong, or one group), the bootstrap gives no interval. A proportion
    then gets the exact interval of that share of `groups`, any other number gets nan.
    The interval always contains the value: for biased metrics, such as the calibration error, it is extended to it.
    """
    known = replicates[np.isfinite(replicates)]
    if not math.isfinite(value) or len(known) == 0:
        return Estimate(value=math.nan, low=math.nan, high=math.nan, n=n)
    if groups < 2 or float(np.ptp(known)) < 1e-12:
        ends = clopper_pearson_interval(value * groups, groups) if proportion else (math.nan, math.nan)
        return Estimate(value, *ends, n=n)
    spread = math.sqrt(groups / (groups - 1)) * stats.t.ppf((1 + _CONFIDENCE) / 2, groups - 1)
    tail = float(stats.norm.cdf(-spread))
    low, high = np.quantile(known, [tail, 1 - tail])
    return Estimate(value, min(float(low), value), max(float(high), value), n=n)


def estimate_metrics(
    scored: Predictions, *, temperature: float = 1.0, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate every metric in METRICS with its 95% interval over groups."""
    groups = scored.group_numbers()
    count = len(set(scored.groups))
    probabilities = scored.probabilities(temperature=temperature)
    values = metrics(probabilities, scored.labels)
    weights = cluster_bootstrap_weights(groups, replicates=replicates, seed=seed)
    drawn = metrics(probabilities, scored.labels, weights=weights)
    n = len(scored)
    return {
        name: bootstrap_estimate(float(values[name][0]), drawn[name], n=n, groups=count, proportion=name in PROPORTIONS)
        for name in METRICS
    }


def estimate_class_metrics(
    scored: Predictions, *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, dict[str, Estimate]]:
    """Estimate precision, recall and F1 of every class: class name -> metric -> estimate.

    `n` is the number of photos of the class (recall, F1) or predicted as the class (precision).
    """
    probabilities = scored.probabilities()
    weights = cluster_bootstrap_weights(scored.group_numbers(), replicates=replicates, seed=seed)
    values = class_metrics(probabilities, scored.labels)
    drawn = class_metrics(probabilities, scored.labels, weights=weights)
    return {name: _one_class(scored, number, values=values, drawn=drawn) for number, name in enumerate(scored.classes)}


def estimate_mean(
    per_photo: Floats,
    groups: NDArray[np.int64],
    *,
    proportion: bool = False,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """Estimate the mean of one number per photo [N] with its 95% interval over groups."""
    if len(per_photo) == 0:
        return Estimate(math.nan, math.nan, math.nan, n=0)
    weights = cluster_bootstrap_weights(np.unique(groups, return_inverse=True)[1], replicates=replicates, seed=seed)
    drawn = weights @ per_photo / weights.sum(axis=1)
    return bootstrap_estimate(
        float(per_photo.mean()),
        drawn,
        n=len(per_photo),
        groups=len(np.unique(groups)),
        proportion=proportion,
    )


def _one_class(
    scored: Predictions, number: int, *, values: Mapping[str, Floats], drawn: Mapping[str, Floats]
) -> dict[str, Estimate]:
    groups = np.array(scored.groups)
    of_class, called_so = scored.labels == number, scored.predicted() == number
    below = {"precision": called_so, "recall": of_class, "f1": of_class}
    return {
        name: bootstrap_estimate(
            float(values[name][0, number]),
            drawn[name][:, number],
            n=int(below[name].sum()),
            groups=len(np.unique(groups[below[name]])),
            proportion=True,
        )
        for name in CLASS_METRICS
    }

"""Cluster bootstrap over groups and 95% confidence intervals of metrics.

Proportions get the exact interval of `petmood.evaluation.proportions`; every other metric gets a bootstrap interval.

Photos of one group (near-duplicates, or one animal twice) are not independent, so groups are resampled, not photos
(cluster bootstrap, Davison and Hinkley 1997, 3.8). The interval is the expanded percentile interval of Hesterberg
(2015). It widens the percentiles by the t distribution, so that coverage holds for 30 groups as well as for 1,000.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from petmood.core.errors import ConfigError
from petmood.evaluation.metrics import METRICS, PROPORTIONS, RATIO_MEANS, class_metrics, metrics
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.proportions import CONFIDENCE, proportion_interval

__all__ = [
    "REPLICATES",
    "Estimate",
    "bootstrap_estimate",
    "cluster_bootstrap_weights",
    "estimate_class_metrics",
    "estimate_mean",
    "estimate_metrics",
    "estimate_proportion",
    "metric_estimate",
]

REPLICATES = 2000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


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


def cluster_bootstrap_weights(groups: Ints, *, replicates: int = REPLICATES, seed: int) -> Floats:
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


def bootstrap_estimate(value: float, replicates: Floats, *, n: int, groups: int) -> Estimate:
    """Make an estimate from a value, its bootstrap replicates [B] and the number of groups that were drawn.

    If all replicates are equal (or there is one group), the bootstrap gives no interval: its ends are nan.
    The interval always contains the value: for biased metrics, such as the calibration error, it is extended to it.
    For a proportion, use `estimate_proportion`: a bootstrap is too narrow near 0 and 1 (docs/decisions/intervals.md).
    """
    known = replicates[np.isfinite(replicates)]
    if not math.isfinite(value) or len(known) == 0:
        return Estimate(value=math.nan, low=math.nan, high=math.nan, n=n)
    if groups < 2 or float(np.ptp(known)) < 1e-12:
        return Estimate(value, math.nan, math.nan, n=n)
    spread = math.sqrt(groups / (groups - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1)
    tail = float(stats.norm.cdf(-spread))
    low, high = np.quantile(known, [tail, 1 - tail])
    return Estimate(value, min(float(low), value), max(float(high), value), n=n)


def metric_estimate(name: str, value: float, replicates: Floats, *, labels: Ints, groups: Ints) -> Estimate:
    """Make the estimate of a metric in METRICS from its value and bootstrap replicates [B], over photos [N].

    Accuracy and balanced accuracy are shares of photos (of all, or each class with the same weight), with the exact
    interval. Macro F1 is a mean of ratios: its interval is the wider of the bootstrap interval and the exact one.
    """
    n = len(labels)
    drawn = bootstrap_estimate(value, replicates, n=n, groups=len(np.unique(groups)))
    if name not in PROPORTIONS or not math.isfinite(value):
        return drawn
    weights = None if name == "accuracy" else 1.0 / np.bincount(labels)[labels]
    low, high = proportion_interval(value, groups, weights=weights)
    if name in RATIO_MEANS:
        low, high = float(np.fmin(low, drawn.low)), float(np.fmax(high, drawn.high))
    return Estimate(value, low, high, n=n)


def estimate_metrics(
    scored: Predictions, *, temperature: float = 1.0, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Estimate]:
    """Estimate every metric in METRICS with its 95% interval over groups."""
    groups = scored.group_numbers()
    probabilities = scored.probabilities(temperature=temperature)
    values = metrics(probabilities, scored.labels)
    weights = cluster_bootstrap_weights(groups, replicates=replicates, seed=seed)
    drawn = metrics(probabilities, scored.labels, weights=weights)
    return {
        name: metric_estimate(name, float(values[name][0]), drawn[name], labels=scored.labels, groups=groups)
        for name in METRICS
    }


def estimate_class_metrics(scored: Predictions) -> dict[str, dict[str, Estimate]]:
    """Estimate precision, recall and F1 of every class: class name -> metric -> estimate.

    `n` is the number of photos of the class (recall, F1) or predicted as the class (precision).
    """
    values = class_metrics(scored.probabilities(), scored.labels)
    return {
        name: _one_class(scored, number, values={metric: float(values[metric][0, number]) for metric in values})
        for number, name in enumerate(scored.classes)
    }


def estimate_proportion(holds: ArrayLike, groups: Ints) -> Estimate:
    """Estimate the share of photos for which something holds ([N] of 0 and 1), with its exact interval over groups."""
    held = np.asarray(holds, dtype=np.float64)
    if len(held) == 0:
        return Estimate(math.nan, math.nan, math.nan, n=0)
    value = float(held.mean())
    return Estimate(value, *proportion_interval(value, groups), n=len(held))


def estimate_mean(per_photo: Floats, groups: Ints, *, replicates: int = REPLICATES, seed: int = 0) -> Estimate:
    """Estimate the mean of one number per photo [N] with its 95% bootstrap interval over groups."""
    if len(per_photo) == 0:
        return Estimate(math.nan, math.nan, math.nan, n=0)
    weights = cluster_bootstrap_weights(np.unique(groups, return_inverse=True)[1], replicates=replicates, seed=seed)
    drawn = weights @ per_photo / weights.sum(axis=1)
    return bootstrap_estimate(float(per_photo.mean()), drawn, n=len(per_photo), groups=len(np.unique(groups)))


def _one_class(scored: Predictions, number: int, *, values: Mapping[str, float]) -> dict[str, Estimate]:
    groups = scored.group_numbers()
    of_class, called_so = scored.labels == number, scored.predicted() == number
    return {
        "precision": _share(values["precision"], groups[called_so]),
        "recall": _share(values["recall"], groups[of_class]),
        "f1": _f1(values["f1"], groups[of_class | called_so], n=int(of_class.sum())),
    }


def _share(value: float, groups: Ints) -> Estimate:
    if not math.isfinite(value):
        return Estimate(math.nan, math.nan, math.nan, n=len(groups))
    return Estimate(value, *proportion_interval(value, groups), n=len(groups))


def _f1(value: float, groups: Ints, *, n: int) -> Estimate:
    """Estimate F1 through the Jaccard index J, a share of the photos of the class or called so: F1 = 2J / (1 + J)."""
    shared = _share(value / (2.0 - value), groups)
    low, high = (2.0 * end / (1.0 + end) for end in (shared.low, shared.high))
    return Estimate(value, low, high, n=n)

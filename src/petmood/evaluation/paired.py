"""Paired comparison of two runs on the same photos: difference, interval and p-value.

Both runs predict the same photos, so they are compared photo by photo. Groups, not photos, are the units of the
bootstrap that gives the interval. They are also the units of the sign-flip permutation test that gives the p-value
(Good, 2005; the resampling test of Noreen, 1989).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from petmood.core.atomic_directory import name_some
from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.bootstrap import (
    REPLICATES,
    Estimate,
    bootstrap_estimate,
    cluster_bootstrap_weights,
)
from petmood.evaluation.metrics import per_sample_brier, per_sample_nll
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.proportions import clopper_pearson_interval

__all__ = ["PAIRED_METRICS", "PairedTest", "paired_test", "sign_flip_p_value"]

PAIRED_METRICS = ("accuracy", "balanced_accuracy", "brier", "nll")
_EXACT_UP_TO = 14

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Result of a paired comparison: `difference` is first minus second with its interval over groups.

    `p_value` is two-sided: the probability of a difference at least as large if both runs are equally good.
    """

    metric: str
    first: float
    second: float
    difference: Estimate
    p_value: float
    groups: int

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return {
            "metric": self.metric,
            "first": self.first,
            "second": self.second,
            "difference": self.difference.to_json(),
            "p_value": self.p_value,
            "groups": self.groups,
        }


def paired_test(
    first: Predictions, second: Predictions, *, metric: str = "accuracy", permutations: int = 10_000, seed: int = 0
) -> PairedTest:
    """Compare two runs on the same photos, in any order.

    If at most 14 groups differ, all sign patterns are tried and the p-value is exact; otherwise `permutations` random
    ones are drawn. If the runs do not differ on any photo, the interval comes from Clopper and Pearson: the largest
    share of groups that could differ although none was observed to.

    Raises:
        ConfigError: unknown metric.
        DataError: different classes, no photos, photos that only one run has, or photos whose label or group differs.
    """
    if metric not in PAIRED_METRICS:
        raise ConfigError(f"Unknown metric {metric!r} for a paired test. Known: {', '.join(PAIRED_METRICS)}.")
    other = _align(first, second)
    values = _per_photo(first, metric=metric), _per_photo(other, metric=metric)
    apart = values[0] - values[1]
    groups = first.group_numbers()
    sums = np.bincount(groups, weights=apart).astype(np.float64)
    weights = cluster_bootstrap_weights(groups, replicates=REPLICATES, seed=seed)
    drawn = weights @ apart / weights.sum(axis=1)
    difference = bootstrap_estimate(float(apart.mean()), drawn, n=len(apart), groups=len(sums))
    if not math.isfinite(difference.low) and not apart.any():
        reach = clopper_pearson_interval(0, len(sums))[1]
        difference = Estimate(0.0, -reach, reach, n=len(apart))
    p_value = sign_flip_p_value(sums, permutations=permutations, seed=seed)
    means = float(values[0].mean()), float(values[1].mean())
    return PairedTest(metric, *means, difference=difference, p_value=p_value, groups=len(sums))


def _align(first: Predictions, second: Predictions) -> Predictions:
    if len(first) == 0:
        raise DataError("Expected photos to compare two runs on, got none. Evaluate both runs on the same data.")
    if first.classes != second.classes:
        names = f"{', '.join(first.classes)} and {', '.join(second.classes)}"
        raise DataError(f"Expected two runs with the same classes in the same order, got {names}.")
    position_of = {path: number for number, path in enumerate(second.paths)}
    lacking = [path for path in first.paths if path not in position_of]
    surplus = sorted(set(second.paths) - set(first.paths))
    for paths, which in ((lacking, "first"), (surplus, "second")):
        if paths:
            raise DataError(
                f"Expected the same photos in both runs, got {len(paths)} that only the {which} predicted: "
                f"{name_some(paths, shown=3)}. Evaluate both runs on the same data."
            )
    if len(second) != len(first):
        raise DataError(
            f"Expected every photo once, got {len(first)} and {len(second)} predictions of the same photos."
        )
    other = second.take([position_of[path] for path in first.paths])
    differing = [
        path
        for number, path in enumerate(first.paths)
        if first.labels[number] != other.labels[number] or first.groups[number] != other.groups[number]
    ]
    if differing:
        raise DataError(
            f"Expected the same truth and group for every photo, got {len(differing)} that differ: "
            f"{name_some(differing, shown=3)}. Evaluate both runs on the same data version."
        )
    return other


def _per_photo(scored: Predictions, *, metric: str) -> Floats:
    """Compute one number per photo [N] whose mean is the metric."""
    probabilities = scored.probabilities()
    if metric == "brier":
        return per_sample_brier(probabilities, scored.labels)
    if metric == "nll":
        return per_sample_nll(probabilities, scored.labels)
    right: Floats = (scored.predicted() == scored.labels).astype(np.float64)
    if metric == "accuracy":
        return right
    counts = np.bincount(scored.labels, minlength=len(scored.classes))
    share = len(scored) / (counts[scored.labels] * np.count_nonzero(counts))
    return np.asarray(right * share, dtype=np.float64)


def sign_flip_p_value(sums: Floats, *, permutations: int, seed: int) -> float:
    """Compute the two-sided p-value of the total under random sign flips of the groups' differences [G]."""
    moving = sums[np.abs(sums) > 1e-12]
    if len(moving) < 2:  # one group's total is as far from 0 under either sign; scipy takes two or more
        return 1.0
    found = stats.permutation_test(
        (moving,),
        _distance,
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf if len(moving) <= _EXACT_UP_TO else permutations,
        batch=1000,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _distance(sums: Floats, axis: int) -> Floats:
    """Compute the distance of the total from 0, rounded: equal totals differ in their last digits, and are ties."""
    return np.asarray(np.round(np.abs(np.sum(sums, axis=axis)), 9))

"""Permutation test of an accuracy: how often permuted labels give one at least as high, and where 95% of them lie.

Photos of one group are not independent, so the labels of whole groups are exchanged, among groups of the same number
of photos (whole-block exchangeability, Winkler et al. 2014). The p-value is (1 + permutations at least as good) /
(1 + permutations), which is never 0 (Phipson and Smyth 2010).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from petmood.evaluation.predictions import Predictions

__all__ = [
    "PERMUTATIONS",
    "PermutationTest",
    "Permuted",
    "compared_with_permuted",
    "permutation_test",
    "permute_by_group",
]

PERMUTATIONS = 9_999
"""Number of permutations of labels against finished predictions: the smallest p-value is 0.0001."""

_BATCH = 500
_TIE = 1e-9

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Permuted(StrEnum):
    """What was permuted: labels against finished predictions, or labels before a method was fitted again."""

    PREDICTIONS = "predictions"
    REFITS = "refits"


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """Result of a permutation test of an accuracy.

    `mean` is the accuracy with permuted labels, and 95% of the permutations lie from `low` to `high`. `p_value` is
    one-sided: the probability of an accuracy at least as high if the labels had nothing to do with the photos.
    """

    permuted: Permuted
    permutations: int
    mean: float
    low: float
    high: float
    p_value: float

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return {
            "permuted": str(self.permuted),
            "permutations": self.permutations,
            "mean": self.mean,
            "low": self.low,
            "high": self.high,
            "p_value": self.p_value,
        }


def permutation_test(
    repeats: Sequence[Predictions], *, permutations: int = PERMUTATIONS, seed: int = 0
) -> PermutationTest:
    """Permute the labels of one or more predictions of the same photos, in the same order; nothing is fitted again.

    The accuracy is the mean over the predictions.
    """
    first = repeats[0]
    given = np.mean([np.eye(len(first.classes))[scored.predicted()] for scored in repeats], axis=0)
    photos = np.arange(len(first))
    observed = float(given[photos, first.labels].mean())
    rng = np.random.default_rng(seed)
    groups, found = first.group_numbers(), []
    for start in range(0, permutations, _BATCH):
        moved = _orders(groups, count=min(_BATCH, permutations - start), rng=rng)
        found.append(given[photos, first.labels[moved]].mean(axis=1))
    return compared_with_permuted(observed, np.concatenate(found), permuted=Permuted.PREDICTIONS)


def compared_with_permuted(
    observed: float, accuracies: Sequence[float] | Floats, *, permuted: Permuted
) -> PermutationTest:
    """Compare an accuracy with those of permuted labels (at least one)."""
    values = np.asarray(accuracies, dtype=np.float64)
    as_good = int((values >= observed - _TIE).sum())
    low, high = np.quantile(values, [0.025, 0.975])
    p_value = (1 + as_good) / (1 + len(values))
    return PermutationTest(permuted, len(values), float(values.mean()), float(low), float(high), p_value)


def permute_by_group(labels: Ints, groups: Ints, *, seed: int) -> Ints:
    """Return the labels [N] with those of whole groups exchanged; `groups` is int [N]."""
    order = _orders(groups, count=1, rng=np.random.default_rng(seed))[0]
    return np.asarray(labels[order], dtype=np.int64)


def _orders(groups: Ints, *, count: int, rng: np.random.Generator) -> Ints:
    """Return for each of `count` permutations the photo whose label each photo gets: int [count, N].

    A group that gets the labels of a smaller one repeats them; of a larger one, it takes the first.
    """
    moved = np.tile(np.arange(len(groups)), (count, 1))
    for members in _blocks(groups):
        sizes = np.array([len(photos) for photos in members])
        table = np.stack([np.resize(photos, sizes.max()) for photos in members])
        exchanged = rng.permuted(np.tile(np.arange(len(members)), (count, 1)), axis=1)
        taken = table[exchanged]
        if sizes.min() == sizes.max():
            moved[:, table.ravel()] = taken.reshape(count, -1)
            continue
        for number, photos in enumerate(members):
            moved[:, photos] = taken[:, number, : len(photos)]
    return moved


def _blocks(groups: Ints) -> Iterator[list[Ints]]:
    """Yield lists of groups that exchange labels: those of one size, and together those whose size is the only one."""
    counts = np.unique(groups, return_counts=True)[1]
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(counts)[:-1])
    for size in np.unique(counts)[np.unique(counts, return_counts=True)[1] > 1]:
        yield [members[number] for number in np.flatnonzero(counts == size)]
    alone = [photos for photos in members if (counts == len(photos)).sum() == 1]
    if alone:
        yield alone

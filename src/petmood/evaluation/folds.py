"""Cross-validation folds, stratified by class, with or without grouping.

`stratified_group_folds` never splits a group across folds. `random_folds` ignores groups, in order to measure group
leakage.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petmood.core.errors import ConfigError, DataError

__all__ = ["Fold", "random_folds", "stratified_group_folds"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One fold: indices to train on and to test on, int arrays in ascending order."""

    repeat: int
    fold: int
    train: Ints
    test: Ints


def stratified_group_folds(
    labels: ArrayLike, groups: Sequence[str], *, folds: int = 5, repeats: int = 1, seed: int = 0
) -> tuple[Fold, ...]:
    """Split photos into folds that share no group and have about equal shares of every class.

    Groups are assigned by size, large ones first, in random order at equal size. Each goes to the fold where its
    classes are rarest. The result depends on the seed and the group names, not on the order of the rows.

    Raises:
        ConfigError: fewer than 2 folds or fewer than 1 repeat.
        DataError: fewer groups than folds.
    """
    known = np.asarray(labels, dtype=np.int64)
    names, member = np.unique(np.array(groups, dtype=np.str_), return_inverse=True)
    _check(folds=folds, repeats=repeats, units=len(names), unit="groups")
    counts = np.zeros((len(names), int(known.max()) + 1))
    np.add.at(counts, (member, known), 1.0)
    made: list[Fold] = []
    for repeat in range(repeats):
        fold_of = _assign_folds(counts, folds=folds, rng=np.random.default_rng([seed, repeat]))
        made.extend(_as_folds(fold_of[member], folds=folds, repeat=repeat))
    return tuple(made)


def random_folds(labels: ArrayLike, *, folds: int = 5, repeats: int = 1, seed: int = 0) -> tuple[Fold, ...]:
    """Split photos into folds stratified by class only: a group may be in both training and test.

    Raises:
        ConfigError: fewer than 2 folds or fewer than 1 repeat.
        DataError: fewer photos than folds.
    """
    known = np.asarray(labels, dtype=np.int64)
    _check(folds=folds, repeats=repeats, units=len(known), unit="photos")
    made: list[Fold] = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        shuffled = rng.permutation(len(known))
        by_label = shuffled[np.argsort(known[shuffled], kind="stable")]
        fold_of = np.empty(len(known), dtype=np.int64)
        fold_of[by_label] = np.arange(len(known)) % folds
        made.extend(_as_folds(fold_of, folds=folds, repeat=repeat))
    return tuple(made)


def _assign_folds(counts: NDArray[np.float64], *, folds: int, rng: np.random.Generator) -> Ints:
    """Assign each group (its counts by class, [F, K]) to a fold [F]; no fold stays empty."""
    totals = np.maximum(counts.sum(axis=0), 1.0)
    shuffled = rng.permutation(len(counts))
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    load = np.zeros((folds, counts.shape[1]))
    fold_of = np.empty(len(counts), dtype=np.int64)
    for dealt, group in enumerate(order):
        scarcity = (load * counts[group] / totals**2).sum(axis=1)
        costs = np.stack([np.round(scarcity, 12), load.sum(axis=1), rng.random(folds)])
        open_folds = np.arange(folds)
        empty = load.sum(axis=1) == 0
        if int(empty.sum()) >= len(order) - dealt:
            open_folds = open_folds[empty]
        chosen = open_folds[np.lexsort(costs[::-1, open_folds])[0]]
        fold_of[group] = chosen
        load[chosen] += counts[group]
    return fold_of


def _as_folds(fold_of: Ints, *, folds: int, repeat: int) -> list[Fold]:
    return [
        Fold(repeat, number, train=np.flatnonzero(fold_of != number), test=np.flatnonzero(fold_of == number))
        for number in range(folds)
    ]


def _check(*, folds: int, repeats: int, units: int, unit: str) -> None:
    if folds < 2:
        raise ConfigError(f"Expected at least 2 folds, got {folds}. Usual: folds=5.")
    if repeats < 1:
        raise ConfigError(f"Expected at least 1 repeat, got {repeats}. Usual: repeats=1.")
    if units < folds:
        raise DataError(f"Expected at least {folds} {unit} for {folds} folds, got {units}. Ask for fewer folds.")

"""Tests of folds: groups are never split, and classes are balanced."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.folds import random_folds, stratified_group_folds

photos = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(photos=photos, folds=st.integers(2, 6), seed=st.integers(0, 1000))
def test_no_group_is_trained_and_tested_on_and_every_photo_is_tested_once(
    photos: list[tuple[int, int]], folds: int, seed: int
) -> None:
    labels, groups = [label for label, _ in photos], [f"f{group}" for _, group in photos]
    if len(set(groups)) < folds:
        with pytest.raises(DataError, match="fewer folds"):
            stratified_group_folds(labels, groups, folds=folds, seed=seed)
        return
    made = stratified_group_folds(labels, groups, folds=folds, repeats=2, seed=seed)
    names = np.array(groups)
    for fold in made:
        assert not set(names[fold.train]) & set(names[fold.test])
        assert len(fold.test) > 0
        assert sorted([*fold.train, *fold.test]) == list(range(len(photos)))
    for repeat in (0, 1):
        tested = np.concatenate([fold.test for fold in made if fold.repeat == repeat])
        assert sorted(tested) == list(range(len(photos)))


def test_classes_are_spread_within_one_photo_where_groups_are_single() -> None:
    labels = np.random.default_rng(0).choice(4, size=203, p=[0.5, 0.3, 0.15, 0.05])
    made = stratified_group_folds(labels, [str(i) for i in range(203)], folds=5, seed=3)
    counts = np.array([np.bincount(labels[fold.test], minlength=4) for fold in made])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()


def test_large_groups_do_not_upset_the_sizes() -> None:
    groups = np.repeat(np.arange(50), np.random.default_rng(1).integers(1, 8, 50))
    labels = np.random.default_rng(2).integers(0, 4, len(groups))
    sizes = [len(fold.test) for fold in stratified_group_folds(labels, [str(f) for f in groups], folds=5)]
    assert max(sizes) - min(sizes) < 0.25 * np.mean(sizes)


def test_the_order_of_the_rows_does_not_change_who_is_tested_together() -> None:
    rng = np.random.default_rng(4)
    labels, groups = rng.integers(0, 4, 60), np.array([f"f{i:02d}" for i in rng.integers(0, 25, 60)])
    order = rng.permutation(60)
    plain = stratified_group_folds(labels, groups.tolist(), folds=4, seed=9)
    mixed = stratified_group_folds(labels[order], groups[order].tolist(), folds=4, seed=9)
    for first, second in zip(plain, mixed, strict=True):
        assert sorted(first.test) == sorted(order[second.test])


def test_a_seed_repeats_itself_and_repeats_differ() -> None:
    labels, groups = [0, 1] * 20, [str(i) for i in range(40)]
    first, again = (stratified_group_folds(labels, groups, folds=4, repeats=2, seed=1) for _ in range(2))
    assert all((a.test == b.test).all() for a, b in zip(first, again, strict=True))
    assert any((a.test != b.test).any() for a, b in zip(first[:4], first[4:], strict=True))


def test_random_folds_are_stratified_and_let_related_photos_leak() -> None:
    labels = np.repeat([0, 1, 2, 3], 25)
    groups = np.repeat(np.arange(20), 5)
    made = random_folds(labels, folds=5, repeats=2, seed=0)
    assert all(np.bincount(labels[fold.test]).tolist() == [5, 5, 5, 5] for fold in made)
    assert any(set(groups[fold.train]) & set(groups[fold.test]) for fold in made)


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"repeats": 0}])
def test_impossible_plans_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least"):
        stratified_group_folds([0, 1, 0], ["a", "b", "c"], **{"folds": 2, **wrong})
    with pytest.raises(DataError, match="photos"):
        random_folds([0, 1], folds=3)

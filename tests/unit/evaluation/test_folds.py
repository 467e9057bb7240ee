"""Tests of folds: groups are never split, and classes are balanced."""

import re

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


def test_random_folds_deal_each_class_to_the_folds_in_turn_in_the_order_drawn() -> None:
    labels = np.random.default_rng(5).integers(0, 3, 300)
    made = random_folds(labels, folds=4, repeats=2, seed=7)
    assert [(fold.repeat, fold.fold) for fold in made] == [(repeat, fold) for repeat in (0, 1) for fold in range(4)]
    for repeat in (0, 1):
        tested = {int(photo): fold.fold for fold in made if fold.repeat == repeat for photo in fold.test}
        drawn = np.random.default_rng([7, repeat]).permutation(300)
        dealt = [tested[photo] for label in range(3) for photo in drawn.tolist() if labels[photo] == label]
        assert dealt == [0, 1, 2, 3] * 75
    for fold in made:
        assert sorted([*fold.train, *fold.test]) == list(range(300))


def test_five_folds_are_made_once_with_the_seed_0_unless_others_are_asked() -> None:
    labels, groups = np.random.default_rng(6).integers(0, 3, 40), [f"f{i // 2}" for i in range(40)]
    plans = {
        "random": (random_folds(labels), random_folds(labels, folds=5, repeats=1, seed=0)),
        "grouped": (
            stratified_group_folds(labels, groups),
            stratified_group_folds(labels, groups, folds=5, repeats=1, seed=0),
        ),
    }
    for default, plain in plans.values():
        assert [(fold.repeat, fold.fold) for fold in default] == [(0, number) for number in range(5)]
        assert [fold.test.tolist() for fold in default] == [fold.test.tolist() for fold in plain]


def test_large_groups_are_dealt_first_each_to_the_fold_where_its_classes_are_rarest() -> None:
    # Class 0: groups of 4, 3, 2 and 1 photos; class 1: one group of 5. The largest two open the two folds: 5 | 4. The
    # 3 go where class 0 is missing: 5 + 3 | 4, the 2 where class 0 has 3: 5 + 3 + 2 | 4, the 1 where it has 4.
    sizes = {"a4": 4, "a3": 3, "a2": 2, "a1": 1, "b5": 5}
    groups = [name for name, size in sizes.items() for _ in range(size)]
    labels = [int(name.startswith("b")) for name in groups]
    for seed in range(20):
        made = stratified_group_folds(labels, groups, folds=2, seed=seed)
        parts = {frozenset(groups[photo] for photo in fold.test) for fold in made}
        assert parts == {frozenset({"b5", "a3", "a2"}), frozenset({"a4", "a1"})}


def test_groups_of_equal_rarity_go_to_the_fold_with_fewer_photos() -> None:
    # The first two groups open the folds, 6 | 2; the class of the third is in neither, so it goes to the smaller one.
    labels, groups = [0] * 6 + [1] * 2 + [2], ["a"] * 6 + ["b"] * 2 + ["c"]
    for seed in range(20):
        made = stratified_group_folds(labels, groups, folds=2, seed=seed)
        assert {frozenset(groups[photo] for photo in fold.test) for fold in made} == {
            frozenset("a"),
            frozenset("bc"),
        }


@pytest.mark.parametrize(
    ("large", "small", "mixed", "beside"),
    [
        # Of 9 and 5 photos: 8 / 9^2 is less than 4 / 5^2, so the mixed group goes beside the large one.
        (8, 4, "ab", "large"),
        # Of 11 and 6 photos: 3 x 8 / 11^2 is more than 5 / 6^2.
        (8, 5, "aaab", "small"),
    ],
)
def test_a_mixed_group_goes_where_the_shares_of_its_classes_are_least(
    large: int, small: int, mixed: str, beside: str
) -> None:
    labels = [0] * large + [1] * small + ["ab".index(label) for label in mixed]
    groups = ["large"] * large + ["small"] * small + ["mixed"] * len(mixed)
    for seed in range(10):
        made = stratified_group_folds(labels, groups, folds=2, seed=seed)
        assert {groups[photo] for fold in made for photo in fold.test if max(fold.test) == len(labels) - 1} == {
            "mixed",
            beside,
        }


def test_groups_of_equal_size_are_dealt_in_the_order_drawn() -> None:
    sizes = np.resize([1, 2], 80)
    groups = [f"f{number:02d}" for number in np.repeat(np.arange(80), sizes)]
    made = stratified_group_folds(np.zeros(120), groups, folds=4, seed=3)
    fold_of = {groups[photo]: fold.fold for fold in made for photo in fold.test}
    drawn = np.random.default_rng([3, 0]).permutation(80)
    dealt = [fold_of[f"f{number:02d}"] for size in (2, 1) for number in drawn if sizes[number] == size]
    assert all(sorted(turn) == [0, 1, 2, 3] for turn in np.reshape(dealt, (20, 4)).tolist())


def test_labels_may_be_truth_values() -> None:
    labels, groups = np.resize([True, False, False], 24), [str(i // 2) for i in range(24)]
    truths, numbers = (stratified_group_folds(known, groups, folds=3) for known in (labels, labels.astype(int)))
    assert [fold.test.tolist() for fold in truths] == [fold.test.tolist() for fold in numbers]


def test_the_seed_decides_between_equal_groups_and_between_equal_folds() -> None:
    labels, groups = [0, 0, 0, 0], list("abcd")
    plans = [stratified_group_folds(labels, groups, folds=2, seed=seed) for seed in range(60)]
    assert {tuple(plan[0].test.tolist()) for plan in plans} == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"folds": 1}, "Expected at least 2 folds, got 1. Usual: folds=5."),
        ({"repeats": 0}, "Expected at least 1 repeat, got 0. Usual: repeats=1."),
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        stratified_group_folds([0, 1, 0], ["a", "b", "c"], **{"folds": 2, **wrong})
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        random_folds([0, 1, 0], **{"folds": 2, **wrong})


def test_fewer_photos_or_groups_than_folds_are_refused() -> None:
    message = "Expected at least 3 photos for 3 folds, got 2. Ask for fewer folds."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        random_folds([0, 1], folds=3)
    message = "Expected at least 3 groups for 3 folds, got 2. Ask for fewer folds."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        stratified_group_folds([0, 1, 0, 1], ["a", "b", "b", "b"], folds=3)
    assert [len(fold.test) for fold in random_folds([0, 1, 0], folds=3)] == [1, 1, 1]
    assert [len(fold.test) for fold in stratified_group_folds([0, 1, 0], ["a", "b", "c"], folds=3)] == [1, 1, 1]

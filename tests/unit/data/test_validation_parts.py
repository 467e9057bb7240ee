"""Tests of the division of validation photos into those that choose a model and those that calibrate it."""

from collections import Counter
from hashlib import sha256

import numpy as np
import pytest

from petmood.data.validation_parts import divide_rows, divide_validation
from tests.support.evaluation import MakeRows

GROUPS = [f"g{number // 2:03d}" for number in range(96)]
LABELS = [("angry", "happy", "sad")[number // 2 % 3] for number in range(96)]


def test_every_photo_is_in_one_part_and_no_group_in_two() -> None:
    parts = divide_validation(GROUPS, LABELS, share=0.5)
    assert parts.separate
    assert sorted([*parts.choosing, *parts.calibrating]) == list(range(96))
    assert not {GROUPS[i] for i in parts.choosing} & {GROUPS[i] for i in parts.calibrating}


@pytest.mark.parametrize(("share", "groups"), [(0.5, 8), (0.25, 4), (0.75, 12)])
def test_a_share_of_the_groups_of_every_class_calibrates(share: float, groups: int) -> None:
    parts = divide_validation(GROUPS, LABELS, share=share)
    counts = Counter(LABELS[i] for i in parts.calibrating)
    assert counts == dict.fromkeys(("angry", "happy", "sad"), 2 * groups)


def test_the_division_depends_on_groups_and_classes_and_not_on_the_order() -> None:
    parts = divide_validation(GROUPS, LABELS, share=0.5)
    order = np.random.default_rng(0).permutation(96)
    mixed = divide_validation([GROUPS[i] for i in order], [LABELS[i] for i in order], share=0.5)
    assert {GROUPS[order[i]] for i in mixed.calibrating} == {GROUPS[i] for i in parts.calibrating}


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_neither_part_is_ever_empty(share: float) -> None:
    parts = divide_validation(["a", "b"], ["happy", "sad"], share=share)
    assert len(parts.choosing) == len(parts.calibrating) == 1


@pytest.mark.parametrize(("groups", "share"), [(["a", "b", "c"], 0.0), (["a", "a", "a"], 0.5), ([], 0.5)])
def test_what_is_not_divided_is_in_both_parts(groups: list[str], share: float) -> None:
    parts = divide_validation(groups, ["happy"] * len(groups), share=share)
    assert list(parts.choosing) == list(parts.calibrating) == list(range(len(groups)))
    assert parts.separate == (not groups)


def test_index_rows_are_divided_by_their_group_and_class(make_rows: MakeRows) -> None:
    rows = make_rows(24, copies=1)
    parts = divide_rows(rows, share=0.5)
    known = divide_validation([row.group_id for row in rows], [row.label for row in rows], share=0.5)
    np.testing.assert_array_equal(parts.calibrating, known.calibrating)


def test_the_second_fourth_and_so_on_of_the_groups_ranked_by_class_and_hash_calibrate() -> None:
    """With a share of one half, every second group calibrates; a group of two classes counts for the first of them."""
    groups = ["c", "b", "a", "d", "a", "e"]
    labels = ["sad", "happy", "sad", "happy", "angry", "sad"]
    of_class = {"angry": ["a"], "happy": ["b", "d"], "sad": ["c", "e"]}
    ranked = [g for names in of_class.values() for g in sorted(names, key=lambda g: sha256(g.encode()).digest())]
    for share, places in ((0.5, (0, 2, 4)), (0.4, (0, 2)), (0.6, (0, 1, 3)), (1.0, (0, 1, 2, 3))):
        parts = divide_validation(groups, labels, share=share)
        chosen = {ranked[place] for place in places}
        assert parts.calibrating.tolist() == [k for k, group in enumerate(groups) if group in chosen]
        assert parts.choosing.tolist() == [k for k, group in enumerate(groups) if group not in chosen]


@pytest.mark.parametrize(("min_groups", "divided"), [(0, True), (2, True), (4, True), (5, False)])
def test_fewer_groups_than_asked_for_are_not_divided(make_rows: MakeRows, min_groups: int, *, divided: bool) -> None:
    groups, labels = ["a", "b", "c", "d"], ["happy"] * 4
    assert divide_validation(groups, labels, share=0.5, min_groups=min_groups).separate is divided
    assert divide_rows(make_rows(4), share=0.5, min_groups=min_groups).separate is divided


def test_two_groups_are_the_fewest_by_default(make_rows: MakeRows) -> None:
    assert divide_validation(["a", "b"], ["happy"] * 2, share=0.5).separate
    assert divide_rows(make_rows(2), share=0.5).separate
    assert not divide_validation(["a"], ["happy"], share=0.5, min_groups=0).separate


def test_groups_and_labels_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        divide_validation(["a", "b"], ["happy"], share=0.5)

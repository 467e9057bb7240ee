"""Tests of the division of validation photos into those that choose a model and those that calibrate it."""

from collections import Counter

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

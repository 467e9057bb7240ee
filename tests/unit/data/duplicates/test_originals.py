"""Tests of the choice of originals, by frames first and by names last."""

import pytest

from petmood.data.duplicates.near_duplicates import Relation
from petmood.data.duplicates.originals import Member, choose_originals
from petmood.data.duplicates.relations import RelationKind


def copy(first: int, second: int, *, inside: tuple[float, float] = (1.0, 1.0)) -> Relation:
    return Relation(first, second, RelationKind.NEAR_DUPLICATE, 30, False, 1.0, 0.95, *inside)


def test_a_photo_without_relations_is_its_own_original() -> None:
    assert choose_originals([Member(10, 10, "b"), Member(10, 10, "a")], []) == [0, 1]
    assert choose_originals([], []) == []


def test_a_crop_is_not_the_original_even_with_more_pixels_and_the_better_name() -> None:
    members = [Member(900, 900, "a.jpg"), Member(224, 224, "aug-1-a.jpg")]
    assert choose_originals(members, [copy(0, 1, inside=(1.0, 0.6))]) == [1, 1]
    assert choose_originals(members, [copy(0, 1, inside=(0.6, 1.0))]) == [0, 0]


def test_of_equal_frames_the_one_with_more_pixels_is_the_original() -> None:
    assert choose_originals([Member(100, 90, "a"), Member(200, 180, "aug-a")], [copy(0, 1)]) == [1, 1]


@pytest.mark.parametrize(
    "marked", ["aug-3-cat.jpg", "Copy of cat.jpg", "cat (1).jpg", "cat_flipped.png", "x/cat copy.jpg"]
)
def test_of_equal_sizes_a_name_without_a_copy_mark_is_the_original(marked: str) -> None:
    members = [Member(50, 50, marked), Member(50, 50, "a-much-longer-name-for-the-cat.jpg")]
    assert choose_originals(members, [copy(0, 1)]) == [1, 1]


@pytest.mark.parametrize("plain", ["august.jpg", "copycat.jpg", "rotterdam.jpg"])
def test_a_word_that_only_begins_like_a_copy_mark_is_none(plain: str) -> None:
    assert choose_originals([Member(5, 5, plain), Member(5, 5, "z" * 30)], [copy(0, 1)]) == [0, 0]


def test_the_shorter_and_then_the_earlier_name_decides_last() -> None:
    members = [Member(5, 5, "bbb.jpg"), Member(5, 5, "bb.jpg"), Member(5, 5, "ab.jpg")]
    assert choose_originals(members, [copy(0, 1), copy(1, 2)]) == [2, 2, 2]


def test_relatives_are_two_originals() -> None:
    relative = Relation(0, 1, RelationKind.RELATED, 12, False, 1.0)
    assert choose_originals([Member(5, 5, "a"), Member(5, 5, "b")], [relative]) == [0, 1]


def test_the_frame_that_contains_most_others_wins_in_a_larger_group() -> None:
    relations = [copy(0, 1, inside=(1.0, 0.7)), copy(1, 2, inside=(0.5, 1.0)), copy(0, 2, inside=(0.8, 0.99))]
    assert choose_originals([Member(5, 5), Member(5, 5), Member(5, 5), Member(5, 5)], relations) == [1, 1, 1, 3]


def test_a_frame_that_covers_3_points_more_contains_the_other_and_one_of_less_is_equal() -> None:
    large, small = Member(9, 9), Member(5, 5)
    assert choose_originals([large, small], [copy(0, 1, inside=(1.0, 0.96))]) == [1, 1]
    assert choose_originals([large, small], [copy(0, 1, inside=(1.0, 0.98))]) == [0, 0]
    assert choose_originals([small, large], [copy(0, 1, inside=(0.96, 1.0))]) == [0, 0]
    assert choose_originals([small, large], [copy(0, 1, inside=(0.98, 1.0))]) == [1, 1]


def test_the_number_of_containing_frames_decides_from_either_side() -> None:
    """Photo 0 lies in two others, and 1 in one: as the first of a relation or as its second."""
    chain = [copy(0, 1, inside=(1.0, 0.5)), copy(2, 0, inside=(0.5, 1.0)), copy(3, 1, inside=(0.5, 1.0))]
    chain += [copy(2, 3, inside=(1.0, 0.5)), copy(3, 4, inside=(1.0, 0.5)), copy(4, 2, inside=(1.0, 0.5))]
    assert choose_originals([Member(5, 5, str(number)) for number in range(5)], chain) == [1] * 5


def test_every_containing_frame_counts_once() -> None:
    """Photo 1 lies in one other, photo 0 in two, and the others in three each; photo 0 has the most pixels."""
    members = [Member(9, 9), Member(5, 5), Member(5, 5), Member(5, 5)]
    rest = [copy(2, 3, inside=(1.0, 0.5)), copy(3, 2, inside=(1.0, 0.5))] * 3
    once = [copy(1, 3, inside=(1.0, 0.5)), copy(2, 0, inside=(0.5, 1.0)), copy(3, 0, inside=(0.5, 1.0))]
    turned = [copy(3, 1, inside=(0.5, 1.0)), copy(0, 2, inside=(1.0, 0.5)), copy(0, 3, inside=(1.0, 0.5))]
    assert choose_originals(members, [*once, *rest]) == [1, 1, 1, 1]
    assert choose_originals(members, [*turned, *rest]) == [1, 1, 1, 1]


def test_of_wholly_equal_photos_the_first_is_the_original() -> None:
    assert choose_originals([Member(5, 5), Member(5, 5), Member(5, 5)], [copy(1, 2), copy(0, 2)]) == [0, 0, 0]
    assert choose_originals([Member(5, 5, "b/a.jpg"), Member(5, 5, "a/a.jpg")], [copy(0, 1)]) == [1, 1]
    assert choose_originals([Member(4, 9), Member(5, 8)], [copy(0, 1)]) == [1, 1]


def test_an_original_of_the_earlier_dataset_stays_one_whatever_is_larger_or_contains_it() -> None:
    members = [Member(900, 900, "new.jpg"), Member(224, 224, "aug-1.jpg", is_original=True)]
    assert choose_originals(members, [copy(0, 1, inside=(0.6, 1.0))]) == [1, 1]
    members = [Member(900, 900, "a"), *(Member(50, 50, name, is_original=True) for name in "bc")]
    assert choose_originals(members, [copy(0, 1), copy(0, 2)]) == [1, 1, 2], "two originals that one photo joins"

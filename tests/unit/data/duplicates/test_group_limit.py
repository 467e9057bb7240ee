"""Tests of the limit of groups, on chains of relations made by hand."""

from petmood.data.duplicates.comparison import Relation
from petmood.data.duplicates.group_limit import MOST_RELATED, DividedGroup, limit_groups
from petmood.data.duplicates.near_duplicates import group_ids
from petmood.data.duplicates.relations import RelationKind

COPY, RELATED = RelationKind.NEAR_DUPLICATE, RelationKind.RELATED


def link(first: int, second: int, inliers: int, kind: RelationKind = RELATED, agreement: float = 0.4) -> Relation:
    return Relation(first, second, kind, inliers, mirrored=False, scale=1.0, agreement=agreement)


def test_a_chain_that_is_too_long_is_divided_at_its_weakest_pair() -> None:
    chain = [link(0, 1, 20), link(1, 2, 12), link(2, 3, 9), link(3, 4, 14), link(4, 5, 12)]
    kept, divided = limit_groups(chain, most=3)
    assert group_ids(7, kept) == [0, 0, 0, 3, 3, 3, 6]
    assert kept == [chain[0], chain[1], chain[3], chain[4]]
    assert divided == [DividedGroup((0, 1, 2, 3, 4, 5), unused_pairs=1, parts=2)]


def test_a_group_at_the_limit_is_whole() -> None:
    chain = [link(0, 1, 9), link(1, 2, 9), link(0, 2, 9)]
    assert limit_groups(chain, most=3) == (chain, [])
    assert limit_groups([]) == ([], [])


def test_all_pairs_between_divided_parts_are_left_out() -> None:
    pairs = [link(0, 1, 20), link(2, 3, 20), link(0, 2, 10), link(1, 3, 9), link(0, 3, 9)]
    kept, divided = limit_groups(pairs, most=2)
    assert kept == pairs[:2]
    assert divided == [DividedGroup((0, 1, 2, 3), unused_pairs=3, parts=2)]


def test_copies_stay_together_and_count_once() -> None:
    copies = [link(number, number + 1, 5, COPY) for number in range(100)]
    assert limit_groups([*copies, link(100, 101, 9)], most=2) == ([*copies, link(100, 101, 9)], [])


def test_of_equal_inliers_the_lower_correlation_is_left_out() -> None:
    pairs = [link(0, 1, 9, agreement=0.31), link(1, 2, 9, agreement=0.5)]
    assert limit_groups(pairs, most=2)[0] == [pairs[1]]


def test_weak_pairs_alone_do_not_join_a_whole_dataset() -> None:
    kept, (divided,) = limit_groups([link(number, number + 1, 9) for number in range(399)])
    sizes = [group_ids(400, kept).count(number) for number in set(group_ids(400, kept))]
    assert max(sizes) <= MOST_RELATED == 30
    assert len(divided.photos) == 400


def test_of_pairs_that_are_equally_strong_the_earlier_photos_join_first() -> None:
    pairs = [link(2, 3, 9), link(1, 2, 9), link(0, 1, 9)]
    assert limit_groups(pairs, most=2) == ([pairs[0], pairs[2]], [DividedGroup((0, 1, 2, 3), 1, 2)])
    pairs = [link(0, 2, 9), link(0, 1, 9)]
    assert limit_groups(pairs, most=2) == ([pairs[1]], [DividedGroup((0, 1, 2), 1, 2)])


def test_each_divided_group_is_named_with_its_copies_and_unused_pairs() -> None:
    """Two chains of three images, of which the first has two copies of its first image, and a pair that is whole."""
    pairs = [link(0, 1, 20), link(1, 2, 9), link(3, 4, 20), link(4, 5, 9), link(3, 5, 9), link(6, 7, 9)]
    kept, divided = limit_groups([*pairs, link(0, 8, 5, COPY)], most=2)
    assert kept == [pairs[0], pairs[2], pairs[5], link(0, 8, 5, COPY)]
    assert divided == [
        DividedGroup((0, 1, 2, 8), unused_pairs=1, parts=2),
        DividedGroup((3, 4, 5), unused_pairs=2, parts=2),
    ]


def test_a_pair_within_a_group_that_is_full_is_kept() -> None:
    pairs = [link(0, 1, 20), link(1, 2, 12), link(0, 2, 9), link(2, 3, 8)]
    assert limit_groups(pairs, most=3) == (pairs[:3], [DividedGroup((0, 1, 2, 3), unused_pairs=1, parts=2)])

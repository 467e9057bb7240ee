"""Tests of the comparison of two photos: matches by hand, strips, and content that is left out."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.comparison import (
    PhotoFeatures,
    Relation,
    SharedContent,
    compare,
    describe_photo,
    is_strip,
    kind_of,
    match_descriptors,
    nothing_shared,
    swapped,
)
from petmood.data.duplicates.correlation import Overlap
from petmood.data.duplicates.keypoints import Keypoints
from petmood.data.duplicates.relations import RelationKind
from tests.support.images import photo_like

PAIR = Candidate(0, 1, mirrored=False, votes=9.0)


def described(*bins: tuple[int, ...]) -> Keypoints:
    """Build keypoints whose descriptors are 255 in four bins: two with n bins in common have a cosine of n / 4."""
    rows = np.zeros((len(bins), 128), np.uint8)
    for row, chosen in zip(rows, bins, strict=True):
        row[list(chosen)] = 255
    return Keypoints(np.ones((len(bins), 4), np.float32), rows, 224.0, 224.0)


def matches(a: Keypoints, b: Keypoints) -> list[list[int]]:
    used = (np.ones(len(a.positions), np.bool_), np.ones(len(b.positions), np.bool_))
    found: list[list[int]] = match_descriptors(a, b, used, mirrored=False).tolist()
    return found


def test_a_match_must_be_clearly_better_than_the_second_best() -> None:
    one = described((0, 1, 2, 3), (40, 41, 42, 43))
    # Distances 1/4 and 2/4: the ratio is 0.5. Distances 1/4 and 1/4: the ratio is 1.
    assert matches(one, described((0, 1, 2, 9), (0, 1, 10, 11))) == [[0, 0]]
    assert matches(one, described((0, 1, 2, 9), (0, 1, 2, 10))) == []


def test_a_match_must_be_the_best_one_from_both_sides() -> None:
    # Both descriptors of the first photo are nearest to the same one, which is equal to the first of them.
    one = described((0, 1, 2, 3), (0, 1, 2, 9))
    assert matches(one, described((0, 1, 2, 3), (50, 51, 52, 53))) == [[0, 0]]


def test_descriptors_that_are_left_out_do_not_match() -> None:
    one, other = described((0, 1, 2, 3), (40, 41, 42, 43), (60, 61, 62, 63)), described((0, 1, 2, 3), (40, 41, 42, 43))
    used = (np.array([False, True, True]), np.ones(2, np.bool_))
    assert match_descriptors(one, other, used, mirrored=False).tolist() == [[1, 1]]


def test_a_single_descriptor_has_no_second_best_and_matches_nothing() -> None:
    one, two = described((0, 1, 2, 3)), described((0, 1, 2, 3), (40, 41, 42, 43))
    for a, b in ((one, two), (two, one), (described(), two)):
        used = (np.ones(len(a.positions), np.bool_), np.ones(len(b.positions), np.bool_))
        assert match_descriptors(a, b, used, mirrored=False).shape == (0, 2)


def test_the_best_match_is_first() -> None:
    one = described((0, 1, 2, 3), (40, 41, 42, 43))
    assert matches(one, described((0, 1, 2, 9), (40, 41, 42, 43))) == [[1, 1], [0, 0]]


def with_strip(*, seed: int, height: int) -> NDArray[np.uint8]:
    photo = photo_like(224, 224, seed=seed)
    photo[100 : 100 + height] = photo_like(224, height, seed=500)
    return photo


@pytest.mark.parametrize(("height", "kinds"), [(28, set()), (90, {"related"})])
def test_a_strip_relates_no_photos_and_a_larger_part_does_not_make_copies(height: int, kinds: set[str]) -> None:
    a, b = describe_photo(with_strip(seed=1, height=height)), describe_photo(with_strip(seed=2, height=height))
    found = compare(PAIR, (a, b), (nothing_shared(a), nothing_shared(b)))
    assert ({found.relation.kind.value} if found else set()) == kinds


def test_what_is_shared_with_many_is_no_evidence() -> None:
    photos = [with_strip(seed=1, height=90), with_strip(seed=2, height=90)]
    a, b = (describe_photo(photo) for photo in photos)
    region = np.zeros((64, 64), np.bool_)
    region[27:56] = True
    left_out = [SharedContent(np.abs(one.keypoints.positions[:, 1] - 145) < 60, region) for one in (a, b)]
    assert compare(PAIR, (a, b), (left_out[0], left_out[1])) is None


def test_a_copy_agrees_nearly_everywhere() -> None:
    photo = photo_like(224, 224, seed=3)
    a, b = describe_photo(photo), describe_photo(np.asarray(photo // 2 + 40, np.uint8))
    found = compare(PAIR, (a, b), (nothing_shared(a), nothing_shared(b)))
    assert found is not None
    assert found.is_one_image
    assert found.relation.kind == "near_duplicate"
    assert found.spread > 0.9
    assert len(found.agreeing) >= found.relation.inliers > 25


@pytest.mark.parametrize(
    ("inliers", "agreement", "spread", "kind"),
    [
        (5, 0.75, 0.6, "near_duplicate"),
        (4, 0.75, 0.6, None),
        (5, 0.749, 0.6, None),
        (5, 0.75, 0.599, None),
        (3, 0.9, 0.8, "near_duplicate"),
        (2, 0.9, 0.8, None),
        (4, 0.899, 0.8, None),
        (4, 0.9, 0.799, None),
        (9, 0.3, 0.0, "related"),
        (8, 0.3, 0.0, None),
        (8, 0.749, 1.0, None),
        (9, 0.299, 0.0, None),
        (13, 0.299, 0.0, None),
        (14, -0.5, 0.0, "related"),
    ],
)
def test_the_relation_follows_from_inliers_and_correlation(
    inliers: int, agreement: float, spread: float, kind: str | None
) -> None:
    assert kind_of(inliers, Overlap(agreement, 1.0, 1.0, spread)) == kind


def places(*rows: tuple[int, range]) -> NDArray[np.float32]:
    """Return one place in the middle of each named 14 px cell: (row, columns)."""
    cells = [(column, row) for row, columns in rows for column in columns]
    return np.array([(14 * x + 7, 14 * y + 7, 3.0, 0.0) for x, y in cells], np.float32)


def test_places_in_a_row_or_along_a_diagonal_form_a_strip_and_two_full_rows_do_not() -> None:
    assert is_strip(places((3, range(12))))
    # A tenth of the places in the next row: 14 * sqrt(0.1 * 0.9 * 10 / 9) = 4.4 px across.
    assert is_strip(places((3, range(9)), (4, range(4, 5))))
    # Half of them: 14 * sqrt(0.5 * 0.5 * 10 / 9) = 7.4 px across.
    assert not is_strip(places((3, range(5)), (4, range(5))))
    assert is_strip(places(*((row, range(row, row + 1)) for row in range(10))))
    assert is_strip(places((3, range(1))))
    assert is_strip(np.zeros((0, 4), np.float32))
    # Many keypoints of one cell count once.
    assert is_strip(np.concatenate([places((3, range(9))), *[places((4, range(4, 5)))] * 9]))


def test_the_result_is_the_same_from_both_sides() -> None:
    """From the first photo, 10 of 16 matches fail the ratio test; from the second, none does."""
    plain = [(4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3) for n in range(16)]
    near = [(*bins[:3], 64 + n) for n, bins in enumerate(plain)]
    as_near = [(*bins[:3], 96 + n) for n, bins in enumerate(plain)]
    grid = places(*((row, range(2, 14, 3)) for row in range(2, 14, 3)))
    grain, other = np.random.default_rng(5).standard_normal((2, 64, 64))
    photos = []
    for bins, where, view in (
        (plain, grid, grain),
        ([*plain[:6], *near[6:], *as_near[6:]], np.concatenate([grid, grid[6:]]), 0.6 * grain + 0.8 * other),
    ):
        keypoints = replace(described(*bins), positions=where)
        thumb = np.clip(128 + 40 * view, 0, 255).astype(np.uint8)
        photos.append(PhotoFeatures(keypoints, thumb, b"", thumb))
    a, b = photos
    found = compare(PAIR, (a, b), (nothing_shared(a), nothing_shared(b)))
    turned = compare(PAIR, (b, a), (nothing_shared(b), nothing_shared(a)))
    assert found is not None
    assert turned is not None
    for one in (found.relation, turned.relation):
        assert (one.first, one.second, one.kind, one.inliers) == (0, 1, "related", 16)
    assert found.agreeing.tolist() == [[n, n] for n in range(16)]
    assert turned.agreeing.tolist() == [[n, n] for n in range(16)]
    shuffled = replace(a, keypoints=replace(described(*plain[::-1]), positions=grid[::-1].copy()))
    for left, right in ((shuffled, b), (b, shuffled)):
        link = compare(PAIR, (left, right), (nothing_shared(left), nothing_shared(right)))
        assert link is not None
        # The matches stand in the order of b, from whose side they are found.
        assert link.agreeing[:, 0 if left is shuffled else 1].tolist() == list(range(15, -1, -1))
        assert link.agreeing[:, 1 if left is shuffled else 0].tolist() == list(range(16))


@pytest.mark.parametrize(("alike", "kind"), [(1.0, "near_duplicate"), (0.8, None)])
def test_three_keypoints_are_enough_where_all_pixels_agree(alike: float, kind: str | None) -> None:
    bins = [(4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3) for n in range(3)]
    grain, other = np.random.default_rng(6).standard_normal((2, 64, 64))
    photos = []
    for view in (grain, alike * grain + np.sqrt(1 - alike**2) * other):
        keypoints = replace(described(*bins), positions=places((2, range(2, 3)), (8, range(12, 13)), (13, range(4, 5))))
        thumb = np.clip(128 + 40 * view, 0, 255).astype(np.uint8)
        photos.append(PhotoFeatures(keypoints, thumb, b"", thumb))
    found = compare(PAIR, (photos[0], photos[1]), (nothing_shared(photos[0]), nothing_shared(photos[1])))
    assert (found.relation.kind.value if found else None) == kind


def test_a_small_photo_in_another_is_a_copy_whichever_of_them_is_first() -> None:
    whole, below = photo_like(450, 450, seed=8), photo_like(450, 450, seed=9)
    below[60:210, 200:350] = cv2.resize(whole, (150, 150), interpolation=cv2.INTER_AREA)
    a, b = describe_photo(whole), describe_photo(below)
    found = compare(PAIR, (a, b), (nothing_shared(a), nothing_shared(b)))
    turned = compare(PAIR, (b, a), (nothing_shared(b), nothing_shared(a)))
    assert found is not None
    assert turned is not None
    assert [one.relation.kind.value for one in (found, turned)] == ["near_duplicate", "near_duplicate"]
    assert found.relation.agreement == pytest.approx(turned.relation.agreement, abs=0.05)
    assert (found.relation.scale, turned.relation.scale) == pytest.approx((1 / 3, 3.0), rel=0.03)
    assert (found.relation.first_inside, found.relation.second_inside) == pytest.approx((1.0, 1 / 9), abs=0.03)
    assert (turned.relation.first_inside, turned.relation.second_inside) == pytest.approx((1 / 9, 1.0), abs=0.03)


def test_a_relation_seen_from_its_second_photo() -> None:
    one = Relation(3, 8, RelationKind.RELATED, 12, mirrored=True, scale=2.0, first_inside=0.25, second_inside=1.0)
    assert swapped(one) == Relation(
        8, 3, RelationKind.RELATED, 12, mirrored=True, scale=0.5, first_inside=1.0, second_inside=0.25
    )

"""Tests of the comparison of two photos: matches by hand, strips, and content that is left out."""

import re
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.data.duplicates import comparison
from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.comparison import (
    Comparison,
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
from petmood.data.duplicates.keypoints import Keypoints, mirror_descriptors
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


@pytest.mark.parametrize("count", [20, 32])
def test_equal_matches_stand_in_the_order_of_the_first_photo(count: int) -> None:
    plain = described(*((4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3) for n in range(count)))
    assert matches(plain, plain) == [[n, n] for n in range(count)]
    # Every other one has three of four bins in common: these come last, in their order too.
    other = described(*((4 * n, 4 * n + 1, 4 * n + 2, (4 * n + 3 + n % 2) % 128) for n in range(count)))
    assert matches(plain, other) == [[n, n] for start in (0, 1) for n in range(start, count, 2)]


def test_a_ratio_of_the_distances_of_0_85_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cosines are 255^2 / 512^2 = 0.248 for every bin in common: 1 - 3 * 0.248 = 0.256, and 1 - 2 * 0.248 = 0.504."""
    one, other = described((0, 1, 2, 3), (40, 41, 42, 43)), described((0, 1, 2, 9), (0, 1, 10, 11))
    monkeypatch.setattr(comparison, "RATIO", 0.507)
    assert matches(one, other) == []
    monkeypatch.setattr(comparison, "RATIO", 0.509)
    assert matches(one, other) == [[0, 0]]


def test_the_160_best_matches_are_used() -> None:
    """Ten descriptors have three of four bins in the other photo; 160 are equal there, and stand after them."""
    rng, bins = np.random.default_rng(0), list[tuple[int, ...]]()
    while len(bins) < 170:
        drawn = tuple(rng.choice(128, 4, replace=False).tolist())
        if all(len({*drawn} & {*one}) < 2 for one in bins):
            bins.append(drawn)
    weaker = [(*one[:3], 127 - number) for number, one in enumerate(bins[:10])]
    found = matches(described(*bins), described(*weaker, *bins[10:]))
    assert len(found) == 160
    assert {first for first, _ in found} == set(range(10, 170))
    assert all(first == second for first, second in found)


def test_a_mirrored_photo_is_matched_by_its_mirrored_descriptors() -> None:
    one = described((0, 1, 2, 3), (40, 41, 42, 43))
    other = replace(one, descriptors=mirror_descriptors(one.descriptors)[::-1].copy())
    used = (np.ones(2, np.bool_), np.ones(2, np.bool_))
    assert match_descriptors(one, other, used, mirrored=True).tolist() == [[0, 1], [1, 0]]
    assert match_descriptors(one, other, used, mirrored=False).tolist() == []


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


def zigzag(*, moved_px: float) -> tuple[PhotoFeatures, PhotoFeatures]:
    """Return two photos with ten places at y = 37 and 43 in turn, the second moved down, with a correlation of 0.6.

    As 14 px cells these are rows 2 and 3, 7 px across. Moved by 7 px, 44 and 50 are both in row 3: a strip.
    """
    bins = [(4 * n, 4 * n + 1, 4 * n + 2, 4 * n + 3) for n in range(10)]
    where = np.array([(14 * n + 7, 43 if n % 2 else 37, 3, 0) for n in range(10)], np.float32)
    grain, other = np.random.default_rng(7).standard_normal((2, 64, 64))
    photos = []
    for shift, view in ((0.0, grain), (moved_px, 0.6 * np.roll(grain, round(moved_px / 3.5), axis=0) + 0.8 * other)):
        keypoints = replace(described(*bins), positions=where + np.array([0, shift, 0, 0], np.float32))
        thumb = np.clip(128 + 40 * view, 0, 255).astype(np.uint8)
        photos.append(PhotoFeatures(keypoints, thumb, b"", thumb))
    return photos[0], photos[1]


def test_a_strip_in_one_of_two_photos_relates_none() -> None:
    a, b = zigzag(moved_px=7.0)
    content = nothing_shared(a), nothing_shared(b)
    assert not is_strip(a.keypoints.positions)
    assert is_strip(b.keypoints.positions)
    assert compare(PAIR, (a, b), content) is None
    assert compare(PAIR, (b, a), content) is None


@pytest.mark.parametrize(("moved_px", "inside"), [(0.0, 1.0), (28.0, 0.875), (31.5, 0.8594)])
def test_a_pair_has_a_whole_relation_in_four_decimals(moved_px: float, inside: float) -> None:
    """Moved by 31.5 px of 224, 55 of 64 rows are inside: 0.859375."""
    a, b = zigzag(moved_px=moved_px)
    for pair, photos in ((PAIR, (a, b)), (Candidate(4, 9, mirrored=False, votes=2.0), (b, a))):
        found = compare(pair, photos, (nothing_shared(a), nothing_shared(b)))
        assert found is not None
        agreement = found.relation.agreement
        assert agreement == pytest.approx(0.6, abs=0.05)
        assert agreement == round(agreement, 4)
        assert found.relation == Relation(
            pair.first, pair.second, RelationKind.RELATED, 10, False, 1.0, agreement, inside, inside
        )
        assert found.agreeing.tolist() == [[n, n] for n in range(10)]
        assert not found.is_one_image


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
    assert 0.75 < found.relation.agreement < 1.0
    for one in (found.relation, turned.relation):
        for value in (one.scale, one.agreement, one.first_inside, one.second_inside):
            assert value == round(value, 4)
    assert (found.relation.scale, turned.relation.scale) == pytest.approx((1 / 3, 3.0), rel=0.03)
    assert (found.relation.first_inside, found.relation.second_inside) == pytest.approx((1.0, 1 / 9), abs=0.03)
    assert (turned.relation.first_inside, turned.relation.second_inside) == pytest.approx((1 / 9, 1.0), abs=0.03)


def test_a_relation_seen_from_its_second_photo() -> None:
    one = Relation(3, 8, RelationKind.RELATED, 12, mirrored=True, scale=2.0, first_inside=0.25, second_inside=1.0)
    assert swapped(one) == Relation(
        8, 3, RelationKind.RELATED, 12, mirrored=True, scale=0.5, first_inside=1.0, second_inside=0.25
    )


def test_a_photo_of_another_kind_is_refused_with_its_type_and_shape() -> None:
    photos: list[tuple[Any, str]] = [
        (np.zeros((4, 5), np.uint8), "uint8 [4, 5]"),
        (np.zeros((4, 5, 4), np.uint8), "uint8 [4, 5, 4]"),
        (np.zeros((4, 5, 3), np.float32), "float32 [4, 5, 3]"),
        (np.zeros((4, 0, 3), np.uint8), "uint8 [4, 0, 3]"),
    ]
    for pixels, got in photos:
        said = (
            f"Expected a photo as uint8 [height, width, 3], got {got}. Decode it with petmood.core.photo.decode first."
        )
        with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
            describe_photo(pixels)


def test_the_digest_is_that_of_the_keypoints_and_the_thumbnail() -> None:
    photo = describe_photo(photo_like(64, 64))
    assert photo.digest == photo.keypoints.digest() + photo.thumb.tobytes()
    assert (photo.thumb.shape, photo.edges.shape) == ((64, 64), (64, 64))


def test_the_content_of_two_joined_is_what_either_has() -> None:
    region, other = np.zeros((2, 64, 64), np.bool_)
    region[:2], other[1:3] = True, True
    joined = SharedContent(np.array([True, False, False]), region).joined(
        SharedContent(np.array([True, True, False]), other)
    )
    assert joined.keypoints.tolist() == [True, True, False]
    assert np.flatnonzero(joined.region.all(axis=1)).tolist() == [0, 1, 2]
    assert joined.region.sum() == 3 * 64


@pytest.mark.parametrize(
    ("kind", "spread", "one_image"),
    [("near_duplicate", 0.8, True), ("near_duplicate", 0.79, False), ("related", 1.0, False)],
)
def test_photos_that_agree_in_four_fifths_are_one_image(kind: str, spread: float, *, one_image: bool) -> None:
    relation = Relation(0, 1, RelationKind(kind), 9, mirrored=False, scale=1.0)
    assert Comparison(relation, spread, np.zeros((0, 2), np.intp)).is_one_image == one_image


def test_a_scale_seen_from_the_second_photo_has_four_decimals() -> None:
    assert swapped(Relation(0, 1, RelationKind.RELATED, 9, mirrored=False, scale=0.7)).scale == 1.4286

"""Tests of copies that are found where they stand: negatives, drawings of edges, blends."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates.comparison import (
    PhotoFeatures,
    Relation,
    SharedContent,
    describe_photo,
    nothing_shared,
)
from petmood.data.duplicates.in_place import InPlace, compare_in_place, find_in_place, is_drawing, relate_in_place
from petmood.data.duplicates.relations import RelationKind
from tests.support.images import photo_like

Pixels = NDArray[np.uint8]


def drawn(seed: int) -> Pixels:
    """Draw clouds and shapes with sharp edges all over the frame."""
    rng = np.random.default_rng(seed)
    image = (photo_like(224, 224, seed=seed) * 0.4 + 70).astype(np.uint8)
    for _ in range(30):
        x, y, a, b, turn = (int(value) for value in rng.integers(6, [224, 224, 40, 40, 180]))
        color = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.ellipse(image, (x, y), (a, b), turn, 0, 360, color, -1, cv2.LINE_AA)
    return image


def edges(image: Pixels) -> Pixels:
    return np.repeat(cv2.Canny(image, 80, 160)[:, :, None], 3, axis=2).astype(np.uint8)


def described(*photos: Pixels) -> list[PhotoFeatures]:
    return [describe_photo(photo) for photo in photos]


def related(photos: list[PhotoFeatures]) -> list[tuple[int, int, bool, str]]:
    content = [nothing_shared(photo) for photo in photos]
    found = relate_in_place(photos, content, list(range(len(photos))), threads=1)
    return sorted(
        {(link.first, link.second, link.mirrored, link.kind.value) for link in (one.relation for one in found)}
    )


def test_a_negative_is_a_copy_and_so_is_its_mirror_image() -> None:
    photo = drawn(1)
    photos = described(photo, 255 - photo, np.ascontiguousarray(255 - photo[:, ::-1]), drawn(2))
    assert related(photos) == [
        (0, 1, False, "near_duplicate"),
        (0, 2, True, "near_duplicate"),
        (1, 2, True, "near_duplicate"),
    ]


def test_a_drawing_of_edges_is_related_to_its_photo_alone() -> None:
    photos = described(drawn(1), edges(drawn(1)), *(drawn(seed) for seed in range(2, 8)))
    assert [is_drawing(photo) for photo in photos] == [False, True, *[False] * 6]
    assert {pair[:2] for pair in related(photos)} == {(0, 1)}


def test_a_blend_is_related_to_both_photos_and_no_copy_of_either() -> None:
    a, b = drawn(3), drawn(4)
    mixed = np.asarray((a.astype(int) + b) // 2, np.uint8)
    found = related(described(a, b, mixed, drawn(5)))
    assert {pair[:2] for pair in found} == {(0, 2), (1, 2)}


def test_unrelated_photos_are_not_even_candidates() -> None:
    photos = described(*(drawn(seed) for seed in range(12)))
    assert find_in_place(photos, [nothing_shared(photo) for photo in photos]) == []
    assert relate_in_place([], [], [], threads=1) == []


@pytest.mark.parametrize("color", [0, 255])
def test_equal_borders_relate_no_photos(color: int) -> None:
    photos = [cv2.copyMakeBorder(drawn(s), 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=(color,) * 3) for s in range(12)]
    assert related(described(*(np.asarray(photo, np.uint8) for photo in photos))) == []


def test_agreement_in_one_corner_relates_no_photos() -> None:
    """One quarter of the frame is equal and full of contrast, three quarters are soft and differ."""
    photos = []
    for seed in (1, 2):
        photo = (photo_like(224, 224, seed=seed) * 0.06 + 120).astype(np.uint8)
        photo[:112, :112] = drawn(9)[:112, :112]
        photos.append(photo)
    a, b = described(*photos)
    pair = InPlace(0, 1, mirrored=False, by_edges=False)
    assert compare_in_place(pair, (a, b), (nothing_shared(a), nothing_shared(b))) is None


def test_regions_that_are_left_out_are_no_evidence() -> None:
    same, mixed = drawn(6), drawn(7)
    mixed[60:] = same[60:]
    a, b = described(same, mixed)
    pair = InPlace(0, 1, mirrored=False, by_edges=False)
    region = np.zeros((64, 64), np.bool_)
    assert compare_in_place(pair, (a, b), (nothing_shared(a), nothing_shared(b))) is not None
    region[14:] = True
    content = SharedContent(np.zeros(len(a.keypoints.positions), np.bool_), region)
    assert compare_in_place(pair, (a, b), (content, nothing_shared(b))) is None


def test_a_soft_background_on_many_photos_relates_none() -> None:
    """A background without keypoints, equal on 24 photos, with a different picture in the middle of each."""
    photos = []
    for seed in range(24):
        photo = np.asarray(cv2.GaussianBlur(photo_like(224, 224, seed=800), (0, 0), 9), np.uint8)
        photo[70:154, 70:154] = drawn(seed)[70:154, 70:154]
        photos.append(photo)
    assert related(described(*photos)) == []


def by_thumbnails(gray: NDArray[np.float64], edge_strength: NDArray[np.float64]) -> PhotoFeatures:
    """Return features with these thumbnails, [64, 64] with mean 0 and deviation 1, and no keypoints."""
    empty = describe_photo(np.zeros((64, 64, 3), np.uint8))
    views = [np.clip(np.rint(128 + 40 * view), 0, 255).astype(np.uint8) for view in (gray, edge_strength)]
    return replace(empty, thumb=views[0], edges=views[1])


def kind_in_place(alike: NDArray[np.float64], *, by_edges: bool = False, left_out: int = 0, bar: int = 0) -> str | None:
    """Compare grain with a mixture whose correlation with it is given for every pixel, float64 [64, 64]."""
    first, other, third, fourth = np.random.default_rng(4).standard_normal((4, 64, 64))
    mixed = alike * first + np.sqrt(1 - alike**2) * other
    a, b = (
        (by_thumbnails(third, first), by_thumbnails(fourth, mixed))
        if by_edges
        else (by_thumbnails(first, third), by_thumbnails(mixed, fourth))
    )
    for one in (a, b):
        one.thumb[:bar] = 0
    region = np.zeros((64, 64), np.bool_)
    region[:left_out] = True
    content = SharedContent(np.zeros(0, np.bool_), region)
    found = compare_in_place(InPlace(0, 1, mirrored=False, by_edges=by_edges), (a, b), (content, content))
    return found.relation.kind.value if found else None


@pytest.mark.parametrize(
    ("alike", "by_edges", "left_out", "kind"),
    [
        (0.95, False, 0, "near_duplicate"),
        (0.65, False, 0, "related"),
        (0.46, False, 0, "related"),
        (0.34, False, 0, None),
        (0.46, False, 24, None),
        (0.6, False, 24, "related"),
        (0.95, False, 50, None),
        (0.56, True, 0, "related"),
        (0.44, True, 0, None),
    ],
)
def test_the_relation_in_place_follows_from_the_correlation(
    alike: float, left_out: int, kind: str | None, *, by_edges: bool
) -> None:
    assert kind_in_place(np.full((64, 64), alike), by_edges=by_edges, left_out=left_out) == kind


@pytest.mark.parametrize(("alike", "kind"), [(0.46, None), (0.6, "related")])
def test_photos_with_equal_bars_need_a_higher_correlation_of_the_rest(alike: float, kind: str | None) -> None:
    """A bar of 24 rows and 4 rows next to it leave 36 of 64 rows, less than 0.7 of the frame."""
    assert kind_in_place(np.full((64, 64), alike), bar=24) == kind


@pytest.mark.parametrize(("unlike", "kind"), [(3, "near_duplicate"), (6, None)])
def test_a_quarter_of_the_blocks_may_differ_and_no_more(unlike: int, kind: str | None) -> None:
    """The first blocks of 16 have nothing in common, all others are equal: 6 of 16 leave a correlation of 0.6."""
    alike = np.ones((4, 4))
    alike.ravel()[:unlike] = 0.0
    assert kind_in_place(alike.repeat(16, axis=0).repeat(16, axis=1)) == kind


def grain(*views: NDArray[np.float64]) -> list[PhotoFeatures]:
    """Return features of photos without keypoints whose thumbnails are these values around 128."""
    thumbs = [np.clip(128 + 40 * view, 0, 255).astype(np.uint8) for view in views]
    return [replace(describe_photo(drawn(1)), thumb=thumb, edges=thumb) for thumb in thumbs]


def without(photo: PhotoFeatures, *region: slice) -> SharedContent:
    left = nothing_shared(photo)
    left.region[region] = True
    return left


def test_a_photo_that_agrees_in_place_has_a_whole_relation() -> None:
    own, other = np.random.default_rng(3).standard_normal((2, 64, 64))
    same, negative, mixed = grain(own, -own, 0.8 * own + 0.6 * other)
    (photo,) = grain(own)
    for first, second, agreement in ((photo, same, 1.0), (photo, negative, 0.9995), (photo, mixed, 0.79)):
        pair = InPlace(3, 8, mirrored=False, by_edges=False)
        found = compare_in_place(pair, (first, second), (nothing_shared(first), nothing_shared(second)))
        assert found is not None
        link = found.relation
        assert link.agreement == pytest.approx(agreement, abs=0.02)
        assert link.agreement == round(link.agreement, 4)
        assert link == Relation(
            3, 8, RelationKind.NEAR_DUPLICATE, 0, mirrored=False, scale=1.0, agreement=link.agreement
        )
        assert found.agreeing.shape == (0, 2)
        assert found.agreeing.dtype == np.intp
        assert found.spread > 0.6


def test_what_the_first_photo_shares_is_mirrored_with_it() -> None:
    """The left half of the second photo is the right half of the first, mirrored; its right half is another photo."""
    own, other = np.random.default_rng(4).standard_normal((2, 64, 64))
    other[:, :32] = own[:, ::-1][:, :32]
    first, second = grain(own, other)
    pair, nothing = InPlace(0, 1, mirrored=True, by_edges=False), nothing_shared(second)
    left, right = without(first, slice(None), slice(32)), without(first, slice(None), slice(32, 64))
    assert compare_in_place(pair, (first, second), (right, nothing)) is None
    found = compare_in_place(pair, (first, second), (left, nothing))
    assert found is not None
    assert found.relation.agreement > 0.9
    assert found.relation.mirrored

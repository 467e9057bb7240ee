"""Tests of copies that are found where they stand: negatives, drawings of edges, blends."""

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates import in_place
from petmood.data.duplicates.comparison import (
    PhotoFeatures,
    Relation,
    SharedContent,
    describe_photo,
    nothing_shared,
)
from petmood.data.duplicates.correlation import THUMB_PX
from petmood.data.duplicates.in_place import (
    InPlace,
    compare_in_place,
    find_in_place,
    is_drawing,
    pairs_in_place,
    relate_in_place,
    small_gray,
)
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
    left_out = np.zeros((THUMB_PX, THUMB_PX), np.bool_)
    left_out[region] = True
    return SharedContent(nothing_shared(photo).keypoints, left_out)


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


def sharing(count: int) -> list[PhotoFeatures]:
    """Return photos of one grain in the upper three quarters of the frame, and each of its own in the lowest one."""
    same, *own = np.random.default_rng(8).standard_normal((1 + 2 * count, 64, 64))
    views = [np.concatenate([same[:48], own[2 * number][48:]]) for number in range(count)]
    return [by_thumbnails(view, own[2 * number + 1]) for number, view in enumerate(views)]


@pytest.mark.parametrize(
    ("copies", "is_shared"),
    [([0, 1, 2, 3, 4, 5], False), ([0, 1, 2, 3, 4, 5, 5], False), ([0, 1, 2, 3, 4, 5, 6], True)],
)
def test_what_agrees_in_place_with_six_other_groups_is_shared(copies: list[int], *, is_shared: bool) -> None:
    photos = sharing(len(copies))
    found = relate_in_place(photos, [nothing_shared(photo) for photo in photos], copies, threads=1)
    pairs = [(one.relation.first, one.relation.second) for one in found]
    assert pairs == ([] if is_shared else list(combinations(range(len(copies)), 2)))


def test_what_is_shared_in_place_is_left_out_where_six_agree_and_nowhere_else() -> None:
    photos = sharing(7)
    content = [nothing_shared(photo) for photo in photos]
    pairs = [InPlace(a, b, mirrored=False, by_edges=False) for a, b in combinations(range(7), 2)]
    regions = in_place._common_regions(pairs, photos, content, list(range(7)))
    assert sorted(regions) == list(range(7))
    for region in regions.values():
        assert region[8:40, 8:-8].all()
        assert not region[56:].any()
    # Photo 6 has one pair, and all others have five in common with five: too few.
    assert in_place._common_regions([pair for pair in pairs if pair.second < 6], photos, content, list(range(7))) == {}


def signs(contrast: NDArray[np.float64], *, seed: int = 1) -> PhotoFeatures:
    """Return a photo whose pixels are 128 plus or minus a contrast, [64, 64]; up to 2 levels are a flat margin."""
    drawn_signs = np.random.default_rng(seed).choice([-1.0, 1.0], (64, 64))
    return by_thumbnails(drawn_signs * contrast / 40, np.zeros((64, 64)))


def test_a_margin_of_one_photo_alone_is_compared() -> None:
    flat, rich = signs(np.full((64, 64), 2.0)), signs(np.full((64, 64), 40.0))
    pair = InPlace(0, 1, mirrored=False, by_edges=False)
    nothing = nothing_shared(flat)
    for photos in ((flat, rich), (rich, flat), (rich, rich)):
        found = compare_in_place(pair, photos, (nothing, nothing))
        assert found is not None
        assert found.relation == Relation(0, 1, RelationKind.NEAR_DUPLICATE, 0, False, 1.0, found.relation.agreement)
        assert found.relation.agreement > 0.98
    assert compare_in_place(pair, (flat, flat), (nothing, nothing)) is None


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_margin_that_both_photos_have_is_left_out_with_4_px_around_it(*, mirrored: bool) -> None:
    """A flat bar of 20 columns, at the left of the second photo, and at the right of the first one if mirrored."""
    own = np.random.default_rng(9).standard_normal((64, 64))
    own[:, :20] = -1.0
    first, second = grain(own[:, ::-1] if mirrored else own, np.where(np.arange(64) < 20, 1.0, own))
    nothing = nothing_shared(first)
    where = in_place._laid(InPlace(0, 1, mirrored, by_edges=False), (first, second), (nothing, nothing))[2]
    assert not where[:, :24].any()
    assert where[4:-4, 28:56].mean() > 0.9
    unlike = in_place._laid(InPlace(0, 1, not mirrored, by_edges=False), (first, second), (nothing, nothing))[2]
    assert unlike[4:-4, 8:20].all()


def checkered(*flat: tuple[slice, slice], level: int = 128) -> Pixels:
    """Return a thumbnail of pixels of 50 and 200 in turn, but for flat parts."""
    thumb = np.where(np.indices((64, 64)).sum(axis=0) % 2, 50, 200).astype(np.uint8)
    for part in flat:
        thumb[part] = level
    return thumb


SEEDS = [(y, x) for y in (0, 32, 63) for x in (0, 32, 63) if (y, x) != (32, 32)]


@pytest.mark.parametrize(("y", "x"), SEEDS)
def test_a_margin_is_the_flat_area_at_a_corner_or_in_the_middle_of_a_side(y: int, x: int) -> None:
    part = np.s_[max(0, y - 5) : y + 6, max(0, x - 4) : x + 5]
    found = in_place._margin(checkered(part))
    expected = np.zeros((64, 64), np.bool_)
    expected[part] = True
    # Every other corner or middle is a flat area of one pixel.
    expected[tuple(np.transpose(SEEDS))] = True
    assert (found == expected).all()


def test_a_margin_goes_on_along_sides_alone_and_not_to_the_inside_or_across_a_corner() -> None:
    found = in_place._margin(checkered(np.s_[:4, :4], np.s_[4:9, 4:9], np.s_[20:44, 20:44]))
    assert found[:4, :4].all()
    assert found.sum() == 16 + 7


@pytest.mark.parametrize(("level", "pixels"), [(124, 18), (132, 18), (123, 9), (133, 9)])
def test_a_margin_has_up_to_4_levels_more_or_less_than_its_corner(level: int, pixels: int) -> None:
    thumb = checkered(np.s_[:3, :3])
    thumb[:3, 3:6], thumb[:3, 6:9] = level, 2 * level - 128
    before = thumb.copy()
    assert in_place._margin(thumb).sum() == pixels + 7
    assert (thumb == before).all()


def test_a_drawing_of_edges_keeps_its_24_best_partners() -> None:
    """Photos 1 to 6 have a correlation of edges of 0.7, and photos 7 to 30 one of 0.95."""
    line, *others = np.random.default_rng(10).standard_normal((61, 64, 64))
    photos = [by_thumbnails(line, line)]
    for number in range(30):
        alike = 0.7 if number < 6 else 0.95
        photos.append(by_thumbnails(others[number], alike * line + np.sqrt(1 - alike**2) * others[30 + number]))
    assert [is_drawing(photo) for photo in photos] == [True, *[False] * 30]
    content = [nothing_shared(photo) for photo in photos]
    best = [InPlace(0, number, mirrored=False, by_edges=True) for number in range(7, 31)]
    assert find_in_place(photos, content) == best
    some = [*range(3), *range(7, 10)]
    assert find_in_place([photos[number] for number in some], [content[number] for number in some]) == [
        InPlace(0, number, mirrored=False, by_edges=True) for number in range(1, 6)
    ]


def test_what_is_shared_finds_no_pairs_and_pairs_are_sorted_and_named_by_how_they_agree() -> None:
    one, other, third, fourth = np.random.default_rng(11).standard_normal((4, 64, 64))
    same = np.concatenate([one[:48], other[48:]])
    photos = [by_thumbnails(one, third), by_thumbnails(-same[:, ::-1], fourth), by_thumbnails(same, other)]
    nothing = [nothing_shared(photo) for photo in photos]
    assert find_in_place(photos, nothing) == [
        InPlace(0, 1, mirrored=True, by_edges=False),
        InPlace(0, 2, mirrored=False, by_edges=False),
        InPlace(1, 2, mirrored=True, by_edges=False),
    ]
    upper = without(photos[0], slice(50))
    assert find_in_place([photos[0], photos[2]], [upper, upper]) == []


@pytest.mark.parametrize(("share", "is_one"), [(0.66, False), (0.74, True)])
def test_a_drawing_is_as_bright_as_its_edges_are_strong_or_as_dark(share: float, *, is_one: bool) -> None:
    line, other = np.random.default_rng(12).standard_normal((2, 64, 64))
    for sign in (1, -1):
        assert is_drawing(by_thumbnails(sign * (share * line + np.sqrt(1 - share**2) * other), line)) == is_one


def test_blocks_without_detail_or_half_left_out_are_not_asked_and_the_lowest_quarter_may_differ() -> None:
    """Of 16 blocks, eight have correlations of 0.1 to 0.8, four are flat, and four are left out for the most part."""
    rng, where = np.random.default_rng(13), np.ones((64, 64), np.bool_)
    a, b = np.zeros((2, 64, 64))
    for number in range(12):
        block = np.s_[16 * (number // 4) : 16 * (number // 4) + 16, 16 * (number % 4) : 16 * (number % 4) + 16]
        x, y = rng.standard_normal((2, 256))
        x = (x - x.mean()) / x.std()
        y = y - y.mean() - x * np.mean(x * (y - y.mean()))
        alike = 0.1 * (number + 1) if number < 8 else -1.0
        a[block] = x.reshape(16, 16)
        b[block] = (alike * x + np.sqrt(1 - alike**2) * y / y.std()).reshape(16, 16)
    where[32:48:2, ::2], where[33:48:2, 1::2], where[32, 1::16] = False, False, False
    # 129 of 256 pixels are left out. The lower quartile of 0.1, 0.2, ... 0.8 is 0.275.
    assert in_place._lowest_blocks(a, b, where) == pytest.approx(0.275)
    where[32, 1::16] = True
    # Half of a block is enough: with four blocks of -1, the quartile of twelve is -1.
    assert in_place._lowest_blocks(a, b, where) == pytest.approx(-1.0)
    assert in_place._lowest_blocks(a, 0 * b, where) == 0.0
    assert in_place._lowest_blocks(a, b, np.zeros_like(where)) == 0.0


def test_two_photos_are_a_pair_in_place_as_the_search_of_all_finds_it() -> None:
    photo = drawn(4)
    photos = described(photo, 255 - photo, np.ascontiguousarray(photo[:, ::-1]), drawn(5))
    vectors = [small_gray(one) for one in photos]
    found = [
        pair
        for first in range(4)
        for second in range(first + 1, 4)
        for pair in pairs_in_place(first, second, (vectors[first], vectors[second]))
    ]
    assert sorted(found) == find_in_place(photos, [nothing_shared(one) for one in photos])
    assert [(one.first, one.second, one.mirrored) for one in sorted(found)] == [
        (0, 1, False),
        (0, 2, True),
        (1, 2, True),
    ]

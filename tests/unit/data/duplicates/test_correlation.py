"""Tests of the aligned correlation of moved, recolored and different images."""

from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.data.duplicates.correlation import (
    THUMB_PX,
    Overlap,
    aligned_correlation,
    correlation,
    edge_thumbnail,
    level,
    level_edges,
    local_agreement,
    thumbnail,
)
from tests.support.images import photo_like

Bytes = NDArray[np.uint8]

SAME = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def test_a_photo_agrees_with_itself_wholly() -> None:
    small = thumbnail(photo_like(224, 150))
    assert small.shape == (THUMB_PX, THUMB_PX)
    found = aligned_correlation(small, small, SAME)
    assert found.agreement == pytest.approx(1.0, abs=1e-6)
    assert (found.first_inside, found.second_inside) == (1.0, 1.0)


def test_a_recoloured_photo_still_agrees() -> None:
    photo = photo_like(224, 224).astype(float)
    changed = np.clip(photo * [0.5, 0.7, 0.6] + np.linspace(0, 90, 224)[:, None, None], 0, 255).astype(np.uint8)
    assert aligned_correlation(thumbnail(photo.astype(np.uint8)), thumbnail(changed), SAME).agreement > 0.9


def test_a_mirrored_photo_agrees_through_a_mirror_alone() -> None:
    photo = photo_like(224, 224)
    small, mirror = thumbnail(photo), thumbnail(np.ascontiguousarray(photo[:, ::-1]))
    assert aligned_correlation(small, mirror, np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])).agreement > 0.99
    assert aligned_correlation(small, mirror, SAME).agreement < 0.3


def test_different_photos_do_not_agree() -> None:
    for seed in range(1, 8):
        found = aligned_correlation(thumbnail(photo_like(224, 224)), thumbnail(photo_like(224, 224, seed=seed)), SAME)
        assert found.agreement < 0.4


def test_a_crop_lies_inside_its_original_and_covers_part_of_it() -> None:
    photo = photo_like(224, 224)
    crop = thumbnail(np.ascontiguousarray(photo[56:168, 56:168]))
    found = aligned_correlation(crop, thumbnail(photo), np.array([[0.5, 0.0, 0.25], [0.0, 0.5, 0.25]]))
    assert found.agreement > 0.8
    assert found.first_inside == pytest.approx(1.0, abs=0.07)
    assert found.second_inside == pytest.approx(0.25, abs=0.02)


def test_frames_that_hardly_touch_decide_nothing() -> None:
    small = thumbnail(photo_like(224, 224))
    found = aligned_correlation(small, small, np.array([[1.0, 0.0, 0.99], [0.0, 1.0, 0.0]]))
    assert found.agreement == 0.0
    assert found.first_inside < 0.05


def test_flat_photos_decide_nothing() -> None:
    flat = thumbnail(np.full((80, 80, 3), 120, np.uint8))
    assert aligned_correlation(flat, flat, SAME) == Overlap(0.0, 1.0, 1.0, 0.0)


def test_a_negative_has_the_edges_of_its_photo() -> None:
    photo = photo_like(224, 180)
    edges = edge_thumbnail(photo)
    assert edges.shape == (THUMB_PX, THUMB_PX)
    assert np.abs(edges.astype(int) - edge_thumbnail(255 - photo)).max() <= 1
    assert edges.std() > 1


def test_masked_pixels_are_not_compared() -> None:
    first, second = thumbnail(photo_like(224, 224)), thumbnail(photo_like(224, 224, seed=1))
    mixed, left = first.copy(), np.zeros((THUMB_PX, THUMB_PX), np.bool_)
    mixed[:, 32:], left[:, :36] = second[:, 32:], True
    none = np.zeros_like(left)
    assert aligned_correlation(first, mixed, SAME, ignored=(none, left)).agreement < 0.3
    left[:, :28] = False
    left[:, 28:] = True
    assert aligned_correlation(first, mixed, SAME, ignored=(left, none)).agreement > 0.9
    assert aligned_correlation(first, mixed, SAME).spread == pytest.approx(0.5, abs=0.1)


def test_the_correlation_is_pearson_s_over_the_mask() -> None:
    where = np.zeros((THUMB_PX, THUMB_PX), np.bool_)
    a, b = np.full((2, THUMB_PX, THUMB_PX), 99.0)
    where[3, 5:8], a[3, 5:8], b[3, 5:8] = True, (1.0, 2.0, 3.0), (1.0, 3.0, 2.0)
    assert correlation(a, b, where) == pytest.approx(0.5)
    assert correlation(a, -2 * b + 7, where) == pytest.approx(-0.5)
    assert correlation(a, np.ones_like(b), where) == 0.0


def test_a_thumbnail_has_the_luminance_of_its_photo_at_64_px() -> None:
    for color, luminance in (((0, 255, 0), 150), ((255, 0, 0), 76), ((0, 0, 255), 29)):
        photo = np.zeros((128, 256, 3), np.uint8)
        photo[:, 128:] = color
        small = thumbnail(photo)
        assert small.shape == (64, 64)
        assert small.dtype == np.uint8
        assert small[0, [0, 31, 32, 63]].tolist() == [0, 0, luminance, luminance]


def test_a_frame_that_is_moved_by_half_lies_half_in_the_other() -> None:
    small = thumbnail(photo_like(224, 224))
    found = aligned_correlation(small, small, np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]))
    assert (found.first_inside, found.second_inside) == (0.5, 0.5)
    quarter = aligned_correlation(small, small, np.array([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]))
    assert (quarter.first_inside, quarter.second_inside) == (1.0, 0.25)


@pytest.mark.parametrize(("left", "agreement"), [(199, 0.0), (200, 1.0)])
def test_200_pixels_are_enough_for_a_correlation(left: int, agreement: float) -> None:
    """Of the 62 x 62 pixels that are a pixel inside of both frames, all but the first ones are ignored."""
    small = thumbnail(photo_like(224, 224))
    ignored = np.ones((THUMB_PX, THUMB_PX), np.bool_)
    inside = ignored[1:-1, 1:-1].copy()
    inside.ravel()[:left] = False
    ignored[1:-1, 1:-1] = inside
    none = np.zeros_like(ignored)
    for masks in ((ignored, none), (none, ignored)):
        found = aligned_correlation(small, small, SAME, ignored=masks)
        assert found.agreement == pytest.approx(agreement, abs=1e-6)
        assert found.spread == pytest.approx(agreement)


def test_leveling_takes_nothing_from_outside_of_the_mask() -> None:
    grey, where = thumbnail(photo_like(224, 224)), np.ones((THUMB_PX, THUMB_PX), np.bool_)
    where[:, 40:] = False
    other = grey.copy()
    other[:, 40:] = 255
    assert level(other, where)[where] == pytest.approx(level(grey, where)[where])
    assert level(np.full_like(grey, 200), where)[where] == pytest.approx(0)


def test_leveled_stripes_have_their_deviation_over_6_levels_more() -> None:
    """Stripes of 100 and 120 every pixel: the mean is 110, the deviation 10, so the values are -10 / 16 and 10 / 16."""
    stripes = np.tile(np.array([100, 120], np.uint8), (THUMB_PX, THUMB_PX // 2))
    found = level(stripes, np.ones(stripes.shape, np.bool_))
    assert found[32, 30:34] == pytest.approx([-10 / 16, 10 / 16, -10 / 16, 10 / 16], abs=1e-3)


def test_leveled_edges_are_shares_of_their_local_mean_up_to_3_and_sum_to_0() -> None:
    flat = level_edges(np.full((THUMB_PX, THUMB_PX), 9, np.uint8))
    assert flat == pytest.approx(0)
    point = np.zeros((THUMB_PX, THUMB_PX), np.uint8)
    point[32, 32] = 200
    found = level_edges(point)
    assert found.sum() == pytest.approx(0, abs=1e-9)
    # Around the point the local mean is at most 200 / (2 pi 6^2) = 0.9, so 200 / 3.9 is over the limit of 3.
    assert found.max() - found.min() == pytest.approx(3.0)


def test_photos_agree_locally_where_they_are_alike_and_flat_places_do_not_count() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, THUMB_PX, THUMB_PX))
    b[:, :32] = a[:, :32]
    a[48:], b[48:] = 0.0, 0.0
    where = np.ones((THUMB_PX, THUMB_PX), np.bool_)
    where[:8] = False
    agreeing, detailed = local_agreement(a, b, where)
    assert not (agreeing & ~detailed).any()
    assert not detailed[:8].any()
    assert not detailed[60:].any()
    assert detailed[8:44].all()
    assert agreeing[8:44, :24].all()
    assert not agreeing[8:44, 44:].any()
    assert not local_agreement(a, -b, where)[0][8:44, :24].any()


@pytest.mark.parametrize("axis", [0, 1])
def test_edges_are_found_between_means_of_areas(axis: int) -> None:
    """Stripes of 0, 100, 100, 0 and of 100, 0, 0, 100 have one mean over 4 px, so that there is no edge at 224 px."""
    line = np.tile(np.array([0, 100, 100, 0], np.uint8), 224)
    line[448:] = 100 - line[448:]
    photo = np.repeat(np.tile(line, (896, 1))[:, :, None], 3, axis=2)
    assert not edge_thumbnail(np.ascontiguousarray(photo if axis else photo.swapaxes(0, 1))).any()


@pytest.mark.parametrize(("color", "near", "next_to_it"), [((100, 100, 100), 55, 2), ((255, 0, 0), 42, 1)])
def test_the_strength_of_an_edge_is_twice_the_step_of_brightness_spread_over_its_surroundings(
    color: tuple[int, int, int], near: int, next_to_it: int
) -> None:
    """A step of 100 is 2 columns of 100 at 224 px, and so 2 * 200 / 3.5 = 114 in all at 64 px; a red of 255 is 76.

    Of a Gaussian of 1.5 px around each column, 0.606 and 0.362 are within the 3.5 px on its side: 0.968 / 2 * 114 = 55.
    """
    photo = np.zeros((224, 224, 3), np.uint8)
    photo[:, 112:] = color
    row = [*[0] * 30, next_to_it, near, near, next_to_it, *[0] * 30]
    assert edge_thumbnail(photo).tolist() == [row] * 64
    assert edge_thumbnail(np.ascontiguousarray(photo.swapaxes(0, 1))).T.tolist() == [row] * 64


def test_the_strength_of_edges_is_at_most_255() -> None:
    """Two black and two white columns in turn: each column is beside a step of 255."""
    photo = np.zeros((224, 224, 3), np.uint8)
    photo[:, 2::4], photo[:, 3::4] = 255, 255
    assert (edge_thumbnail(photo)[:, 2:-2] == 255).all()


def grain(*, seed: int) -> Bytes:
    return np.clip(128 + 40 * np.random.default_rng(seed).standard_normal((64, 64)), 0, 255).astype(np.uint8)


def test_a_mirrored_thumbnail_lies_exactly_on_its_original() -> None:
    small, mirror = grain(seed=1), np.array([[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    found = aligned_correlation(small, np.ascontiguousarray(small[:, ::-1]), mirror)
    assert astuple(found) == (pytest.approx(1.0), 1.0, 1.0, 1.0)


def test_a_thumbnail_of_half_the_size_is_the_mean_of_2_by_2_pixels() -> None:
    first, second = grain(seed=1), grain(seed=2)
    second[8:40, 16:48] = np.rint(first.reshape(32, 2, 32, 2).mean(axis=(1, 3)))
    matrix = np.array([[0.5, 0.0, 0.25], [0.0, 0.5, 0.125]])
    found = aligned_correlation(first, second, matrix)
    assert astuple(found) == (pytest.approx(1.0, abs=1e-3), 1.0, 0.25, 1.0)


def test_an_enlarged_thumbnail_goes_on_with_its_outermost_pixels() -> None:
    """Enlarged four times, the frame begins two pixels before the center of the first pixel."""
    first, second = grain(seed=1), grain(seed=2)
    there = (np.arange(16, 64) + 0.5 - 16) / 4 - 0.5
    rows = np.array([np.interp(there, np.arange(64), row) for row in first.astype(float)])
    second[16:, 16:] = np.rint([np.interp(there, np.arange(64), column) for column in rows.T]).T
    found = aligned_correlation(first, second, np.array([[4.0, 0.0, 0.25], [0.0, 4.0, 0.25]]))
    assert astuple(found) == (pytest.approx(1.0, abs=1e-3), pytest.approx(0.5625 / 16), 0.5625, 1.0)


def test_a_pixel_along_the_edge_of_the_common_area_is_not_compared() -> None:
    """Moved right by half, the first photo covers columns 32 to 63 of the second."""
    first, half = grain(seed=1), np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]])
    for spoiled, agrees in ((32, True), (33, False)):
        second = grain(seed=2)
        second[:, 32:] = first[:, :32]
        second[:, spoiled] = 0
        found = aligned_correlation(first, second, half)
        assert (found.agreement == pytest.approx(1.0)) == agrees
        assert (found.first_inside, found.second_inside) == (0.5, 0.5)


def test_what_is_left_out_of_the_first_photo_moves_with_it() -> None:
    """Columns 4 to 9 of the first photo lie on 20 to 25 of the second, where it shows something else."""
    first, quarter = grain(seed=1), np.array([[1.0, 0.0, 0.25], [0.0, 1.0, 0.0]])
    second = np.roll(first, 16, axis=1)
    second[:, 20:26] = grain(seed=2)[:, 20:26]
    left, none = np.zeros((2, 64, 64), np.bool_)
    assert aligned_correlation(first, second, quarter).agreement < 0.95
    left[:, 4:10] = True
    assert aligned_correlation(first, second, quarter, ignored=(left, none)).agreement == pytest.approx(1.0)
    assert aligned_correlation(first, second, quarter, ignored=(none, left)).agreement < 0.95
    there = np.roll(left, 16, axis=1)
    assert aligned_correlation(first, second, quarter, ignored=(none, there)).agreement == pytest.approx(1.0)
    narrow = left.copy()
    narrow[:, 9] = False
    assert aligned_correlation(first, second, quarter, ignored=(narrow, none)).agreement < 0.999


def test_the_spread_is_the_share_of_the_area_with_detail_that_agrees() -> None:
    """A quarter of the frame is flat in both photos; of the rest, two thirds are alike."""
    first, second = grain(seed=1), grain(seed=2)
    second[:32] = first[:32]
    first[32:, 32:] = second[32:, 32:] = 100
    assert aligned_correlation(first, second, SAME).spread == pytest.approx(2 / 3, abs=0.05)


def test_a_local_agreement_is_a_correlation_of_more_than_a_half() -> None:
    """Constant images of 1 and c agree fully; c = 0.6 and a sign that changes in 30% or 20% of all rows: 0.4 or 0.6."""
    ones, where = np.ones((64, 64)), np.ones((64, 64), np.bool_)
    for period, agrees in ((5, True), (3, False)):
        signs = ones.copy()
        signs[::period] = -1.0
        agreeing, detailed = local_agreement(ones, 0.6 * signs, where)
        assert detailed.all()
        assert bool(agreeing[16:48].all()) == agrees
        assert bool(agreeing[16:48].any()) == agrees
    for level_of, detail in ((0.05**0.5 + 1e-6, True), (0.05**0.5 - 1e-6, False)):
        for a, b in ((level_of * ones, 0 * ones), (0 * ones, level_of * ones)):
            assert (local_agreement(a, b, where)[1] == detail).all()

"""Tests of the aligned correlation of moved, recolored and different images."""

import numpy as np
import pytest

from petmood.data.duplicates.correlation import (
    THUMB_PX,
    aligned_correlation,
    correlation,
    edge_thumbnail,
    level,
    level_edges,
    local_agreement,
    thumbnail,
)
from tests.support.images import photo_like

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
    assert aligned_correlation(flat, flat, SAME).agreement == 0.0


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

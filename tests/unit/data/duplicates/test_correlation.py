"""Tests of the aligned correlation of moved, recolored and different images."""

import numpy as np
import pytest

from petmood.data.duplicates.correlation import THUMB_PX, aligned_correlation, edge_thumbnail, thumbnail
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

"""Tests of keypoint detection, order and mirrored descriptors."""

import numpy as np
import pytest

from petmood.data.duplicates.keypoints import FRAME_PX, KEYPOINTS, UNIT, detect_and_compute, mirror_descriptors
from tests.support.images import photo_like


def test_the_mirrored_descriptors_are_those_of_the_mirrored_photo() -> None:
    photo = photo_like(224, 224, seed=3)
    plain, mirror = detect_and_compute(photo), detect_and_compute(np.ascontiguousarray(photo[:, ::-1]))
    predicted = mirror_descriptors(plain.descriptors).astype(float)
    # Position of each keypoint of the photo in the mirror image, and the keypoint found there.
    there = plain.positions[:, :2] * [-1, 1] + [FRAME_PX - 1, 0]
    off = np.linalg.norm(there[:, None] - mirror.positions[None, :, :2], axis=2)
    off += 10 * np.abs(np.log2(plain.positions[:, None, 2] / mirror.positions[None, :, 2]))
    turned = np.angle(np.exp(1j * (np.pi - plain.positions[:, 3])))
    off += 10 * np.abs(np.angle(np.exp(1j * (turned[:, None] - mirror.positions[None, :, 3]))))
    pairs = np.argwhere(off < 1.0)
    assert len(pairs) > 100
    alike = [predicted[a] @ mirror.descriptors[b].astype(float) / UNIT**2 for a, b in pairs]
    unlike = [plain.descriptors[a].astype(float) @ mirror.descriptors[b].astype(float) / UNIT**2 for a, b in pairs]
    assert np.median(alike) > 0.97
    assert np.median(unlike) < 0.85


def test_a_mirror_of_a_mirror_changes_nothing() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (5, 128), dtype=np.uint8)
    assert (mirror_descriptors(mirror_descriptors(rows)) == rows).all()
    assert not (mirror_descriptors(rows) == rows).all()


def test_every_descriptor_has_the_same_length() -> None:
    found = detect_and_compute(photo_like(200, 150))
    assert found.descriptors.dtype == np.uint8
    lengths = np.linalg.norm(found.descriptors.astype(float), axis=1)
    assert lengths == pytest.approx(UNIT, rel=0.02)


@pytest.mark.parametrize(("width", "height"), [(640, 320), (100, 50), (224, 112)])
def test_photos_of_any_size_are_described_in_a_frame_of_one_size(width: int, height: int) -> None:
    found = detect_and_compute(photo_like(width, height))
    assert (found.width, found.height) == (FRAME_PX, FRAME_PX / 2)
    assert 0 < len(found.positions) == len(found.descriptors) <= KEYPOINTS
    assert found.positions[:, 0].max() < found.width
    assert found.positions[:, 1].max() < found.height


@pytest.mark.parametrize("shape", [(60, 60, 3), (1, 1, 3), (1, 300, 3)])
def test_a_flat_photo_has_no_keypoints(shape: tuple[int, int, int]) -> None:
    found = detect_and_compute(np.full(shape, 90, np.uint8))
    assert found.positions.shape == (0, 4)
    assert found.descriptors.shape == (0, 128)


def test_the_digest_differs_for_different_photos_and_is_equal_for_equal_ones() -> None:
    photo = photo_like(96, 96)
    assert detect_and_compute(photo).digest() == detect_and_compute(photo.copy()).digest()
    assert detect_and_compute(photo).digest() != detect_and_compute(photo_like(96, 96, seed=1)).digest()

"""Tests of keypoint detection, order and mirrored descriptors."""

from dataclasses import replace

import cv2
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


def test_the_digest_depends_on_positions_and_descriptors_and_has_16_bytes() -> None:
    photo = detect_and_compute(photo_like(96, 96))
    assert len(photo.digest()) == 16
    assert replace(photo, positions=photo.positions + 1).digest() != photo.digest()
    assert replace(photo, descriptors=photo.descriptors + np.uint8(1)).digest() != photo.digest()


@pytest.mark.parametrize(
    ("bin_number", "mirrored"),
    [
        (0, 96),  # row 0, column 0, direction 0: row 3
        (11, 109),  # row 0, column 1, direction 3: row 3, column 1, direction -3 = 5
        (63, 89),  # row 1, column 3, direction 7: row 2, column 3, direction 1
        (124, 28),  # row 3, column 3, direction 4: row 0, column 3, direction 4
    ],
)
def test_a_mirror_image_reverses_the_rows_and_the_sense_of_the_directions(bin_number: int, mirrored: int) -> None:
    row = np.zeros((1, 128), np.uint8)
    row[0, bin_number] = 7
    found = mirror_descriptors(row)
    assert np.flatnonzero(found).tolist() == [mirrored]
    assert found[0, mirrored] == 7
    assert found.flags.c_contiguous


@pytest.mark.parametrize(
    ("width", "height", "frame"),
    [(300, 200, (224, 149)), (200, 300, (149, 224)), (1000, 1, (224, 1)), (1, 1000, (1, 224)), (7, 7, (224, 224))],
)
def test_the_longer_side_of_the_frame_is_224_px(width: int, height: int, frame: tuple[int, int]) -> None:
    found = detect_and_compute(np.full((height, width, 3), 90, np.uint8))
    assert [type(side) for side in (found.width, found.height)] == [float, float]
    assert (found.width, found.height) == frame


def test_a_large_photo_is_reduced_by_means_of_areas() -> None:
    """Squares whose pixels are 0, 100, 100, 0 or 100, 0, 0, 100 in turn have one mean: nothing is left at 224 px."""
    odd = (np.indices((896, 896)) // 128).sum(axis=0) % 2
    line = np.tile([0, 100, 100, 0], 224)
    photo = np.where(odd, line, 100 - line).astype(np.uint8)
    assert len(detect_and_compute(np.repeat(photo[:, :, None], 3, axis=2)).positions) == 0


def test_the_strongest_400_keypoints_are_kept_with_the_strongest_first() -> None:
    """A blob of twice the contrast is stronger; a dense grain has more keypoints than are kept."""
    grain = cv2.resize(np.random.default_rng(0).integers(0, 256, (75, 75), dtype=np.uint8), (224, 224))
    assert len(detect_and_compute(np.repeat(grain[:, :, None], 3, axis=2)).positions) == KEYPOINTS == 400
    rows, columns = np.indices((224, 224))
    light = np.full((224, 224), 100.0)
    for x, y, contrast in ((60, 60, 20), (160, 150, 90)):
        light += contrast * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6**2))
    found = detect_and_compute(np.repeat(light.astype(np.uint8)[:, :, None], 3, axis=2))
    assert found.positions[0, :2] == pytest.approx([160, 150], abs=2)
    assert found.positions.dtype == np.float32


def test_the_strongest_of_a_photo_are_its_first() -> None:
    found = detect_and_compute(photo_like(96, 96, seed=4))
    part = found.strongest(7)
    assert np.array_equal(part.positions, found.positions[:7])
    assert np.array_equal(part.descriptors, found.descriptors[:7])
    assert (part.width, part.height) == (found.width, found.height)

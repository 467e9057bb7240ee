"""Tests of occlusion maps, with networks whose logits are sums of pixels."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.inference.occlusion import GRID, occlusion_maps


def red_sums(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return as logits the sum of the red channel in the upper half of each image, and minus that."""
    assert images.shape[1:] == (8, 8, 3)
    total = images[:, :4, :, 0].astype(np.float64).sum(axis=(1, 2))
    return np.stack([total, -total], axis=1)


def test_a_place_counts_by_what_its_covering_takes_away() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0, 7, 0] = 64  # the mean of the red channel is 1
    maps = occlusion_maps(red_sums, pixels, red_sums(pixels[np.newaxis])[0], grid=2)
    assert maps.shape == (2, 2, 2)
    assert maps.dtype == np.float32
    assert maps[0].tolist() == [[-16.0, 64.0 - 16.0], [0.0, 0.0]]
    assert maps[1].tolist() == [[16.0, -48.0], [0.0, 0.0]]


def test_places_are_covered_one_at_a_time_and_leave_the_photo_as_it_was() -> None:
    pixels = np.full((8, 8, 3), 200, np.uint8)
    pixels[0, 0] = 0
    before, seen = pixels.copy(), list[NDArray[np.uint8]]()

    def look(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        seen.append(images.copy())
        return red_sums(images)

    occlusion_maps(look, pixels, red_sums(pixels[np.newaxis])[0])
    assert GRID == 5
    assert [len(images) for images in seen] == [1] * 25
    assert np.array_equal(pixels, before)
    mean = round(float(before[..., 0].mean()))
    covered = [np.argwhere((images[0] != before).any(axis=2)) for images in seen]
    assert [len(places) > 0 for places in covered] == [True] * 25
    assert all((images[0][tuple(places.T)] == mean).all() for images, places in zip(seen, covered, strict=True))
    assert sum(map(len, covered)) == 64


@pytest.mark.parametrize("side", [8, 11, 64])
def test_a_photo_of_one_color_has_maps_of_zeros(side: int) -> None:
    def mean(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(images.reshape(len(images), -1).mean(axis=1, keepdims=True))

    plain = np.full((side, side, 3), 77, np.uint8)
    assert not occlusion_maps(mean, plain, mean(plain[np.newaxis])[0]).any()

"""Tests of the statistics of a network's input."""

import numpy as np
import pytest

from petmood.core.image_statistics import STATISTICS, image_statistics, statistics_of
from tests.support.images import faces

EVEN = np.full((1, 16, 16, 3), 102, np.uint8)


def test_an_even_image_has_its_brightness_and_nothing_else() -> None:
    assert image_statistics(EVEN)[0] == pytest.approx([0.4, 0, 0, 0], abs=1e-6)


def test_each_statistic_answers_to_what_it_is_named_after() -> None:
    black, red = np.zeros_like(EVEN), EVEN * np.array([1, 0, 0], np.uint8)
    board = np.where(np.indices((16, 16)).sum(axis=0) % 2, 255, 0).astype(np.uint8)
    halves = np.where(np.arange(16) < 8, 0, 255).astype(np.uint8)
    sharp = np.repeat(board[None, :, :, None], 3, axis=3)
    soft = np.repeat(np.tile(halves, (16, 1))[None, :, :, None], 3, axis=3)
    rows = {
        name: image_statistics(pixels)[0]
        for name, pixels in {"black": black, "red": red, "sharp": sharp, "soft": soft}.items()
    }
    assert rows["black"] == pytest.approx([0, 0, 0, 0])
    assert rows["red"][STATISTICS.index("saturation")] == pytest.approx(0.4)
    assert rows["sharp"][:2] == pytest.approx([0.5, 0.5])
    assert rows["soft"][:2] == pytest.approx([0.5, 0.5])
    assert rows["sharp"][STATISTICS.index("sharpness")] == pytest.approx(1)
    assert rows["soft"][STATISTICS.index("sharpness")] < 0.1


def test_statistics_lie_between_0_and_1_one_row_an_image() -> None:
    found = image_statistics(faces(5, side_px=24))
    assert found.shape == (5, len(STATISTICS))
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()


def test_a_small_example_by_hand() -> None:
    image = np.array([[[30, 60, 90], [30, 60, 120]], [[0, 0, 0], [255, 255, 255]]], np.uint8)
    gray = np.array([60, 70, 0, 255]) / 255
    changes = (abs(70 - 60) + 255, 60 + abs(255 - 70))  # to the right, and below
    expected = (gray.mean(), gray.std(), (60 + 90) / 4 / 255, (changes[0] / 2 + changes[1] / 2) / 2 / 255)
    assert statistics_of(image) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(64, 64), (65, 65), (67, 96), (8, 8), (224, 30), (2, 2)])
def test_every_size_has_statistics_near_those_of_all_pixels(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    image[: shape[0] // 2] = 200
    found = statistics_of(image)
    assert found[0] == pytest.approx(image.mean() / 255, abs=0.06)
    assert found[2] == 0


def test_of_a_large_image_every_fourth_pixel_of_every_fourth_row_and_their_neighbors_are_read() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[2::4] = image[:, 2::4] = 255  # neither a fourth pixel nor a neighbor of one
    image[3::4] = image[:, 3::4] = 255
    assert statistics_of(image) == (0, 0, 0, 0)
    image[::4, ::4] = 255
    assert statistics_of(image)[0] == 1

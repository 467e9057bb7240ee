"""Tests of heat maps over photos."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from petmood.core.image import Box, ImageSpec, seen_box
from petmood.presentation.heat_map import heat_map, heat_map_jpeg, map_text

WHOLE = Box(0.0, 0.0, 1.0, 1.0)
ORANGE = [255, 120, 0]


def gray(width: int, height: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 100, np.uint8)


def test_the_largest_value_gets_three_quarters_of_orange_and_others_their_share() -> None:
    values = np.array([[0.0, 4.0], [2.0, -9.0]], np.float32)
    drawn = heat_map(gray(2, 2), values, WHOLE)
    full = [round(100 * 0.25 + 0.75 * color) for color in ORANGE]
    half = [round(100 * 0.625 + 0.375 * color) for color in ORANGE]
    assert drawn.tolist() == [[[100] * 3, full], [half, [100] * 3]]


def test_without_a_positive_value_nothing_is_drawn() -> None:
    assert np.array_equal(heat_map(gray(8, 6), np.full((2, 2), -1, np.float32), WHOLE), gray(8, 6))
    assert np.array_equal(heat_map(gray(8, 6), np.zeros((2, 2), np.float32), WHOLE), gray(8, 6))


def test_the_photo_is_shown_in_gray_so_that_orange_is_seen_on_orange_fur() -> None:
    fur = np.full((4, 4, 3), (200, 120, 40), np.uint8)
    drawn = heat_map(fur, np.zeros((2, 2), np.float32), WHOLE)
    assert np.unique(drawn).tolist() == [round(0.299 * 200 + 0.587 * 120 + 0.114 * 40)]


def test_what_the_network_does_not_get_is_darkened() -> None:
    box = seen_box(ImageSpec(resize="center_crop"), width=8, height=4)
    drawn = heat_map(gray(8, 4), np.zeros((3, 3), np.float32), box)
    assert [pixel[0] for pixel in drawn[1].tolist()] == [50, 50, 100, 100, 100, 100, 50, 50]


@pytest.mark.parametrize(("width", "height"), [(8, 4), (4, 8)])
def test_a_map_that_reaches_beyond_the_photo_is_cut(width: int, height: int) -> None:
    """A letterboxed 8 x 4 photo lies in the middle half of an 8 x 8 map, of which one row or column is strong."""
    box = seen_box(ImageSpec(side_px=8, resize="letterbox"), width=width, height=height)
    values = np.zeros((8, 8), np.float32)
    values[2, :] = 1.0
    values = values if width > height else values.T
    drawn = heat_map(gray(width, height), values, box)
    strong = drawn[0] if width > height else drawn[:, 0]
    full = [round(100 * 0.25 + 0.75 * color) for color in ORANGE]
    assert strong.tolist() == [full] * 8
    rest = drawn[1:] if width > height else drawn[:, 1:]
    assert (rest == 100).all()


@pytest.mark.parametrize(("side_px", "size"), [(100, (40, 30)), (20, (20, 15))])
def test_a_jpeg_has_the_photo_s_size_up_to_a_limit(side_px: int, size: tuple[int, int]) -> None:
    made = heat_map_jpeg(gray(40, 30), np.ones((3, 3), np.float32), WHOLE, side_px=side_px)
    with Image.open(io.BytesIO(made)) as image:
        assert (image.format, image.size) == ("JPEG", size)
        assert np.abs(np.asarray(image)[7, 10].astype(int) - [216, 115, 25]).max() <= 3


# --- the words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [(0, 0, "upper left"), (0, 3, "upper middle"), (2, 5, "middle right"), (3, 2, "middle"), (5, 3, "lower middle")],
)
def test_the_words_name_the_ninth_of_the_map_with_most_of_it(row: int, column: int, place: str) -> None:
    values = np.full((6, 6), -1.0, np.float32)
    values[row, column] = 0.5
    assert map_text("happy", values, WHOLE) == (
        f"Orange: parts that raise the score of happy, most of all in the {place}."
    )


def test_many_small_values_outweigh_a_large_one() -> None:
    values = np.zeros((6, 6), np.float32)
    values[0, 0], values[4:, 4:] = 1.0, 0.3
    assert "in the lower right." in map_text("happy", values, WHOLE)


def test_a_map_of_one_place_is_the_middle_and_one_of_two_is_not_cut_in_three() -> None:
    assert "in the middle." in map_text("happy", np.ones((1, 1), np.float32), WHOLE)
    assert "in the lower left." in map_text("happy", np.array([[0, 0], [1, 0]], np.float32), WHOLE)


def test_a_map_without_a_positive_value_raises_nothing() -> None:
    assert map_text("sad", np.full((2, 2), -1, np.float32), WHOLE) == "No part raises the score of sad."
    assert map_text("sad", np.zeros((2, 2), np.float32), WHOLE) == "No part raises the score of sad."


@pytest.mark.parametrize(
    ("box", "is_said"),
    [
        (Box(0.125, 0.0, 0.875, 1.0), True),
        (Box(0.0, 0.0, 1.0, 0.99), True),
        (Box(0.004, 0.0, 0.996, 1.0), False),
        (Box(0.0, -0.5, 1.0, 1.5), False),
    ],
)
def test_the_words_say_that_a_part_is_darkened(box: Box, *, is_said: bool) -> None:
    text = map_text("sad", np.ones((2, 2), np.float32), box)
    assert text.endswith(" The model gets the part that is not darkened.") == is_said

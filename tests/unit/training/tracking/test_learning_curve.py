"""Learning-curve plot, with gaps for missing values."""

import io
from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image

from petmood.training.tracking.learning_curve import curves_png

ROWS = [
    {"epoch": str(n), "train/loss": str(1 / (n + 1)), "val/loss": str(2 / (n + 1)), "val/accuracy": "0.5"}
    for n in range(4)
]


def drawn(rows: list[Mapping[str, str]]) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Return the pixels of a drawing."""
    with Image.open(io.BytesIO(curves_png(rows, title="a run"))) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_the_drawing_shows_the_values() -> None:
    image, lower = drawn(list(ROWS)), drawn([{**row, "val/accuracy": "0.1"} for row in ROWS])
    assert image.shape == (605, 770, 3)
    assert (image != lower).any()
    assert np.array_equal(image, drawn(list(ROWS)))


@pytest.mark.parametrize(
    "rows", [[], [ROWS[0]], [{**row, "val/loss": "", "val/accuracy": ""} for row in ROWS]], ids=len
)
def test_few_or_missing_values_are_drawn_as_far_as_they_go(rows: list[Mapping[str, str]]) -> None:
    assert drawn(rows).std() > 5


def test_numbers_that_are_none_leave_gaps() -> None:
    assert drawn([ROWS[0], {**ROWS[1], "train/loss": "nan"}, ROWS[2]]).std() > 5

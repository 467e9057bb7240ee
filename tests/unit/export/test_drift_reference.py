"""Tests of the drift reference of the training photos."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.export.drift_reference import STATISTICS, image_statistics, reference_bytes
from tests.support.images import faces

EVEN = np.full((1, 16, 16, 3), 102, np.uint8)


def opened(pixels: NDArray[np.uint8], **named: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401 - the function's own arguments
    """Return the arrays of a reference whose features are mean colors and whose logits favor the second class."""
    data = reference_bytes(
        pixels,
        features=lambda some: some.mean(axis=(1, 2)),
        logits=lambda some: np.tile([0.0, 5.0, 0.0], (len(some), 1)),
        **named,
    )
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


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


def test_the_arrays_have_their_shapes() -> None:
    arrays = opened(faces(7, side_px=24))
    assert {name: (array.shape, array.dtype.kind) for name, array in arrays.items()} == {
        "statistics": ((7, 4), "f"),
        "features": ((7, 3), "f"),
        "class_counts": ((3,), "i"),
        "confidence_histogram": ((20,), "i"),
    }
    assert arrays["features"].dtype == np.float16
    assert arrays["class_counts"].tolist() == [0, 7, 0]
    assert arrays["confidence_histogram"].sum() == 7
    assert arrays["confidence_histogram"][-1] == 7


@pytest.mark.parametrize(("count", "most", "kept"), [(7, 3, [0, 3, 6]), (4, 10, [0, 1, 2, 3]), (1, 5, [0])])
def test_of_many_photos_some_are_chosen_spread_evenly(count: int, most: int, kept: list[int]) -> None:
    pixels = faces(count, side_px=16)
    assert np.array_equal(opened(pixels, most=most)["statistics"], image_statistics(pixels[kept]))

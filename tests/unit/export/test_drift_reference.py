"""Tests of the drift reference of the training photos."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.image_statistics import image_statistics
from petmood.export.drift_reference import reference_bytes
from tests.support.images import faces


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

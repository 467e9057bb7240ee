"""Tests of the drift reference of a bundle."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.bundle import Bundle
from petmood.core.image_statistics import STATISTICS_VERSION, image_statistics
from petmood.core.prediction import Prediction, softmax
from petmood.export.drift_reference import ReferencePhotos, reference_bytes
from petmood.inference.load import load_bundle
from tests.support.images import faces, png


def photos(pixels: NDArray[np.uint8]) -> ReferencePhotos:
    """Return reference photos; the label of the first one was learned, those of the others are class 1."""
    labels = np.full(len(pixels), 1)
    labels[:1] = -1
    return ReferencePhotos(pixels, labels, pixels, "all")


def opened(bundle: Bundle, pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(reference_bytes(load_bundle(bundle.folder), photos(pixels))), allow_pickle=False) as arrays:
        return dict(arrays)


def test_the_reference_has_what_the_service_would_log_of_the_photos(shared_bundle: Bundle) -> None:
    pixels = faces(40, side_px=32, seed=9)
    arrays = opened(shared_bundle, pixels)
    assert np.array_equal(arrays["statistics"], image_statistics(pixels))
    predictor = load_bundle(shared_bundle.folder, measures=True)
    for at in (0, 17, 39):
        found = predictor.predict(png(pixels[at]))
        assert isinstance(found, Prediction)
        assert found.measured is not None
        assert found.measured.embedding is not None
        assert arrays["probabilities"][at] == pytest.approx(list(found.probabilities.values()), abs=1e-4)
        assert arrays["embedding"][at] == pytest.approx(found.measured.embedding, abs=1e-2)
        assert arrays["residual"][at] == pytest.approx(found.measured.residual, rel=1e-3)
        assert (bool(arrays["confident"][at]), bool(arrays["in_domain"][at])) == (found.confident, True)


def test_types_and_shapes(shared_bundle: Bundle) -> None:
    arrays = opened(shared_bundle, faces(7, side_px=32))
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "statistics": ("float32", (7, 4)),
        "embedding": ("float16", (7, 640)),
        "residual": ("float32", (7,)),
        "probabilities": ("float32", (7, 4)),
        "confident": ("bool", (7,)),
        "in_domain": ("bool", (7,)),
        "correct": ("int8", (7,)),
    }
    logits = load_bundle(shared_bundle.folder).session.logits(faces(7, side_px=32))
    assert arrays["probabilities"] == pytest.approx(softmax(logits), abs=1e-5)
    assert arrays["correct"].tolist() == [-1, *(logits.argmax(axis=1)[1:] == 1)]


def test_the_description_has_the_number_of_photos() -> None:
    found = photos(faces(5, side_px=16)).info
    assert (found.photos, found.count, found.statistics_version) == ("all", 5, STATISTICS_VERSION)

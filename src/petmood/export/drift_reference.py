"""Drift reference of the training photos: image statistics, features and predictions."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import pack_arrays
from petmood.core.image_statistics import image_statistics
from petmood.core.prediction import softmax

__all__ = ["reference_bytes"]


def reference_bytes(
    pixels: NDArray[np.uint8],
    *,
    features: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    logits: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    most: int = 1000,
) -> bytes:
    """Return the npz bytes of a bundle's drift reference, from at most ``most`` evenly spaced training photos.

    Arrays: ``statistics`` float32 [N, 4], ``features`` float16 [N, D], ``class_counts`` [K] of the model's predictions,
    ``confidence_histogram`` [20] over 0..1.
    """
    chosen = pixels[np.unique(np.linspace(0, len(pixels) - 1, min(most, len(pixels))).round().astype(int))]
    chances = softmax(logits(chosen))
    histogram, _ = np.histogram(chances.max(axis=1), bins=20, range=(0, 1))
    return pack_arrays(
        statistics=image_statistics(chosen),
        features=features(chosen).astype(np.float16),
        class_counts=np.bincount(chances.argmax(axis=1), minlength=chances.shape[1]),
        confidence_histogram=histogram,
    )

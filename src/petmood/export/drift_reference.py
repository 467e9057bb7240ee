"""What did the training data look like? Statistics, features and answers that later photos are compared with."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import pack_arrays
from petmood.core.prediction import softmax

__all__ = ["STATISTICS", "image_statistics", "reference_bytes"]

STATISTICS = ("brightness", "contrast", "saturation", "sharpness")


def image_statistics(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return one row a picture, float32 [N, 4]: brightness, contrast, saturation and sharpness, each about 0..1.

    Brightness and contrast are mean and standard deviation of the grey values; saturation the mean distance between the
    strongest and the weakest channel; sharpness the mean absolute difference of neighbouring pixels.
    """
    found = np.empty((len(pixels), len(STATISTICS)), dtype=np.float32)
    for row, picture in enumerate(pixels):
        grey = picture.mean(axis=2) / 255
        spread = (picture.max(axis=2).astype(np.float32) - picture.min(axis=2)) / 255
        steps = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
        found[row] = grey.mean(), grey.std(), spread.mean(), steps / 2
    return found


def reference_bytes(
    pixels: NDArray[np.uint8],
    *,
    features: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    logits: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    most: int = 1000,
) -> bytes:
    """Return the npz of a bundle's reference, from at most ``most`` training pictures spread evenly.

    Arrays: ``statistics`` [N, 4], ``features`` float16 [N, D], ``class_counts`` [K] of the model's own answers,
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

"""Drift reference of the training photos: image statistics, features and predictions."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import pack_arrays
from petmood.core.prediction import softmax

__all__ = ["STATISTICS", "image_statistics", "reference_bytes"]

STATISTICS = ("brightness", "contrast", "saturation", "sharpness")


def image_statistics(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return float32 [N, 4] for pixels uint8 [N, H, W, 3]: brightness, contrast, saturation, sharpness; each in 0..1.

    Brightness and contrast are mean and standard deviation of the gray values. Saturation is the mean difference
    between the highest and the lowest channel. Sharpness is the mean absolute difference of neighboring pixels.
    """
    found = np.empty((len(pixels), len(STATISTICS)), dtype=np.float32)
    for row, image in enumerate(pixels):
        grey = image.mean(axis=2) / 255
        spread = (image.max(axis=2).astype(np.float32) - image.min(axis=2)) / 255
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

"""Statistics of a network's input that drift is measured by: brightness, contrast, saturation and sharpness.

Training and serving compute them with this function: otherwise every window of unchanged photos would drift.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["STATISTICS", "STATISTICS_VERSION", "image_statistics", "statistics_of"]

STATISTICS: Final = ("brightness", "contrast", "saturation", "sharpness")
STATISTICS_VERSION: Final = 2
"""Changes with the definition: statistics of different versions can't be compared. Version 1 read all pixels."""
STEP_PX: Final = 4
"""Distance of the pixels that are read, in images of 64 pixels a side or more; all pixels take fifty times as long."""
FEWEST: Final = 16
"""Pixels that are read along a side, of images that have so many."""


def image_statistics(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return float32 [N, 4] in the order of ``STATISTICS`` for prepared photos uint8 [N, H, W, 3], each in 0..1."""
    return np.array([statistics_of(image) for image in pixels], dtype=np.float32).reshape(-1, len(STATISTICS))


def statistics_of(image: NDArray[np.uint8]) -> tuple[float, float, float, float]:
    """Return the statistics of one prepared photo uint8 [H, W, 3], from every fourth pixel of every fourth row.

    Images have two pixels a side or more; small ones are read densely.

    Brightness and contrast are mean and standard deviation of the gray values. Saturation is the mean difference
    between the highest and the lowest channel. Sharpness is the mean absolute difference between a pixel and its
    neighbors to the right and below.
    """
    step = max(1, min(STEP_PX, min(image.shape[:2]) // FEWEST))
    # One channel at a time: sums over the last axis of length 3 take six times as long.
    red, green, blue = (image[::step, ::step, channel].astype(np.int16) for channel in range(3))
    gray = red + green + blue
    right, below = _gray(image[::step, 1::step]), _gray(image[1::step, ::step])
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    changes = np.abs(right - gray[:, : right.shape[1]]).mean() + np.abs(below - gray[: below.shape[0]]).mean()
    return float(gray.mean()) / 765, float(gray.std()) / 765, float(spread.mean()) / 255, float(changes) / 1530


def _gray(image: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return three times the gray values of pixels uint8 [H, W, 3]."""
    return image[..., 0].astype(np.int16) + image[..., 1] + image[..., 2]

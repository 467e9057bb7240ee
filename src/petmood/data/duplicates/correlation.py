"""Correlation of the pixels of two aligned photos over the area that both frames cover.

The images are small gray thumbnails. Local brightness and contrast are normalized first, because a near-duplicate may
be recolored.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["THUMB_PX", "Overlap", "aligned_correlation", "thumbnail"]

THUMB_PX = 64
"""Side of a thumbnail in pixels: these 4 kB per photo are the only pixels that the search keeps."""
NEIGHBOURHOOD_PX = 4.0
"""Standard deviation in pixels of the Gaussian window for local normalization."""
FLOOR = 6.0
"""Added to the local standard deviation, in gray levels, so that flat areas aren't amplified."""
MIN_SHARED_PX = 200
"""Smallest shared area in thumbnail pixels; below it the correlation is 0."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Agreement of two photos, and how much of each frame lies inside the other.

    ``agreement`` is a correlation from -1 to 1, 0 if too little is shared; the two shares are from 0 to 1.
    """

    agreement: float
    first_inside: float
    second_inside: float


def thumbnail(pixels: Bytes) -> Bytes:
    """Return a gray thumbnail, uint8 [64, 64], of a photo, uint8 [H, W, 3] RGB."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA), np.uint8)


def aligned_correlation(first: Bytes, second: Bytes, matrix: Floats) -> Overlap:
    """Return the overlap of two thumbnails, uint8 [64, 64], with the first warped onto the second.

    ``matrix`` is float64 [2, 3] and maps positions given as shares of the frames (0 to 1).
    """
    moved = matrix.copy()
    moved[:, 2] *= THUMB_PX
    # Pixel centers lie half a pixel inside the frame.
    moved[:, 2] += 0.5 * (moved[:, 0] + moved[:, 1]) - 0.5
    size = (THUMB_PX, THUMB_PX)
    covered = cv2.warpAffine(np.ones_like(first), moved, size, flags=cv2.INTER_NEAREST) > 0
    laid = cv2.warpAffine(first, moved, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shared = int(covered.sum())
    area = abs(float(np.linalg.det(matrix[:, :2])))
    inside = shared / THUMB_PX**2
    compared = cv2.erode(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    agreement = 0.0
    if int(compared.sum()) >= MIN_SHARED_PX:
        agreement = _correlation(_level(np.asarray(laid, np.uint8), compared), _level(second, compared), compared)
    return Overlap(agreement, min(1.0, inside / max(area, 1e-9)), inside)


def _level(grey: Bytes, where: NDArray[np.bool_]) -> Floats:
    """Normalize local brightness and contrast; pixels outside ``where`` are ignored."""
    values, part = grey.astype(np.float64), where.astype(np.float64)
    share = np.maximum(cv2.GaussianBlur(part, (0, 0), NEIGHBOURHOOD_PX), 1e-6)
    mean = cv2.GaussianBlur(values * part, (0, 0), NEIGHBOURHOOD_PX) / share
    power = cv2.GaussianBlur(values * values * part, (0, 0), NEIGHBOURHOOD_PX) / share
    spread = np.sqrt(np.maximum(power - mean * mean, 0.0))
    return np.asarray((values - mean) / (spread + FLOOR), np.float64)


def _correlation(a: Floats, b: Floats, where: NDArray[np.bool_]) -> float:
    x, y = a[where] - a[where].mean(), b[where] - b[where].mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-6 else 0.0

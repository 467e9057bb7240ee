"""Do two photos agree pixel by pixel where one frame lies on the other, so that one is a copy of the other?

The pictures are small grey thumbnails. Light and contrast are taken out around every spot first, because a copy may be
recoloured; what is left is compared by the correlation over the part that both frames cover.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["THUMB_PX", "Overlap", "aligned_correlation", "thumbnail"]

THUMB_PX = 64
"""The side of a thumbnail: 4 kB a photo is all the pixels that a search for groups keeps."""
NEIGHBOURHOOD_PX = 4.0
"""The width (standard deviation) of the surroundings whose light and contrast are taken out."""
FLOOR = 6.0
"""A contrast, in grey levels, below which surroundings count as flat."""
MIN_SHARED_PX = 200
"""Fewer common pixels of the thumbnail than this decide nothing."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Say how well two photos agree, and how much of each frame lies inside the other.

    ``agreement`` is a correlation from -1 to 1, 0 where too little is shared; the two shares are from 0 to 1.
    """

    agreement: float
    first_inside: float
    second_inside: float


def thumbnail(pixels: Bytes) -> Bytes:
    """Return a photo, uint8 [H, W, 3] RGB, as a small grey square, uint8 [64, 64]."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA), np.uint8)


def aligned_correlation(first: Bytes, second: Bytes, matrix: Floats) -> Overlap:
    """Lay the first thumbnail over the second by ``matrix``, float64 [2, 3], given in shares of the frames (0 to 1)."""
    moved = matrix.copy()
    moved[:, 2] *= THUMB_PX
    # Pixel centres lie half a pixel inside the frame.
    moved[:, 2] += 0.5 * (moved[:, 0] + moved[:, 1]) - 0.5
    size = (THUMB_PX, THUMB_PX)
    covered = cv2.warpAffine(np.ones_like(first), moved, size, flags=cv2.INTER_NEAREST) > 0
    laid = cv2.warpAffine(first, moved, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shared = int(covered.sum())
    area = abs(float(np.linalg.det(matrix[:, :2])))
    inside = shared / THUMB_PX**2
    judged = cv2.erode(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    agreement = 0.0
    if int(judged.sum()) >= MIN_SHARED_PX:
        agreement = _correlation(_level(np.asarray(laid, np.uint8), judged), _level(second, judged), judged)
    return Overlap(agreement, min(1.0, inside / max(area, 1e-9)), inside)


def _level(grey: Bytes, where: NDArray[np.bool_]) -> Floats:
    """Take light and contrast out; what lies outside ``where`` has no part in it."""
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

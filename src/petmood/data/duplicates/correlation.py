"""Correlation of the pixels of two aligned photos over the area that both frames cover.

The images are small gray thumbnails. Local brightness and contrast are normalized first, because a near-duplicate may
be recolored.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "THUMB_PX",
    "Overlap",
    "aligned_correlation",
    "correlation",
    "edge_thumbnail",
    "level",
    "level_edges",
    "local_agreement",
    "thumbnail",
]

THUMB_PX = 64
"""Side of a thumbnail in pixels: these 4 kB per photo are the only pixels that the search keeps."""
NEIGHBOURHOOD_PX = 4.0
"""Standard deviation in pixels of the Gaussian window for local normalization."""
FLOOR = 6.0
"""Added to the local standard deviation, in gray levels, so that flat areas aren't amplified."""
MIN_SHARED_PX = 200
"""Smallest shared area in thumbnail pixels; below it the correlation is 0."""

EDGE_FRAME_PX = 224
"""Side in pixels of the frame in which edges are found."""
EDGE_NEIGHBOURHOOD_PX = 6.0
"""Standard deviation in thumbnail pixels of the Gaussian window that edge strengths are divided by."""
EDGE_FLOOR = 3.0
"""Added to the local mean of edge strengths, so that grain in flat areas isn't amplified."""
EDGE_LIMIT = 3.0
"""Largest edge strength, in local means, so that a few strong edges don't decide alone."""
LOCAL_AGREEMENT = 0.5
"""Smallest correlation within one neighborhood that counts as agreement there."""
LOCAL_DETAIL = 0.05
"""Smallest mean square of leveled values in a neighborhood with detail; a flat one neither agrees nor disagrees."""

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Agreement of two photos, and how much of each frame lies inside the other.

    ``agreement`` is a correlation from -1 to 1, 0 if too little is shared; the two shares are from 0 to 1. ``spread``
    is the share, 0 to 1, of the common area with detail in which the photos agree locally.
    """

    agreement: float
    first_inside: float
    second_inside: float
    spread: float = 0.0


def thumbnail(pixels: Bytes) -> Bytes:
    """Return a gray thumbnail, uint8 [64, 64], of a photo, uint8 [H, W, 3] RGB."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA), np.uint8)


def edge_thumbnail(pixels: Bytes) -> Bytes:
    """Return the strength of edges, uint8 [64, 64], of a photo, uint8 [H, W, 3] RGB.

    It is nearly the same for a photo, its negative and a drawing of its edges.
    """
    size = (EDGE_FRAME_PX, EDGE_FRAME_PX)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, x, 1 - x, scale=0.25) for x in (1, 0))
    soft = cv2.GaussianBlur(np.hypot(across, down), (0, 0), 1.5)
    strength = cv2.resize(soft, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
    return np.minimum(np.rint(strength * 2), 255).astype(np.uint8)


def aligned_correlation(
    first: Bytes, second: Bytes, matrix: Floats, *, ignored: tuple[Mask, Mask] | None = None
) -> Overlap:
    """Return the overlap of two thumbnails, uint8 [64, 64], with the first warped onto the second.

    ``matrix`` is float64 [2, 3] and maps positions given as shares of the frames (0 to 1). Pixels of the masks
    ``ignored``, bool [64, 64] of each thumbnail, aren't compared.
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
    if ignored is not None:
        left_out = cv2.warpAffine(ignored[0].astype(np.uint8), moved, size, flags=cv2.INTER_NEAREST) > 0
        compared &= ~(left_out | ignored[1])
    agreement = spread = 0.0
    if int(compared.sum()) >= MIN_SHARED_PX:
        a, b = level(np.asarray(laid, np.uint8), compared), level(second, compared)
        agreement = correlation(a, b, compared)
        agreeing, detailed = local_agreement(a, b, compared)
        spread = float(agreeing.sum()) / max(1, int(detailed.sum()))
    return Overlap(agreement, min(1.0, inside / max(area, 1e-9)), inside, spread)


def local_agreement(a: Floats, b: Floats, where: Mask) -> tuple[Mask, Mask]:
    """Return where two leveled images, float64 [64, 64], agree, and where they have detail at all (bool [64, 64])."""
    part = where.astype(np.float64)
    both, first, second = (
        np.asarray(cv2.GaussianBlur(product * part, (0, 0), NEIGHBOURHOOD_PX)) for product in (a * b, a * a, b * b)
    )
    detailed = where & (np.maximum(first, second) > LOCAL_DETAIL)
    agreeing = detailed & (both > LOCAL_AGREEMENT * np.sqrt(np.maximum(first * second, 1e-12)))
    return agreeing, detailed


def level_edges(strength: Bytes) -> Floats:
    """Divide edge strengths, uint8 [64, 64], by their local mean, and subtract the mean of all."""
    values = strength.astype(np.float64)
    around = np.asarray(cv2.GaussianBlur(values, (0, 0), EDGE_NEIGHBOURHOOD_PX))
    leveled = np.minimum(values / (around + EDGE_FLOOR), EDGE_LIMIT)
    return np.asarray(leveled - leveled.mean(), np.float64)


def level(grey: Bytes, where: Mask) -> Floats:
    """Normalize local brightness and contrast; pixels outside ``where`` are ignored."""
    values, part = grey.astype(np.float64), where.astype(np.float64)
    share = np.maximum(cv2.GaussianBlur(part, (0, 0), NEIGHBOURHOOD_PX), 1e-6)
    mean = cv2.GaussianBlur(values * part, (0, 0), NEIGHBOURHOOD_PX) / share
    power = cv2.GaussianBlur(values * values * part, (0, 0), NEIGHBOURHOOD_PX) / share
    spread = np.sqrt(np.maximum(power - mean * mean, 0.0))
    return np.asarray((values - mean) / (spread + FLOOR), np.float64)


def correlation(a: Floats, b: Floats, where: Mask) -> float:
    """Return the correlation of two leveled images, float64 [64, 64], over a mask; 0 for a flat one."""
    x, y = a[where] - a[where].mean(), b[where] - b[where].mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 1e-6 else 0.0

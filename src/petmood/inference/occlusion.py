"""Occlusion maps of any network: what a logit loses when a place of the image is covered."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["GRID", "occlusion_maps"]

GRID: Final = 5
"""Places along each side of an image; 5 x 5 more images are predicted."""


def occlusion_maps(
    logits: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    pixels: NDArray[np.uint8],
    whole: NDArray[np.floating],
    *,
    grid: int = GRID,
) -> NDArray[np.float32]:
    """Return maps float32 [K, grid, grid] of a prepared photo uint8 [S, S, 3] (Zeiler and Fergus 2014).

    ``logits`` returns [B, K] for images [B, S, S, 3]; ``whole`` are those of the photo, [K]. A value is the logit of
    the photo, minus that of the photo with this place covered by its mean color. Images are predicted one at a time, to
    bound the memory.
    """
    edges = np.linspace(0, len(pixels), grid + 1).round().astype(int)
    color = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    maps = np.empty((len(whole), grid, grid), dtype=np.float32)
    for row in range(grid):
        for column in range(grid):
            covered = pixels.copy()
            covered[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = color
            maps[:, row, column] = whole - logits(covered[np.newaxis])[0]
    return maps

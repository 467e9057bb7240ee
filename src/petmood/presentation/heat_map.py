"""Heat map of a class over a photo in gray: orange where it raises the score, dark outside the network's input."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.core.image import Box

__all__ = ["heat_map", "heat_map_jpeg"]

COLOR: Final = np.array([255.0, 120.0, 0.0])
MOST: Final = 0.75
"""Opacity of the largest value; that of the others is in proportion, and 0 for negative ones."""
SHADE: Final = 0.5
QUALITY: Final = 90


def heat_map(photo: NDArray[np.uint8], values: NDArray[np.float32], box: Box) -> NDArray[np.uint8]:
    """Return an upright photo uint8 [H, W, 3] with a map of any size drawn over it; ``box`` is where the map lies."""
    height, width = photo.shape[:2]
    gray = np.asarray(Image.fromarray(photo).convert("L"), dtype=np.float64)[..., np.newaxis].repeat(3, axis=2)
    left, right = round(box.left * width), max(round(box.right * width), round(box.left * width) + 1)
    top, bottom = round(box.top * height), max(round(box.bottom * height), round(box.top * height) + 1)
    positive = np.maximum(values, 0) / max(float(values.max()), 1e-9)
    sized = Image.fromarray(positive.astype(np.float32)).resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    inner = np.asarray(sized)[max(0, -top) : height - top, max(0, -left) : width - left]
    rows, columns = slice(max(0, top), max(0, top) + len(inner)), slice(max(0, left), max(0, left) + inner.shape[1])
    drawn = gray * (1 - SHADE)
    opacity = MOST * np.clip(inner, 0, 1)[..., np.newaxis]
    drawn[rows, columns] = gray[rows, columns] * (1 - opacity) + COLOR * opacity
    return drawn.round().astype(np.uint8)


def heat_map_jpeg(photo: NDArray[np.uint8], values: NDArray[np.float32], box: Box, *, side_px: int) -> bytes:
    """Return ``heat_map`` as the bytes of a JPEG file, whose longer side is at most ``side_px``."""
    smaller = Image.fromarray(photo)
    smaller.thumbnail((side_px, side_px), reducing_gap=2.0)
    buffer = io.BytesIO()
    Image.fromarray(heat_map(np.asarray(smaller), values, box)).save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()

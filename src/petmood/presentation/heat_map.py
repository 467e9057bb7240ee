"""Heat map of a class over a photo in gray, and its words: orange raises the score, dark is outside the input."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.core.image import Box

__all__ = ["heat_map", "heat_map_jpeg", "map_text"]

COLOR: Final = np.array([255.0, 120.0, 0.0])
MOST: Final = 0.75
"""Opacity of the largest value; that of the others is in proportion, and 0 for negative ones."""
SHADE: Final = 0.5
QUALITY: Final = 90
ROWS: Final = ("upper", "middle", "lower")
COLUMNS: Final = ("left", "middle", "right")
CROPPED: Final = 0.005
"""Share of the photo's width or height that must be darkened before the words say so."""


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


def map_text(label: str, values: NDArray[np.float32], box: Box) -> str:
    """Return what a map shows, in a sentence or two; ``serving/static/maps.js`` has the same words."""
    place = _place_of(values)
    most = f"Orange: parts that raise the score of {label}, most of all in the {place}."
    shown = most if place else f"No part raises the score of {label}."
    whole = max(box.left, box.top, 1 - box.right, 1 - box.bottom) <= CROPPED
    return shown if whole else f"{shown} The model gets the part that is not darkened."


def _place_of(values: NDArray[np.float32]) -> str:
    """Return the ninth of a map with the largest sum of positive values, or an empty string if none is positive."""
    rows, columns = (_thirds(count) for count in values.shape)
    sums = np.zeros((3, 3))
    np.add.at(sums, (rows[:, np.newaxis], columns), np.maximum(values, 0))
    row, column = divmod(int(sums.argmax()), 3)
    if not sums[row, column] > 0:
        return ""
    return "middle" if row == column == 1 else f"{ROWS[row]} {COLUMNS[column]}"


def _thirds(count: int) -> NDArray[np.intp]:
    return np.asarray(3 * (np.arange(count) + 0.5) / count, dtype=np.intp)

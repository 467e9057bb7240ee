"""Image preprocessing shared by training and serving.

The result is uint8; mean and standard deviation are recorded here but applied inside the network's graph.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from petmood.core.photo import BACKGROUND, LIMITS, ImageLimits, decode

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "Box", "ImageSpec", "PreparedImage", "load", "prepare", "seen_box"]

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
OVERSAMPLING: Final = 2.0
"""A JPEG is decoded at the smallest scale whose shorter side is at least this many times the network's input side.
Measured (benchmarks/decode.py): at 2.0 a prepared image differs from a full decode's by under one gray level."""


class ImageSpec(BaseModel):
    """Input size, resize mode and normalization of images; part of every bundle's manifest.

    ``resize``: "squash" ignores the aspect ratio, "center_crop" crops the middle square, and "letterbox" adds bars of
    ``background``.
    ``mean`` and ``std`` are per channel, for values in 0..1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    side_px: int = Field(default=224, ge=8, le=2048)
    resize: Literal["squash", "center_crop", "letterbox"] = "center_crop"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    background: tuple[int, int, int] = BACKGROUND


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a photo, as shares of its width and height from the top left; it may reach beyond the photo."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """Network input uint8 [side, side, 3], with the photo's width and height in pixels and warnings for the user."""

    pixels: NDArray[np.uint8]
    width: int
    height: int
    warnings: tuple[str, ...] = ()


def load(source: bytes | Path, spec: ImageSpec, *, limits: ImageLimits = LIMITS) -> PreparedImage:
    """Decode a photo and resize it to the network's input size; large JPEGs are decoded at a reduced scale.

    Raises:
        PhotoError: the photo is rejected, see ``core.photo.decode``.
        OSError: the path can't be read.
    """
    enough_px = round(spec.side_px * OVERSAMPLING)
    photo = decode(source, limits=limits, at_least_px=enough_px, background=spec.background)
    notes = photo.warnings
    if min(photo.width, photo.height) < spec.side_px // 2:
        notes = (*notes, f"Small photo ({photo.width}x{photo.height} pixels): the prediction may be less reliable.")
    return PreparedImage(prepare(photo.pixels, spec), photo.width, photo.height, notes)


def prepare(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """Resize RGB pixels uint8 [H, W, 3] to uint8 [side, side, 3] in the spec's mode, bilinear with anti-aliasing."""
    side = spec.side_px
    height, width = pixels.shape[:2]
    if (height, width) == (side, side):
        return np.ascontiguousarray(pixels)
    image = Image.fromarray(pixels)
    if spec.resize == "letterbox":
        return _padded(image, spec)
    box = _middle_square(width, height) if spec.resize == "center_crop" else (0.0, 0.0, width, height)
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box=box))


def seen_box(spec: ImageSpec, *, width: int, height: int) -> Box:
    """Return the part of an upright photo that ``prepare`` makes the network's input of.

    With "letterbox", the input has bars, so that the box is larger than the photo.

    >>> seen_box(ImageSpec(resize="center_crop"), width=200, height=100)
    Box(left=0.25, top=0.0, right=0.75, bottom=1.0)
    """
    if spec.resize == "squash":
        return Box(0.0, 0.0, 1.0, 1.0)
    if spec.resize == "center_crop":
        left, top, right, bottom = _middle_square(width, height)
        return Box(left / width, top / height, right / width, bottom / height)
    inner, at = _letterboxed((width, height), spec.side_px)
    left, top = (-start / size for start, size in zip(at, inner, strict=True))
    return Box(left, top, left + spec.side_px / inner[0], top + spec.side_px / inner[1])


def _middle_square(width: int, height: int) -> tuple[float, float, float, float]:
    edge = min(width, height)
    left, top = (width - edge) / 2, (height - edge) / 2
    return left, top, left + edge, top + edge


def _padded(image: Image.Image, spec: ImageSpec) -> NDArray[np.uint8]:
    inner, at = _letterboxed(image.size, spec.side_px)
    canvas = Image.new("RGB", (spec.side_px, spec.side_px), spec.background)
    canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), at)
    return np.array(canvas)


def _letterboxed(size: tuple[int, int], side: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the width and height of an image inside its square, and its place from the top left, in pixels."""
    scale = side / max(size)
    width, height = (max(1, round(length * scale)) for length in size)
    return (width, height), ((side - width) // 2, (side - height) // 2)

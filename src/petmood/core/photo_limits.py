"""Limits of a photo: its file's bytes, checked while it is read, and its header's size, checked before decoding."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from petmood.core.errors import BadAspect, EmptyFile, FileTooLarge, TooManyPixels, TooSmall

__all__ = ["LIMITS", "REDUCIBLE", "ImageLimits", "check_size", "read_bounded"]

REDUCIBLE: Final = frozenset({"JPEG", "MPO"})
"""Formats that are decoded at a reduced scale where a side of ``at_least_px`` is enough."""
REDUCIBLE_PIXELS: Final = 128_000_000
"""Limit of such an image's header; phones take photos of 64.2 and 108 megapixels. Measured at 108 megapixels: a peak of
23 MiB, and of 625 MiB for a progressive one with full color; a full-scale decode of 64 megapixels needs 860 MiB."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Limits of a photo: file size in bytes, pixels, shortest side in pixels, and ratio of longer to shorter side.

    A JPEG that is decoded at a reduced scale may have ``REDUCIBLE_PIXELS``, unless ``pixels`` is below its default.
    """

    file_bytes: int = 30_000_000
    pixels: int = 64_000_000
    side_px: int = 16
    aspect: float = 12.0


LIMITS: Final = ImageLimits()


def read_bounded(source: bytes | Path, limits: ImageLimits) -> bytes:
    """Return a photo's bytes; of a pipe or a device, whose size is unknown, at most one more than allowed are read.

    Raises:
        EmptyFile: there are no bytes.
        FileTooLarge: there are more than ``limits.file_bytes``.
        OSError: the path can't be read.
    """
    if isinstance(source, bytes):
        data, size = source, len(source)
    else:
        with source.open("rb") as file:
            size = source.stat().st_size if source.is_file() else 0
            data = file.read(limits.file_bytes + 1) if size <= limits.file_bytes else b""
        size = max(size, len(data))
    if size == 0:
        raise EmptyFile("Expected a photo, got an empty file (0 bytes). Send the original file again.")
    if size > limits.file_bytes:
        got = f"{size / 1e6:.1f} MB" if size != limits.file_bytes + 1 else "more"
        raise FileTooLarge(f"Expected at most {limits.file_bytes / 1e6:.0f} MB, got {got}. Send a smaller copy.")
    return data


def check_size(image: Image.Image, limits: ImageLimits, *, may_reduce: bool) -> None:
    """Check the size that an image's header declares; ``may_reduce`` is whether a reduced scale is enough.

    Raises:
        TooManyPixels: more than ``limits.pixels``, or ``REDUCIBLE_PIXELS``.
        BadAspect: the sides differ too much.
        TooSmall: a side is too short.
    """
    width, height = image.size
    size, pixels = f"{width}x{height}", limits.pixels
    if may_reduce and image.format in REDUCIBLE and pixels >= LIMITS.pixels:
        pixels = max(pixels, REDUCIBLE_PIXELS)
    if width * height > pixels:
        raise TooManyPixels(f"Expected at most {pixels:,} pixels, got {size}. Send a smaller copy.")
    if max(width, height) > limits.aspect * min(width, height):
        raise BadAspect(
            f"Expected an aspect ratio of at most {limits.aspect:g}:1, got {size}. Crop the photo to the pet."
        )
    if min(width, height) < limits.side_px:
        raise TooSmall(f"Expected at least {limits.side_px} pixels per side, got {size}. Send a larger photo.")

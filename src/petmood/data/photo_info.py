"""Inspection of a photo file: its hash, size and encoding, or the reason why it can't be used."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.core.errors import PetmoodError
from petmood.core.photo import EXIF_ORIENTATION, LIMITS, decode

__all__ = ["ODD_SIDE_PX", "PIXELS_SIDE_PX", "PhotoInfo", "read_photo_info"]

PIXELS_SIDE_PX = 512
"""Large JPEGs are decoded to about this shorter side: the complete file is read with a quarter of the memory."""

ODD_SIDE_PX = (96, 4000)
"""A shorter side below the first value or a longer side above the second is flagged as unusual."""


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """Properties of one photo file; `problem` is empty for a usable photo, else a sentence with its `code`.

    Width and height are in pixels, after EXIF rotation. `flags` are codes for manual review: "mode", "exif", "small",
    "large", "animated".
    """

    sha256: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    flags: tuple[str, ...] = ()
    code: str = ""
    problem: str = ""


def read_photo_info(path: Path) -> tuple[PhotoInfo, NDArray[np.uint8] | None]:
    """Read a file once, decode it completely, and return its properties and its pixels, uint8 RGB [H, W, 3].

    The pixels are None if the photo can't be used; no file content raises an error.
    """
    sha256 = ""
    try:
        data = _read(path)
        sha256 = hashlib.sha256(data).hexdigest()
        photo = decode(data, at_least_px=PIXELS_SIDE_PX)
    except OSError as error:
        reason = error.strerror or "unreadable"
        return PhotoInfo(code="unreadable", problem=f"expected a readable file: {reason}"), None
    except PetmoodError as error:
        return PhotoInfo(sha256=sha256, code=error.code, problem=" ".join(str(error).split())), None
    odd = _flags(data, mode=photo.mode, width=photo.width, height=photo.height)
    if photo.warnings:
        odd = (*odd, "animated")
    facts = PhotoInfo(sha256, photo.width, photo.height, photo.format, photo.mode, odd)
    return facts, photo.pixels


def _read(path: Path) -> bytes:
    if path.stat().st_size > LIMITS.file_bytes:
        decode(path)  # raises by file size alone, before the file is in memory
    return path.read_bytes()


def _flags(data: bytes, *, mode: str, width: int, height: int) -> tuple[str, ...]:
    odd = []
    if mode not in {"RGB", "L"}:
        odd.append("mode")
    if _turned(data):
        odd.append("exif")
    if min(width, height) < ODD_SIDE_PX[0]:
        odd.append("small")
    if max(width, height) > ODD_SIDE_PX[1]:
        odd.append("large")
    return tuple(odd)


def _turned(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "MPO", "PNG", "WEBP")) as image:
            return int(image.getexif().get(EXIF_ORIENTATION, 1)) in range(2, 9)
    except Exception:  # noqa: BLE001 - invalid metadata doesn't make the pixels invalid
        return False

"""Inspection of a photo file: its hash, size and encoding, or the reason why it can't be used."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import PetmoodError
from petmood.core.photo import Photo, decode
from petmood.core.photo_limits import LIMITS, read_bounded

__all__ = ["ODD_SIDE_PX", "PIXELS_SIDE_PX", "PhotoInfo", "read_photo_info"]

PIXELS_SIDE_PX = 512
"""Large JPEGs are decoded to about this shorter side: the complete file is read with a quarter of the memory."""

ODD_SIDE_PX = (96, 4000)
"""A shorter side below the first value or a longer side above the second is flagged as unusual."""


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """Properties of one photo file; `problem` is empty for a usable photo, else a sentence with its `code`.

    Width and height are in pixels, after EXIF rotation. `flags` are codes for manual review: "mode", "exif", "small",
    "large", "animated", "repaired".
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
        data = read_bounded(path, LIMITS)
        sha256 = hashlib.sha256(data).hexdigest()
        photo = decode(data, at_least_px=PIXELS_SIDE_PX)
    except OSError as error:
        reason = error.strerror or "unreadable"
        return PhotoInfo(code="unreadable", problem=f"expected a readable file: {reason}"), None
    except PetmoodError as error:
        return PhotoInfo(sha256=sha256, code=error.code, problem=" ".join(str(error).split())), None
    facts = PhotoInfo(sha256, photo.width, photo.height, photo.format, photo.mode, _flags(photo))
    return facts, photo.pixels


def _flags(photo: Photo) -> tuple[str, ...]:
    flagged = {
        "mode": photo.mode not in {"RGB", "L"},
        "exif": photo.orientation in range(2, 9),
        "small": min(photo.width, photo.height) < ODD_SIDE_PX[0],
        "large": max(photo.width, photo.height) > ODD_SIDE_PX[1],
        "animated": photo.animated,
        "repaired": photo.repaired,
    }
    return tuple(code for code, found in flagged.items() if found)

"""JPEG thumbnails as data URIs for self-contained pages, within a size budget, and the button that enlarges one."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.core.errors import PetmoodError
from petmood.core.photo import decode

__all__ = [
    "LARGE_PX",
    "PhotoOf",
    "Thumbnails",
    "enlargeable",
    "folder_thumbnails",
    "jpeg_bytes",
    "jpeg_uri",
    "photo_uri",
]

PhotoOf = Callable[[str], NDArray[np.uint8]]

LARGE_PX: Final = 256
"""Longer side of an image that a page shows small, and enlarged on demand."""

_SIDE_PX: Final = 96
_QUALITY: Final = 70


def jpeg_uri(photo: NDArray[np.uint8], *, side_px: int = _SIDE_PX) -> str:
    """Shrink an image (uint8 [H, W, 3] RGB or [H, W] gray) to fit a square and return it as a JPEG data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_bytes(photo, side_px=side_px)).decode("ascii")


def jpeg_bytes(photo: NDArray[np.uint8], *, side_px: int) -> bytes:
    """Shrink an image (uint8 [H, W, 3] RGB or [H, W] gray) to fit a square and return it as a JPEG file."""
    image = Image.fromarray(photo).convert("RGB")
    image.thumbnail((side_px, side_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def photo_uri(photo: bytes | Path, *, side_px: int = _SIDE_PX) -> str | None:
    """Return the thumbnail of a photo, by its path or bytes, as a JPEG data URI; None if it can't be read."""
    try:
        return jpeg_uri(decode(photo, at_least_px=side_px).pixels, side_px=side_px)
    except (PetmoodError, OSError):
        return None


def enlargeable(uri: str, *, alt: str, number: int) -> str:
    """Return the HTML of an image that opens large when it is pressed; ``number`` is another one for each of a page.

    The image is a popover within its button, so the page holds it once and needs no script: Escape closes it, and the
    button keeps the focus. A browser without popovers shows the small image alone. Styles: ``.zoom`` in style.css.
    """
    return (
        f'<button type="button" class="zoom" popovertarget="photo-{number}" title="Show larger">'
        f'<img src="{escape(uri)}" alt="{escape(alt)}" id="photo-{number}" popover decoding="async"></button>'
    )


@dataclass(slots=True)
class Thumbnails:
    """Make thumbnails until `budget_bytes` are used; there is none for a photo that can't be read.

    `photo_of` returns the pixels of a photo by its path. The longer side of a thumbnail is `LARGE_PX`, so that it can
    be enlarged, and `side_px` from the point where half of the budget is used.
    """

    photo_of: PhotoOf
    side_px: int = _SIDE_PX
    budget_bytes: int = 4_400_000
    _made: dict[str, str | None] = field(default_factory=dict)
    _large_above: int = field(init=False)

    def __post_init__(self) -> None:
        """Reserve half of the budget for small thumbnails."""
        self._large_above = self.budget_bytes // 2

    def uri(self, path: str) -> str | None:
        """Return the thumbnail of the photo at `path`, or None if it can't be read or exceeds the remaining budget."""
        if path not in self._made:
            self._made[path] = self._make(path)
        made = self._made[path]
        if made is None or len(made) > self.budget_bytes:
            return None
        self.budget_bytes -= len(made)
        return made

    def _make(self, path: str) -> str | None:
        try:
            side_px = LARGE_PX if self.budget_bytes > self._large_above else self.side_px
            return jpeg_uri(self.photo_of(path), side_px=side_px)
        except (PetmoodError, OSError):
            return None


def folder_thumbnails(folder: Path, *, side_px: int = 120, budget_bytes: int = 5_600_000) -> Thumbnails:
    """Return the thumbnails of the photos in a folder, by their path relative to it."""
    return Thumbnails(
        lambda path: decode(folder / path, at_least_px=LARGE_PX).pixels, side_px=side_px, budget_bytes=budget_bytes
    )

"""JPEG thumbnails as data URIs for single-file reports, within a size budget."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.core.errors import PetmoodError

__all__ = ["PhotoOf", "Thumbnails", "jpeg_uri"]

PhotoOf = Callable[[str], NDArray[np.uint8]]

_SIDE_PX = 96
_QUALITY = 70


def jpeg_uri(photo: NDArray[np.uint8], *, side_px: int = _SIDE_PX) -> str:
    """Shrink an image (uint8 [H, W, 3] RGB or [H, W] gray) to fit a square and return it as a JPEG data URI."""
    picture = Image.fromarray(photo).convert("RGB")
    picture.thumbnail((side_px, side_px), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@dataclass(slots=True)
class Thumbnails:
    """Make thumbnails until `budget_bytes` are used; there is none for a photo that can't be read."""

    photo_of: PhotoOf
    budget_bytes: int = 2_200_000
    _made: dict[str, str | None] = field(default_factory=dict)

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
            return jpeg_uri(self.photo_of(path))
        except (PetmoodError, OSError):
            return None

"""How does a photo get into a page that is one file? As a small JPEG in text."""

import base64
import io
from pathlib import Path
from typing import Final

from PIL import Image

from petmood.core.errors import PhotoError
from petmood.core.photo import decode

__all__ = ["THUMB_PX", "jpeg_base64"]

THUMB_PX: Final = 120
"""The longer side of a thumbnail."""


def jpeg_base64(path: Path) -> str:
    """Return a small JPEG of a photo as base64; the empty text where the photo can't be read."""
    try:
        picture = Image.fromarray(decode(path, at_least_px=THUMB_PX).pixels)
    except (PhotoError, OSError):
        return ""
    picture.thumbnail((THUMB_PX, THUMB_PX))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=72)
    return base64.b64encode(buffer.getvalue()).decode()

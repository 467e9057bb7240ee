"""Base64 JPEG thumbnails of photos for self-contained HTML pages."""

import base64
import io
from pathlib import Path
from typing import Final

from PIL import Image

from petmood.core.errors import PhotoError
from petmood.core.photo import decode

__all__ = ["THUMB_PX", "jpeg_base64"]

THUMB_PX: Final = 120
"""Longer side of a thumbnail in pixels."""


def jpeg_base64(path: Path) -> str:
    """Return a thumbnail of a photo as a base64 JPEG; an empty string if the photo can't be read."""
    try:
        image = Image.fromarray(decode(path, at_least_px=THUMB_PX).pixels)
    except (PhotoError, OSError):
        return ""
    image.thumbnail((THUMB_PX, THUMB_PX))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=72)
    return base64.b64encode(buffer.getvalue()).decode()

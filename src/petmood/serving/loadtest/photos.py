"""Photos of a load test, from a folder or synthetic, encoded as multipart forms."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from petmood.core.photo_source import find_photos
from petmood.core.schemas import PHOTO_FIELD

__all__ = ["MOST", "Form", "form", "read", "synthetic_photos"]

SIDE_PX: Final = 224
MOST: Final = 64
"""Maximum number of photos read from a folder; they are kept in memory and sent repeatedly."""


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body and its content type with the boundary."""

    content_type: str
    body: bytes


def synthetic_photos(count: int = 4) -> list[bytes]:
    """Return different synthetic JPEGs of 224 px with noise, about as many bytes as a real photo of that size."""
    return [_drawn(np.random.default_rng(seed)) for seed in range(count)]


def read(folder: Path) -> list[bytes]:
    """Return the bytes of the first photos in a folder, without validation.

    Raises:
        DataError: the folder doesn't exist or contains no photo.
    """
    return [photo.read_bytes() for photo in find_photos([folder])[:MOST]]


def form(photo: bytes, *, field: str = PHOTO_FIELD) -> Form:
    """Encode a photo as a multipart form of one field."""
    number = 0
    while (boundary := f"petmood-{number}").encode() in photo:
        number += 1
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="photo"\r\n'
    body = (
        head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + photo + f"\r\n--{boundary}--\r\n".encode()
    )
    return Form(f"multipart/form-data; boundary={boundary}", body)


def _drawn(rng: np.random.Generator) -> bytes:
    total = np.full((SIDE_PX, SIDE_PX, 3), 127.5, np.float32)
    for cells, weight in ((4, 0.5), (16, 0.25), (56, 0.12)):
        clouds = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += weight * (np.asarray(clouds.resize((SIDE_PX, SIDE_PX)), np.float32) - 127.5)
    total += rng.normal(0, 3, (SIDE_PX, SIDE_PX, 1)).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(total, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()

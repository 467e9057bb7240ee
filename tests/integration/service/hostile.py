"""Hostile inputs: decompression bombs, malformed metadata, mutated files and smuggled requests."""

import io
import zlib
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support import images
from tests.support.images import jpeg_with_segment, png_with_chunk

DOCUMENTS: Final = {
    "SVG with a script": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(/etc/passwd) run showpage\n%%EOF\n",
    "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF",
}
FILE_NAMES: Final = {
    "traversal": "../../../../etc/passwd",
    "Windows traversal": "..\\\\..\\\\boot.ini",
    "NUL": "a.jpg%00.png\x00.exe",
    "4 kB": "a" * 4000 + ".jpg",
    "right-to-left override": "cat\u202egpj.exe",
    "emoji": "🐈\u200d⬛.jpg",
    "formula": "=cmd|'/c calc'!A1",
    "no UTF-8": "caf\udce9.jpg",
}
SMUGGLED: Final = {
    "length and chunked": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "negative length": b"Content-Length: -1\r\n\r\n",
    "signed length": b"Content-Length: +4\r\n\r\nabcd",
    "length of 23 digits": b"Content-Length: 99999999999999999999999\r\n\r\n",
    "chunked, then identity": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunk of 72 bits": b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
    "folded header": b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"X: a\nContent-Length: 0\n\n",
}
"""Header blocks after ``POST /predict HTTP/1.1`` on whose request end two chained servers may disagree."""
METADATA: Final[dict[str, Callable[[bytes, bytes], bytes]]] = {
    "80 MB of text, compressed": lambda png, _: png_with_chunk(png, b"zTXt", b"Comment\0\0" + _zeros()),
    "80 MB of international text": lambda png, _: png_with_chunk(png, b"iTXt", b"Comment\0\1\0\0\0" + _zeros()),
    "80 MB of ICC profile": lambda png, _: png_with_chunk(png, b"iCCP", b"x\0\0" + _zeros()),
    "20 MB of EXIF, PNG": lambda png, _: png_with_chunk(png, b"eXIf", b"II*\0\x08\0\0\0" + bytes(20_000_000)),
    "20 MB of EXIF, JPEG": lambda _, jpeg: jpeg_with_segment(jpeg, 0xE1, (b"Exif\0\0MM\0*" + bytes(65_523)) * 306),
    "rubbish ICC profile, JPEG": lambda _, jpeg: jpeg_with_segment(jpeg, 0xE2, b"ICC_PROFILE\0\x01\x01rubbish"),
    "rubbish ICC profile, PNG": lambda png, _: png_with_chunk(png, b"iCCP", b"x\0\0rubbish"),
}
"""Builders of photos with hostile metadata from a valid PNG and a valid JPEG."""
MUTATED: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "HEIF")


def scan_bomb(side_px: int = 2000, *, scans: int = 60_000) -> bytes:
    """Build a progressive JPEG whose last scan is repeated: a megabyte that takes a decoder minutes."""
    buffer = io.BytesIO()
    Image.new("L", (side_px, side_px), 100).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def metadata_bomb(name: str) -> bytes:
    """Build a photo with oversized or malformed metadata."""
    pixels = images.corners()
    png, jpeg = images.png(pixels), images.jpeg(pixels)
    return METADATA[name](png, jpeg)


def smooth_jpeg(width: int, height: int) -> bytes:
    """Encode a large smooth image that is fast to create."""
    small = Image.fromarray(images.photo_like(64, 48)).resize((width, height))
    return images.jpeg(small)


def mutated(originals: list[bytes], rng: np.random.Generator) -> bytes:
    """Mutate a file: change bytes, truncate it, repeat a chunk, or splice two files."""
    data = np.frombuffer(originals[rng.integers(len(originals))], np.uint8).copy()
    kind = rng.integers(5)
    start, end = np.sort(rng.integers(0, len(data), 2))
    if kind == 0:
        return _flipped(data, rng, within=len(data)).tobytes()
    if kind == 1:
        return _flipped(data, rng, within=min(200, len(data))).tobytes()
    if kind == 2:
        return data[: max(1, end)].tobytes()
    if kind == 3:
        return np.concatenate([data[:end], data[start:end], data[end:]]).tobytes()
    other = np.frombuffer(originals[rng.integers(len(originals))], np.uint8)
    return np.concatenate([data[:start], other[start:]]).tobytes() or b"\0"


def _flipped(data: NDArray[np.uint8], rng: np.random.Generator, *, within: int) -> NDArray[np.uint8]:
    places = rng.integers(0, within, rng.integers(1, 12))
    data[places] = rng.integers(0, 256, len(places), dtype=np.uint8)
    return data


def _zeros() -> bytes:
    return zlib.compress(bytes(80_000_000), 1)

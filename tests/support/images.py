"""Generated test images as file bytes, including the hostile ones of the fault list.

Images are uint8 [H, W, 3]; every function returns the bytes of a complete file unless its name says otherwise.
"""

import io
import struct
import zipfile
import zlib
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

CORNERS: Final = ((200, 40, 40), (40, 180, 60), (50, 60, 210), (230, 210, 70))
"""The colors of ``corners``: upper left, upper right, lower left, lower right."""


def photo_like(width: int, height: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Draw soft colored clouds with detail at every scale and a little grain, as photos have."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    cells, weight = 3, 1.0
    while cells < max(width, height):
        small = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        layer = small.resize((width, height), Image.Resampling.BICUBIC)
        total += weight * (np.asarray(layer, np.float32) - 127.5)
        cells, weight = cells * 2, weight * 0.62
    total += rng.normal(0, 2, (height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(total * 0.7 + 127.5, 0, 255), np.uint8)


def captioned(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cover the lowest quarter with a white bar and two lines of text."""
    out = photo.copy()
    out[168:] = 255
    for row, line in enumerate(("when you forgot", "to buy the treats")):
        cv2.putText(out, line, (6, 190 + 24 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.75, (0, 0, 0), 2, cv2.LINE_AA)
    return out


def corners(width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """Draw four quarters in four colors, so that every turn and flip can be told apart."""
    pixels = np.zeros((height, width, 3), np.uint8)
    halves = (slice(0, height // 2), slice(height // 2, None)), (slice(0, width // 2), slice(width // 2, None))
    for number, colour in enumerate(CORNERS):
        pixels[halves[0][number // 2], halves[1][number % 2]] = colour
    return pixels


def faces(count: int, *, side_px: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    """Draw ``count`` different little pictures, uint8 [count, side, side, 3]."""
    return np.stack([photo_like(side_px, side_px, seed=seed + number) for number in range(count)])


def encode(image: NDArray[np.uint8] | Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """Encode pixels or a Pillow image in any format that Pillow writes."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(image: NDArray[np.uint8] | Image.Image, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """Encode a PNG."""
    return encode(image, "PNG", **options)


def jpeg(image: NDArray[np.uint8] | Image.Image, *, quality: int = 92, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """Encode a JPEG."""
    return encode(image, "JPEG", quality=quality, **options)


def exif(orientation: int) -> bytes:
    """Return an EXIF block that holds an orientation alone."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Store upright pixels as a camera with this EXIF orientation would: a viewer that obeys it sees them upright.

    Written from the EXIF 2.32 table with numpy alone, so that it shares nothing with the code under test.
    """
    swapped = pixels.transpose(1, 0, 2)
    stored = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: swapped,
        6: swapped[::-1],
        7: swapped[::-1, ::-1],
        8: swapped[:, ::-1],
    }
    return np.ascontiguousarray(stored[orientation])


def chunk(kind: bytes, data: bytes) -> bytes:
    """Build one PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """Put a chunk behind the header of a PNG."""
    header_end = 8 + 25
    return data[:header_end] + chunk(kind, content) + data[header_end:]


@cache
def zeros_png(width: int, height: int, *, colours: int = 3) -> bytes:
    """Build a whole, valid, black PNG of any size at once: half a megabyte for 13000x13000.

    The deflate stream repeats one flushed block, and the checksum of zeros is known without making them.
    """
    size = height * (1 + width * colours)
    block = 1 << 20
    flushing = zlib.compressobj(9)
    head = flushing.compress(b"") + flushing.flush(zlib.Z_FULL_FLUSH)
    repeated = flushing.compress(bytes(block)) + flushing.flush(zlib.Z_FULL_FLUSH)
    tail = flushing.compress(bytes(size % block)) + flushing.flush(zlib.Z_FULL_FLUSH)
    final = b"\x01\x00\x00\xff\xff"
    adler = struct.pack(">I", ((size % 65521) << 16) | 1)
    stream = head + repeated * (size // block) + tail + final + adler
    ihdr = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[colours], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def sixteen_bit_png(grey: NDArray[np.uint16]) -> bytes:
    """Encode gray values uint16 [H, W] as a 16-bit PNG."""
    return png(Image.fromarray(grey))


def animated(kind: str, *, frames: int = 300, side_px: int = 24) -> bytes:
    """Build a GIF or WebP whose first frame is red and whose others differ from it and from one another."""
    first = Image.new("RGB", (side_px, side_px), (220, 30, 30))
    rest = [Image.new("RGB", (side_px, side_px), (number % 256, 90, 255 - number % 256)) for number in range(1, frames)]
    return encode(first, kind, save_all=True, append_images=rest, duration=20, loop=0, lossless=True)


def apng(*, frames: int = 300, side_px: int = 24) -> bytes:
    """Build an animated PNG whose first frame is red."""
    first = Image.new("RGB", (side_px, side_px), (220, 30, 30))
    rest = [Image.new("RGB", (side_px, side_px), (number % 256, 90, 255 - number % 256)) for number in range(1, frames)]
    return encode(first, "PNG", save_all=True, append_images=rest, duration=20, loop=0)


def cmyk_jpeg(pixels: NDArray[np.uint8], *, adobe: bool) -> bytes:
    """Encode the CMYK twin of RGB pixels, with the APP14 "Adobe" marker or with that segment cut out."""
    data = encode(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=95, subsampling=0)
    return data if adobe else without_segment(data, 0xEE)


def without_segment(data: bytes, marker: int) -> bytes:
    """Cut every segment with this marker byte out of a JPEG's header."""
    out, position = bytearray(data[:2]), 2
    while data[position + 1] != 0xDA:
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if data[position + 1] != marker:
            out += data[position : position + length]
        position += length
    return bytes(out + data[position:])


def jpeg_with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """Put as many segments of one kind behind a JPEG's start as its content needs (64 kB each)."""
    pieces = [content[start : start + 65_533] for start in range(0, len(content), 65_533)]
    segments = b"".join(bytes((0xFF, marker)) + struct.pack(">H", len(piece) + 2) + piece for piece in pieces)
    return data[:2] + segments + data[2:]


def polyglot(pixels: NDArray[np.uint8]) -> bytes:
    """Build a JPEG that is an HTML page with a script and a ZIP archive as well."""
    page = b"<html><script>alert('meow')</script></html>"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("run.sh", "echo meow")
    return jpeg_with_segment(jpeg(pixels), 0xFE, page) + page + buffer.getvalue()

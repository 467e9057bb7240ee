"""Hostile photos, generated here: extremely fragmented files, and mutations of every format."""

import random
import struct
from typing import Final

import numpy as np
from PIL import Image

from tests.support import images

COUNTLESS: Final = ("JPEG comments", "JPEG EXIF", "PNG texts", "PNG data", "GIF comments", "BMP runs")
"""What ``of_countless_pieces`` builds."""


def of_countless_pieces(name: str) -> bytes:
    """Build a picture of nearly 30 MB whose header or body is made of millions of pieces of a few bytes."""
    pixels = images.corners()
    jpeg, png, gif = images.jpeg(pixels), images.png(pixels), images.encode(pixels, "GIF")
    comments = 13 + 3 * 2 ** ((gif[10] & 7) + 1)
    bitmap = struct.pack("<IHHI", 0, 0, 0, 1078) + struct.pack("<IiiHHIIiiII", 40, 5000, 2800, 1, 8, 1, 0, 0, 0, 256, 0)
    built = {
        "JPEG comments": lambda: jpeg[:2] + b"\xff\xfe\0\x03x" * 5_800_000 + jpeg[2:],
        "JPEG EXIF": lambda: jpeg[:2] + b"\xff\xe1\0\x08Exif\0\0" * 2_900_000 + jpeg[2:],
        "PNG texts": lambda: png[:33] + images.chunk(b"tEXt", b"a\0b") * 1_900_000 + png[33:],
        "PNG data": lambda: png[:33] + images.chunk(b"IDAT", b"") * 2_300_000 + png[33:],
        "GIF comments": lambda: gif[:comments] + b"!\xfe" + b"\x01c" * 14_000_000 + b"\0" + gif[comments:],
        "BMP runs": lambda: b"BM" + bitmap + bytes(1024) + b"\x01\x05" * 14_000_000,
    }
    return built[name]()


def seeds_of_mutations() -> list[bytes]:
    """Return small whole pictures of every format and of the odd modes."""
    pixels = images.photo_like(40, 32)
    rgba = Image.fromarray(pixels).convert("RGBA")
    rgba.putalpha(128)
    return [
        images.jpeg(pixels, exif=images.exif(6)),
        images.jpeg(pixels, progressive=True),
        images.cmyk_jpeg(pixels, adobe=True),
        images.png(pixels),
        images.png(rgba, exif=images.exif(3)),
        images.png(Image.fromarray(pixels).convert("P")),
        images.sixteen_bit_png(pixels[..., 0].astype(np.uint16) * 257),
        images.apng(frames=3),
        images.animated("GIF", frames=3),
        images.animated("WEBP", frames=3),
        images.encode(pixels, "WEBP"),
        images.encode(pixels, "BMP"),
        images.encode(pixels, "AVIF"),
    ]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change, cut, double or splice bytes, near the header as often as anywhere."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 40))):
        place = chance.randrange(chance.choice((min(64, len(changed)), len(changed))) or 1)
        action = chance.randrange(5)
        if action < 2 and changed:
            changed[min(place, len(changed) - 1)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif action == 2:
            del changed[place : place + chance.choice((1, 4, 100, len(changed)))]
        elif action == 3:
            changed[place:place] = changed[place : place + chance.randrange(1, 200)]
        else:
            changed[place:place] = chance.randbytes(chance.randrange(1, 20))
    return bytes(changed)

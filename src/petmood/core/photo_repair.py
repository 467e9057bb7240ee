"""Photos that lack nothing but an end marker (JPEG) or a valid checksum of metadata (PNG), which viewers show whole.

A JPEG is accepted only if every scan was decoded from its own bytes: Pillow fills what is missing with gray and doesn't
say so. So other bytes are put behind the file, and the pixels must not depend on them.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

from PIL import Image

__all__ = ["Repair", "may_be_whole", "repaired"]

JPEG: Final = b"\xff\xd8"
PNG: Final = b"\x89PNG\r\n\x1a\n"
END: Final = b"\xff\xd9"
FILLERS: Final = 64
"""Number of random continuations put behind a JPEG without an end marker; their first six bits are all that there are.
Measured: of the continuations of a scan that lacks its last byte, 72% decode to the same pixels."""
FILLERS_OF_LARGE: Final = 4
SMALL_PIXELS: Final = 250_000
SMALL_BYTES: Final = 1_000_000
"""A file of few pixels and more bytes is mostly metadata; each continuation is a copy of it."""
FILLER_BYTES: Final = 2048
"""More than one block group can take, so that blocks outside of the image don't use it up."""
RESTARTS: Final = tuple(bytes([0xFF, code]) for code in range(0xD0, 0xD8))
LAST_BYTES: Final = 16
"""The image must end within these bytes. Otherwise the file was cut earlier and has foreign bytes behind it."""
MARKER: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""End of a scan: any marker but a restart marker. FF 00 is a data byte. Fill bytes (FF) may stand before a marker; a
pattern with all of them takes time quadratic in their number."""
MAX_FILL: Final = 64
"""Fill bytes before a segment. Pillow reads them one by one at every decoding, so a file of more is not repaired."""
FRAMES: Final = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
SCAN: Final = 0xDA
COEFFICIENTS: Final = 64
MAX_PARTS: Final = 20_000
"""A file of more segments or chunks is not repaired. A PNG of 30 MB has 3,700 chunks of Pillow's or libpng's size."""
CRITICAL_CHUNKS: Final = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})
"""Ancillary chunks of a PNG that decide about its pixels; viewers drop them, petmood refuses the file."""
ORIENTATION_UPRIGHT: Final = 1
EXIF_ORIENTATION: Final = 0x0112

Repair = tuple[bytes, str]
"""The bytes to decode instead, and the warning for the user."""


def may_be_whole(data: bytes) -> bool:
    """Return False for a JPEG without an end marker and a PNG with a wrong checksum, which Pillow may decode as it is.

    Pillow decodes half a JPEG with foreign bytes behind it, and doesn't check the pixels' checksum of a PNG.
    """
    if data.startswith(JPEG):
        scans = (start for marker, _, start in _segments(data) if marker == SCAN)
        return data.endswith(END) or data.find(END, next(scans, 0)) >= 0
    return not data.startswith(PNG) or all(right for *_, right in _chunks(data))


def repaired(
    data: bytes, *, digest_of: Callable[[bytes], bytes], sketch_of: Callable[[bytes], bytes] | None = None
) -> Repair | None:
    """Return a complete version of a photo that can't be decoded as it is; None if pixels are missing.

    ``digest_of`` decodes a photo and returns a hash of its pixels; any exception that it raises means that it can't be
    decoded. ``sketch_of`` does the same at a small scale: a file that was cut in the middle is refused by it, without
    the memory of its pixels.
    """
    if data.startswith(JPEG):
        return _with_end(data, digest_of, sketch_of or digest_of)
    if data.startswith(PNG):
        return _without_damaged_metadata(data)
    return None


def _with_end(data: bytes, digest_of: Callable[[bytes], bytes], sketch_of: Callable[[bytes], bytes]) -> Repair | None:
    body = _without_padding(data)
    pixels = _scanned_pixels(body)
    if not pixels or len({_digest(one, sketch_of) for one in _continued(body, 2)}) > 1:
        return None
    whole = _digest(body + END, digest_of)
    count = FILLERS if pixels <= SMALL_PIXELS and len(body) <= SMALL_BYTES else FILLERS_OF_LARGE
    if whole is None or any(_digest(one, digest_of) != whole for one in _continued(body, count)):
        return None
    if all(_digest(one, digest_of) == whole for one in _continued(body[:-LAST_BYTES], count)):
        return None
    return body + END, "The file lacks its end marker; the image is complete."


def _continued(body: bytes, count: int) -> Iterator[bytes]:
    """Yield the data with random bytes behind; those after the next restart marker are for intervals that lack."""
    following = _next_restart(body)
    for number in range(count):
        first = int(f"{number:06b}"[::-1], 2) << 2  # by its leading bits, so that the first four have all pairs
        filler = bytes([first]) + hashlib.shake_128(bytes([number])).digest(FILLER_BYTES).replace(b"\xff", b"\xfe")
        yield b"".join((body, filler, b"\xff", following, filler, END))


def _next_restart(body: bytes) -> bytes:
    """Return the code of the restart marker after the last one in the last scan; found from the end, in C code."""
    scan = max(body.rfind(b"\xff\xda"), 0)
    last = max((body.rfind(marker, scan), marker[1] + 1) for marker in RESTARTS)
    return bytes([RESTARTS[0][1] + last[1] % 8]) if last[0] >= 0 else RESTARTS[0][1:]


def _without_padding(data: bytes) -> bytes:
    """Return the data without zeros that fill up its end, and without the first byte of a marker."""
    body = data.rstrip(b"\0") if data.endswith(b"\0\0") else data
    if body.endswith(b"\xff") and len(body) < len(data):
        return body + b"\0"  # FF 00 is a data byte
    return body.rstrip(b"\xff")


def _digest(data: bytes, digest_of: Callable[[bytes], bytes]) -> bytes | None:
    try:
        return digest_of(data)
    except Exception:  # noqa: BLE001 - a decoder may raise anything on bytes that were put together
        return None


def _scanned_pixels(data: bytes) -> int:
    """Return the pixels of a JPEG whose scans give every bit of every coefficient (T.81, annex G), else 0."""
    missing: dict[int, list[bool]] = {}
    pixels = 0
    for marker, content, _ in _segments(data):
        if marker in FRAMES and len(content) >= 6:
            missing = {number: [True] * COEFFICIENTS for number in content[6 : 6 + 3 * content[5] : 3]}
            pixels = int.from_bytes(content[1:3]) * int.from_bytes(content[3:5])
        if marker != SCAN or not content or len(content) < 4 + 2 * content[0]:
            continue
        first, last, bits = content[-3:]
        for number in content[1 : 1 + 2 * content[0] : 2]:
            for place in range(first, min(last, COEFFICIENTS - 1) + 1):
                if number in missing:
                    missing[number][place] = bits & 0x0F > 0
    return 0 if any(any(one) for one in missing.values()) else pixels


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, content and end of each segment of a JPEG up to the end marker; data of scans are passed over."""
    at, follows_scan = 2, False
    for _ in range(MAX_PARTS):
        found = MARKER.search(data, at)
        if found is None or (found.start() - at > MAX_FILL and not follows_scan):
            return
        at, follows_scan = found.end(), found[1][0] == SCAN
        if found[1] == END[1:]:
            return
        (length,) = struct.unpack(">H", data[at : at + 2].rjust(2, b"\0"))
        if length < 2 or at + length > len(data):
            return
        yield found[1][0], data[at + 2 : at + length], at + length
        at += length


def _without_damaged_metadata(data: bytes) -> Repair | None:
    """Drop ancillary chunks of a PNG with a wrong checksum, as libpng does; critical chunks must be right."""
    kept, end = [PNG], len(PNG)
    dropped: list[bytes] = []
    for name, start, end, right in _chunks(data):
        if not right and not _is_metadata(name, data[start + 8 : end - 4]):
            return None
        (kept if right else dropped).append(data[start:end])
    if not dropped:
        return None
    names = ", ".join(sorted({chunk[4:8].decode("ascii") for chunk in dropped}))
    return b"".join([*kept, data[end:]]), f"The file's metadata are damaged ({names}) and were ignored."


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int, bool]]:
    """Yield name, start and end of each complete chunk of a PNG, and whether its checksum is right."""
    start = len(PNG)
    for _ in range(MAX_PARTS):
        end = start + 12 + int.from_bytes(data[start : start + 4])
        if end > len(data) or start + 12 > len(data):
            return
        name = data[start + 4 : start + 8]
        yield name, start, end, zlib.crc32(memoryview(data)[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end])
        if name == b"IEND":
            return
        start = end


def _is_metadata(name: bytes, content: bytes) -> bool:
    if not (name.isalpha() and name[0:1].islower()) or name in CRITICAL_CHUNKS:
        return False
    if name != b"eXIf":
        return True
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + content)
        return bool(exif.get(EXIF_ORIENTATION, ORIENTATION_UPRIGHT) == ORIENTATION_UPRIGHT)
    except Exception:  # noqa: BLE001 - no orientation can be read, so none is lost
        return True

"""Tests of photos that lack only an end marker or a valid checksum: decoded with a warning, as the intact file."""

import hashlib
import random
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from petmood.core import photo as photo_module
from petmood.core.errors import CorruptImage, PhotoError
from petmood.core.image import ImageSpec, load
from petmood.core.photo import decode
from petmood.core.photo_repair import may_be_whole, repaired
from tests.support import images

NO_END = ("The file lacks its end marker; the image is complete.",)
WAYS: dict[str, dict[str, Any]] = {
    "baseline": {"quality": 85},
    "full color": {"quality": 100, "subsampling": 0},
    "optimized": {"quality": 60, "optimize": True},
    "progressive": {"quality": 85, "progressive": True},
    "progressive, full color": {"quality": 97, "progressive": True, "subsampling": 0},
    "restart intervals": {"quality": 75, "restart_marker_blocks": 2},
    "progressive, restart intervals": {"quality": 75, "progressive": True, "restart_marker_blocks": 1},
}


def jpeg_of(way: str, *, width: int = 41, height: int = 35, seed: int = 0) -> bytes:
    """Encode a small picture whose sides are no multiples of a block."""
    return images.jpeg(images.photo_like(width, height, seed=seed), **WAYS[way])


# --- JPEG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "end",
    [b"", b"\xff", b"\xff\xff", b"\0\0\0\0", bytes(5000), b"\xff" + bytes(4096)],
    ids=lambda end: f"{len(end)}-{end[:2].hex()}",
)
@pytest.mark.parametrize("at_least_px", [None, 16])
def test_a_jpeg_that_lacks_only_its_end_marker_is_decoded_with_a_warning(
    way: str, end: bytes, at_least_px: int | None
) -> None:
    data = jpeg_of(way)
    assert data.endswith(b"\xff\xd9")
    photo = decode(data[:-2] + end, at_least_px=at_least_px)
    assert np.array_equal(photo.pixels, decode(data, at_least_px=at_least_px).pixels)
    assert (photo.warnings, photo.repaired) == (NO_END, True)


@pytest.mark.parametrize("way", WAYS)
def test_a_jpeg_cut_anywhere_is_refused_or_decoded_to_the_pixels_of_the_whole(way: str) -> None:
    data = jpeg_of(way)
    whole = decode(data).pixels
    decoded = []
    for length in range(2, len(data) - 1):
        try:
            photo = decode(data[:length])
        except PhotoError:
            continue
        decoded.append(len(data) - length)
        assert photo.warnings == NO_END
        assert np.array_equal(photo.pixels, whole), f"{len(data) - length} bytes were cut off"
    assert 2 in decoded
    assert max(decoded) <= 16, "a file that was cut in the middle was decoded"


def test_the_last_bytes_of_many_jpegs_are_cut_off_and_no_other_pixels_come_out() -> None:
    chance = random.Random(11)
    for seed in range(60):
        way = chance.choice([*WAYS])
        data = jpeg_of(way, width=chance.randint(16, 48), height=chance.randint(16, 48), seed=seed)
        whole = decode(data).pixels
        for cut in range(2, 12):
            try:
                photo = decode(data[:-cut])
            except PhotoError:
                continue
            assert np.array_equal(photo.pixels, whole), (way, seed, cut)


@pytest.mark.parametrize("scans", range(1, 10))
def test_a_progressive_jpeg_cut_between_two_scans_is_refused(scans: int) -> None:
    data = jpeg_of("progressive")
    starts = [place for place in range(len(data) - 1) if data[place : place + 2] == b"\xff\xda"]
    assert len(starts) == 10
    with pytest.raises(CorruptImage):
        decode(data[: starts[scans]])


@pytest.mark.parametrize("at_least_px", [None, 16])
def test_foreign_bytes_in_place_of_the_second_half_are_refused(at_least_px: int | None) -> None:
    data = images.jpeg(images.photo_like(64, 48))
    for foreign in (
        bytes(len(data)),
        b"<p>not found</p>\n" * 999,
        random.Random(1).randbytes(9999).replace(b"\xff", b""),
    ):
        with pytest.raises(CorruptImage):
            decode(data[: len(data) // 2] + foreign, at_least_px=at_least_px)


@pytest.mark.parametrize(
    "junk", [b"\r\n", b"\0" * 9, b"\xff" * 7, b"\xff\xff\xff", b"a trailer of some tool" * 20], ids=repr
)
def test_bytes_before_and_behind_the_end_marker_change_nothing(junk: bytes) -> None:
    data = jpeg_of("baseline")
    whole = decode(data).pixels
    for odd in (data + junk, data[:-2] + junk + data[-2:]):
        photo = decode(odd)
        assert np.array_equal(photo.pixels, whole)
        assert photo.warnings == ()


def test_a_prediction_s_input_has_the_warning_and_the_same_pixels() -> None:
    data = images.jpeg(images.photo_like(640, 480))
    intact, cut = load(data, ImageSpec()), load(data[:-2], ImageSpec())
    assert np.array_equal(cut.pixels, intact.pixels)
    assert (cut.warnings, intact.warnings) == (NO_END, ())


def test_a_large_progressive_jpeg_without_an_end_is_refused_rather_than_decoded_many_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = jpeg_of("progressive")
    monkeypatch.setattr(photo_module, "LARGE_PIXELS", 100)
    with pytest.raises(CorruptImage):
        decode(data[:-2], at_least_px=16)
    assert decode(jpeg_of("baseline")[:-2], at_least_px=16).repaired


def test_countless_segments_are_not_walked() -> None:
    segments = b"\xff\xe0\x00\x02" * 1_000_000

    def never(data: bytes) -> bytes:
        raise AssertionError(f"{len(data)} bytes were decoded")

    assert repaired(b"\xff\xd8" + segments + jpeg_of("baseline")[2:-2], digest_of=never) is None


def with_bytes(where: str, added: bytes) -> bytes:
    """Return a JPEG without its end marker, with other bytes behind its first marker or at its end."""
    data = jpeg_of("baseline")[:-2]
    return data[:2] + added + data[2:] if where == "header" else data + added


@pytest.mark.parametrize("where", ["header", "end"])
@pytest.mark.parametrize("added", [b"\xff" * 200_000 + b"\0", b"\xff\xd0" * 200_000], ids=["fill", "restarts"])
def test_countless_fill_bytes_and_restart_markers_take_little_time(where: str, added: bytes) -> None:
    """In quadratic time 80,000 fill bytes took 55 s; 200,000 restart markers took 2 s, a service's limit 120 s."""
    data = with_bytes(where, added)
    began = time.process_time()
    repaired(data, digest_of=lambda content: hashlib.sha256(content[:100]).digest())
    may_be_whole(data + b"\0")
    assert time.process_time() - began < 1.5


def test_a_few_fill_bytes_before_a_marker_are_no_damage() -> None:
    assert decode(with_bytes("header", b"\xff" * 20)).repaired


# --- PNG --------------------------------------------------------------------------------------------------------------


def chunk(name: bytes, content: bytes, *, wrong: bool = False) -> bytes:
    """Return a PNG chunk, with a wrong checksum if asked for."""
    checksum = zlib.crc32(name + content) ^ (0xFF if wrong else 0)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def with_chunk(data: bytes, added: bytes) -> bytes:
    """Put a chunk behind a PNG's header."""
    return data[:33] + added + data[33:]


@pytest.mark.parametrize(
    "name", [b"tEXt", b"pHYs", b"tIME", b"gAMA", b"iCCP", b"zTXt", b"iTXt", b"sRGB", b"bKGD", b"prVt"]
)
def test_a_png_with_a_wrong_checksum_of_metadata_is_decoded_with_a_warning(name: bytes) -> None:
    pixels = images.photo_like(40, 30)
    photo = decode(with_chunk(images.png(pixels), chunk(name, b"x\0\0\0\0\0\0\0\0", wrong=True)))
    assert np.array_equal(photo.pixels, pixels)
    assert photo.warnings == (f"The file's metadata are damaged ({name.decode()}) and were ignored.",)
    assert photo.repaired


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"IDAT", b"tRNS"])
def test_a_png_with_a_wrong_checksum_of_what_decides_about_pixels_is_refused(name: bytes) -> None:
    image = Image.fromarray(images.photo_like(40, 30)).convert("P")
    data = bytearray(images.png(image, transparency=3))
    assert decode(bytes(data)).mode == "P"
    at = data.index(name)
    (length,) = struct.unpack(">I", data[at - 4 : at])
    data[at + 4 + length] ^= 1
    with pytest.raises(CorruptImage):
        decode(bytes(data))


@pytest.mark.parametrize(("orientation", "decoded"), [(1, True), (6, False)])
def test_damaged_exif_data_are_ignored_only_if_they_don_t_turn_the_photo(orientation: int, *, decoded: bool) -> None:
    pixels = images.corners()
    exif = images.exif(orientation).removeprefix(b"Exif\0\0")
    data = with_chunk(images.png(pixels), chunk(b"eXIf", exif, wrong=True))
    if decoded:
        assert np.array_equal(decode(data).pixels, pixels)
    else:
        with pytest.raises(CorruptImage):
            decode(data)


def test_a_png_that_is_cut_and_has_damaged_metadata_is_refused() -> None:
    data = with_chunk(images.png(images.photo_like(40, 30)), chunk(b"tEXt", b"a\0b", wrong=True))
    with pytest.raises(CorruptImage):
        decode(data[: len(data) // 2])


def test_another_format_is_not_repaired() -> None:
    data = images.encode(images.photo_like(40, 30), "WEBP")
    assert repaired(data[:-20], digest_of=lambda _: b"") is None

"""Tests of photos that lack only an end marker or a valid checksum: decoded with a warning, as the intact file."""

import hashlib
import random
import struct
import time
import zlib
from typing import Any, Final

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


# --- segments that are built by hand ----------------------------------------------------------------------------------


def segment(code: int, content: bytes, *, length: int | None = None) -> bytes:
    """Return a segment of a JPEG, with another length than its own if asked for."""
    return b"\xff" + bytes([code]) + struct.pack(">H", 2 + len(content) if length is None else length) + content


def frame(*numbers: int, width: int = 40, height: int = 30, spare: bytes = b"") -> bytes:
    """Return the start of a frame with these components."""
    components = b"".join(bytes([number, 0x11, 0]) for number in numbers)
    return segment(0xC0, struct.pack(">BHHB", 8, height, width, len(numbers)) + components + spare)


def scan_content(*numbers: int, first: int = 0, last: int = 63, bits: int = 0) -> bytes:
    """Return the header of a scan of these components and coefficients; 0x11 are their tables."""
    return bytes([len(numbers), *(byte for number in numbers for byte in (number, 0x11)), first, last, bits])


def scan(*numbers: int, first: int = 0, last: int = 63, bits: int = 0, data: bytes = b"data") -> bytes:
    """Return a scan and its data."""
    return segment(0xDA, scan_content(*numbers, first=first, last=last, bits=bits)) + data


def is_whole(*parts: bytes) -> bool:
    """Return whether a JPEG of these parts is taken for one that lacks its end alone: its pixels are all there."""
    data = b"\xff\xd8" + b"".join(parts)
    return repaired(data, digest_of=lambda one: b"whole" if one.startswith(data) else b"others") is not None


APP: Final = segment(0xE1, b"1234567890")


@pytest.mark.parametrize(
    "parts",
    [
        (frame(1), scan(1)),
        (frame(1), scan(1, data=b"")),
        (frame(7, 8, 9), scan(7, 8, 9)),
        (frame(7, 8, 9), scan(7), scan(8), scan(9)),
        (frame(7, 8, 9), scan(7, 8, 9, last=0), scan(7, first=1), scan(8, first=1), scan(9, first=1)),
        (frame(1), scan(1, last=255)),
        (frame(1), scan(1, bits=0x10)),
        (frame(1), scan(1, bits=0x01), scan(1, bits=0x10)),
        (frame(1), scan(1, 9)),
        (frame(1, spare=b"spare"), scan(1)),
        (frame(7, 8, 9, spare=b"spare"), scan(7, 8, 9)),
        (frame(), scan(1)),
        (frame(1), APP, scan(1)),
        (APP, segment(0xFE, b""), frame(1), scan(1)),
        (segment(0xE1, b"x" * 40_000), frame(1), scan(1)),
        (b"x" * 64, frame(1), scan(1)),
        (frame(7, 8), scan(7, data=b"x" * 900), scan(8)),
        (segment(0xC4, b"tables of a code"), frame(1), scan(1)),
    ],
    ids=range(18),
)
def test_a_jpeg_whose_scans_give_every_bit_of_every_coefficient_is_whole(parts: tuple[bytes, ...]) -> None:
    assert is_whole(*parts)


@pytest.mark.parametrize(
    "parts",
    [
        (scan(1),),
        (frame(1),),
        (frame(1), segment(0xE1, scan_content(1))),
        (frame(1, 2), scan(1)),
        (frame(1, 0), scan(1)),
        (frame(5, 0), scan(5)),
        (frame(1), scan(1, last=62)),
        (frame(1), scan(1, last=0)),
        (frame(1), scan(1, first=1)),
        (frame(1), scan(1, bits=0x01)),
        (frame(1), scan(1, bits=0x13)),
        (frame(1), scan(1), frame(1)),
        (frame(1), segment(0xDA, b"")),
        (frame(1), segment(0xDA, bytes([1, 1, 0, 63, 0]))),
        (frame(1, 2), segment(0xDA, bytes([2, 1, 0x11, 2, 0, 63, 0]))),
        (segment(0xC0, b"\x08\0\x1e\0\x28"), scan(1)),
        (frame(1), segment(0xDA, scan_content(1), length=9)),
        (segment(0xE1, b"", length=1), frame(1), scan(1)),
        (segment(0xE1, b"", length=0), frame(1), scan(1)),
        (b"x" * 65, frame(1), scan(1)),
        (frame(1), scan(1, last=0), b"\xff\xd9\0\2", scan(1, first=1)),
    ],
    ids=range(21),
)
def test_a_jpeg_without_a_bit_of_a_coefficient_or_a_frame_is_not_whole(parts: tuple[bytes, ...]) -> None:
    assert not is_whole(*parts)


def decoded_by(data: bytes, *, width: int = 40, height: int = 30) -> list[bytes]:
    """Return the files whose pixels are compared with those of a JPEG that is whole but for its end."""
    body, seen = b"\xff\xd8" + frame(1, width=width, height=height) + scan(1, data=data), list[bytes]()

    def digest_of(one: bytes) -> bytes:
        seen.append(one)
        return b"whole" if one.startswith(body) else b"others"

    found = repaired(body, digest_of=digest_of, sketch_of=lambda _: b"sketch")
    assert found == (body + b"\xff\xd9", "The file lacks its end marker; the image is complete.")
    return seen


@pytest.mark.parametrize(
    ("restarts", "code"),
    [
        (b"", 0xD0),
        (b"\xff\xd0", 0xD1),
        (b"\xff\xd0 \xff\xd1 ", 0xD2),
        (b"\xff\xd6", 0xD7),
        (b"\xff\xd7", 0xD0),
        (b"".join(bytes([0xFF, 0xD0 + number % 8]) for number in range(9)), 0xD1),
        (b"\xff\xd4 " + scan(1), 0xD0),
        (b"\xff\xd4 " + scan(1, data=b"\xff\xd0"), 0xD1),
    ],
)
def test_a_jpeg_without_an_end_is_continued_by_all_leading_bits_and_its_next_restart_marker(
    restarts: bytes, code: int
) -> None:
    whole, *continued, cut = decoded_by(restarts + b"end")
    body = whole.removesuffix(b"\xff\xd9")
    fillers = [one[len(body) : len(body) + 2049] for one in continued]
    for one, filler in zip(continued, fillers, strict=True):
        assert one == body + filler + b"\xff" + bytes([code]) + filler + b"\xff\xd9"
        assert b"\xff" not in filler
    assert [filler[0] for filler in fillers[:4]] == [0b00000000, 0b10000000, 0b01000000, 0b11000000]
    assert sorted(filler[0] for filler in fillers) == list(range(0, 256, 4))
    assert len({filler[1:] for filler in fillers}) == 64
    assert cut.startswith(body[:-16] + fillers[0])


@pytest.mark.parametrize(
    ("width", "height", "size", "continuations"),
    [(500, 500, 1000, 64), (501, 500, 1000, 4), (500, 501, 1000, 4), (500, 500, 1_000_000, 64), (16, 16, 1_000_001, 4)],
)
def test_a_large_jpeg_without_an_end_is_decoded_fewer_times(
    width: int, height: int, size: int, continuations: int
) -> None:
    header = len(b"\xff\xd8" + frame(1) + scan(1, data=b""))
    assert len(decoded_by(b"x" * (size - header), width=width, height=height)) == 1 + continuations + 1


BODY: Final = b"\xff\xd8" + frame(1) + scan(1, data=b"the data of a scan, X")


@pytest.mark.parametrize(
    ("padding", "kept"),
    [
        (b"", b""),
        (b"\0", b"\0"),
        (b"\0\0", b""),
        (bytes(5000), b""),
        (b" \0\0", b" "),
        (b"\xff", b""),
        (b"\xff\xff", b""),
        (b"\xff\0", b"\xff\0"),
        (b"\xff\0\0", b"\xff\0"),
    ],
    ids=repr,
)
def test_zeros_that_fill_up_a_jpeg_are_left_out_and_a_data_byte_is_kept(padding: bytes, kept: bytes) -> None:
    found = repaired(BODY + padding, digest_of=lambda one: one[: len(BODY)])
    assert found is not None
    assert found[0] == BODY + kept + b"\xff\xd9"


def test_a_jpeg_must_end_within_its_last_16_bytes() -> None:
    for missing, whole in ((17, False), (16, False), (15, True)):
        found = repaired(BODY, digest_of=lambda one, end=-missing: one.startswith(BODY[:end]))  # type: ignore[misc] # a flag
        assert (found is not None) == whole
    assert repaired(BODY, digest_of=lambda one: one[:2]) is None, "pixels that don't depend on the end"


def fails(message: str) -> bytes:
    """Fail as a decoder does."""
    raise OSError(message)


def test_a_jpeg_whose_sketches_differ_is_refused_without_its_pixels() -> None:
    seen = list[bytes]()

    def digest_of(one: bytes) -> bytes:
        seen.append(one)
        return b"pixels %d" % len(seen)

    assert repaired(BODY, digest_of=digest_of, sketch_of=lambda one: one) is None
    assert seen == []
    assert repaired(BODY, digest_of=digest_of) is None
    assert len(seen) == 2, "without a sketch the pixels take its place"


def test_a_jpeg_is_refused_if_one_continuation_changes_its_pixels_or_it_can_not_be_decoded() -> None:
    whole, *continued, _ = decoded_by(b"end")
    body = whole.removesuffix(b"\xff\xd9")
    for other in (continued[2], continued[-1]):
        pixels = {other: b"others"}
        found = repaired(
            body,
            digest_of=lambda one, pixels=pixels: pixels.get(one, one[: len(body)]),  # type: ignore[misc] # a default
            sketch_of=lambda _: b"sketch",
        )
        assert found is None
    assert repaired(body, digest_of=lambda one: fails("cut") if one.startswith(body) else b"others") is None
    assert repaired(body, digest_of=lambda one: fails("cut") if one == whole else b"others") is None


def test_an_end_marker_counts_only_behind_the_first_scan() -> None:
    thumbnail = segment(0xE1, b"a small JPEG \xff\xd9")
    assert not may_be_whole(b"\xff\xd8" + thumbnail + frame(1) + thumbnail + scan(1))
    assert may_be_whole(b"\xff\xd8" + thumbnail + frame(1) + scan(1) + b"\xff\xd9 and a trailer")
    assert may_be_whole(b"\xff\xd8" + frame(1) + scan(1) + b"\xff\xd9")
    assert may_be_whole(b"\xff\xd8\xff\xd9 without a scan")
    assert not may_be_whole(b"\xff\xd8" + frame(1))
    assert may_be_whole(b"GIF89a")


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


def test_damaged_chunks_are_named_once_each_and_all_other_bytes_are_kept() -> None:
    data = images.png(images.photo_like(40, 30)) + b"a trailer"
    damaged = [chunk(name, b"\0\0\0\0", wrong=True) for name in (b"zTXt", b"tEXt", b"zTXt")]
    odd = with_chunk(data, damaged[0] + damaged[1] + chunk(b"tIME", b"1234567") + damaged[2])
    expected = with_chunk(data, chunk(b"tIME", b"1234567"))
    message = "The file's metadata are damaged (tEXt, zTXt) and were ignored."
    assert repaired(odd, digest_of=fails_if_called) == (expected, message)
    assert repaired(data, digest_of=fails_if_called) is None
    assert (may_be_whole(odd), may_be_whole(data), may_be_whole(expected)) == (False, True, True)


def fails_if_called(data: bytes) -> bytes:
    """Stand for the decoder where none is needed."""
    pytest.fail(f"{len(data)} bytes were decoded")


@pytest.mark.parametrize("name", [b"IDAT", b"PLTE", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"1EXt", b"tE\0t"])
def test_a_damaged_chunk_that_is_no_metadata_is_not_dropped(name: bytes) -> None:
    data = with_chunk(images.png(images.photo_like(40, 30)), chunk(name, b"x", wrong=True))
    assert not may_be_whole(data)
    assert repaired(data, digest_of=fails_if_called) is None


def test_chunks_are_checked_up_to_the_end_and_incomplete_ones_are_not() -> None:
    data = images.png(images.photo_like(40, 30))
    assert not may_be_whole(data[:-1] + b"\0"), "the end's checksum"
    assert may_be_whole(data + chunk(b"IDAT", b"x", wrong=True)), "a chunk behind the end"
    for cut in (1, 11, 12, 20):
        assert may_be_whole(data[:-cut]), "Pillow tells whether pixels are missing"
        assert repaired(data[:-cut], digest_of=fails_if_called) is None


EXIF_OF_ANOTHER_TAG: Final = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0100, 4, 1, 7) + bytes(4)


@pytest.mark.parametrize("content", [EXIF_OF_ANOTHER_TAG, b"", b"rubbish", b"II*\0\x08\0\0\0\xff\xff"], ids=repr)
def test_damaged_exif_data_without_an_orientation_are_ignored(content: bytes) -> None:
    data = images.png(images.photo_like(40, 30))
    assert repaired(with_chunk(data, chunk(b"eXIf", content, wrong=True)), digest_of=fails_if_called) == (
        data,
        "The file's metadata are damaged (eXIf) and were ignored.",
    )


def test_the_checksum_is_no_part_of_damaged_exif_data() -> None:
    """The entry of the orientation, 6, lacks its last four bytes; those of the checksum would complete it."""
    turned = images.exif(6).removeprefix(b"Exif\0\0")
    assert turned[10:22] == struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    cut = struct.pack(">I", 18) + b"eXIf" + turned[:18] + turned[18:22]
    data = images.png(images.photo_like(40, 30))
    found = repaired(with_chunk(data, cut), digest_of=fails_if_called)
    assert found is not None
    assert found[0] == data

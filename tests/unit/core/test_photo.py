"""Tests of safe decoding of untrusted image bytes.

The numbers in the sections are those of the fault list.
"""

import io
import random
import stat
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, GifImagePlugin, Image, ImageFile, PngImagePlugin, WebPImagePlugin

from petmood.core import photo as photo_module
from petmood.core.errors import (
    BadAspect,
    CorruptImage,
    EmptyFile,
    FileTooLarge,
    PhotoError,
    TooManyPixels,
    TooSmall,
    UnsupportedFormat,
)
from petmood.core.jpeg import jpeg_pixels
from petmood.core.photo import BACKGROUND, ImageLimits, decode
from tests.support import images
from tests.support.hostile_photos import COUNTLESS, mutated, of_countless_pieces, seeds_of_mutations

RED = (220, 30, 30)
STRANGE = {
    "svg": b"<?xml version='1.0'?><svg xmlns='x'><script>alert(1)</script></svg>",
    "pdf": b"%PDF-1.7\n1 0 obj <</Type /Catalog>> endobj",
    "zip": b"PK\x03\x04" + bytes(60),
    "tiff": b"II*\0\x08\0\0\0" + bytes(60),
    "html": b"<!doctype html><html><body>a cat</body></html>",
    "json": b'{"photo": "cat.jpg"}',
    "pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x08builtins",
    "one byte": b"\x00",
}

MEASURED = """
import sys
from pathlib import Path
from PIL import Image
from petmood.core.errors import PhotoError
from petmood.core.photo import ImageLimits, decode
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
data, limits = Path(sys.argv[1]).read_bytes(), ImageLimits(file_bytes=1_000_000_000)
Image.init()
before = peak()
try:
    decode(data, limits=limits)
    code = "decoded"
except PhotoError as error:
    code = error.code
print(code, round(peak() - before, 1))
"""


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return the absolute differences of two pictures in gray levels."""
    return np.abs(one.astype(np.int16) - other.astype(np.int16))


def in_a_process_of_its_own(data: bytes, folder: Path) -> tuple[str, float]:
    """Decode there; return the outcome and by how many MiB the memory's peak grew."""
    (folder / "picture").write_bytes(data)
    command = [sys.executable, "-c", MEASURED, str(folder / "picture")]
    code, growth_mib = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return code, float(growth_mib)


on_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


# --- plain pictures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "GIF", "JPEG", "AVIF"])
def test_every_listed_format_is_decoded_to_rgb(kind: str) -> None:
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "JPEG": {"subsampling": 0}}
    options["AVIF"] = {"quality": 95, "subsampling": "4:4:4"}
    pixels = images.corners()
    photo = decode(images.encode(pixels, kind, **options.get(kind, {})))
    assert (photo.format, photo.width, photo.height, photo.warnings) == (kind, 48, 32, ())
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.shape == pixels.shape
    assert difference(photo.pixels, pixels).mean() < 2


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB"])
def test_opaque_modes_equal_pillows_own_conversion(mode: str) -> None:
    image = Image.fromarray(images.corners()).convert(mode)
    photo = decode(images.png(image))
    assert photo.mode == mode
    assert np.array_equal(photo.pixels, np.asarray(image.convert("RGB")))


def test_a_phones_file_of_several_images_is_a_jpeg_without_a_warning() -> None:
    pixels = images.corners()
    data = images.encode(pixels, "MPO", save_all=True, append_images=[Image.fromarray(pixels[::-1])])
    photo = decode(data, at_least_px=16)
    assert photo.format == "MPO"
    assert photo.warnings == ()


def test_the_pixels_cannot_be_changed_by_whoever_looks_at_them() -> None:
    photo = decode(images.png(images.corners()))
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[:] = 0


def test_a_large_jpeg_is_decoded_at_the_smallest_scale_that_is_enough() -> None:
    data = images.jpeg(images.photo_like(640, 480))
    sizes = {at_least: decode(data, at_least_px=at_least).pixels.shape[:2] for at_least in (30, 60, 100, 200, 400, 900)}
    assert sizes == {30: (60, 80), 60: (60, 80), 100: (120, 160), 200: (240, 320), 400: (480, 640), 900: (480, 640)}
    reduced = decode(data, at_least_px=60)
    assert (reduced.width, reduced.height) == (640, 480)


def test_only_a_jpeg_is_reduced() -> None:
    assert decode(images.png(images.photo_like(640, 480)), at_least_px=60).pixels.shape == (480, 640, 3)


# --- 1 too many pixels, bad aspect; 10 empty, too small; 11 too large -------------------------------------------------


@on_linux
def test_half_a_megabyte_that_asks_for_13000x13000_is_refused_from_its_header(tmp_path: Path) -> None:
    data = images.zeros_png(13_000, 13_000)
    assert len(data) < 600_000
    code, growth_mib = in_a_process_of_its_own(data, tmp_path)
    assert code == "too_many_pixels"
    assert growth_mib < 50


def test_the_great_png_of_the_tests_is_a_whole_image() -> None:
    photo = decode(images.zeros_png(1300, 1100))
    assert photo.pixels.shape == (1100, 1300, 3)
    assert photo.pixels.max() == 0


@pytest.mark.parametrize("side_px", [9_000, 13_000, 20_000, 60_000])
def test_too_many_pixels_are_refused_at_every_size(side_px: int) -> None:
    with pytest.raises(TooManyPixels, match="at most 64,000,000 pixels") as refusal:
        decode(images.zeros_png(side_px, side_px))
    assert refusal.value.status == 413


def test_as_many_pixels_as_allowed_are_accepted_and_one_row_more_is_not() -> None:
    limits = ImageLimits(pixels=64 * 64)
    assert decode(images.zeros_png(64, 64), limits=limits).width == 64
    with pytest.raises(TooManyPixels, match="got 64x65"):
        decode(images.zeros_png(64, 65), limits=limits)


@pytest.mark.parametrize(("width", "height"), [(30_000, 1), (1, 30_000), (209, 17)])
def test_a_strip_is_refused_by_its_aspect(width: int, height: int) -> None:
    with pytest.raises(BadAspect, match=f"got {width}x{height}") as refusal:
        decode(images.zeros_png(width, height))
    assert refusal.value.status == 422


@pytest.mark.parametrize(("width", "height"), [(1, 1), (15, 15), (15, 100)])
def test_a_dot_is_too_small(width: int, height: int) -> None:
    with pytest.raises(TooSmall, match=f"at least 16 pixels per side, got {width}x{height}") as refusal:
        decode(images.zeros_png(width, height))
    assert refusal.value.status == 422


def test_the_smallest_and_the_longest_allowed_images_are_accepted() -> None:
    assert decode(images.zeros_png(16, 16)).width == 16
    assert decode(images.zeros_png(192, 16)).width == 192


def test_no_bytes_are_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for source in (b"", tmp_path / "empty.jpg"):
        with pytest.raises(EmptyFile) as refusal:
            decode(source)
        assert refusal.value.status == 400


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(50_000_000_000)  # a hole: nothing could read this
    with pytest.raises(FileTooLarge, match=r"at most 30 MB, got 50000\.0 MB") as refusal:
        decode(path)
    assert refusal.value.status == 413


def test_bytes_over_the_limit_are_refused_and_bytes_at_it_are_not() -> None:
    data = images.jpeg(images.corners())
    assert decode(data, limits=ImageLimits(file_bytes=len(data))).width == 48
    with pytest.raises(FileTooLarge):
        decode(data, limits=ImageLimits(file_bytes=len(data) - 1))


def test_a_path_that_cant_be_read_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "nowhere.jpg")


# --- 2 cut off; 3 polyglot; 4 no picture; 13 names --------------------------------------------------------------------


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("at_least_px", [None, 32])
def test_half_a_jpeg_is_corrupt_and_never_a_half_gray_image(*, progressive: bool, at_least_px: int | None) -> None:
    data = images.jpeg(images.photo_like(320, 240), progressive=progressive)
    with pytest.raises(CorruptImage, match="truncated or corrupt") as refusal:
        decode(data[: len(data) // 2], at_least_px=at_least_px)
    assert refusal.value.status == 422


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "AVIF"])
def test_half_of_any_image_is_refused(kind: str) -> None:
    data = images.encode(images.photo_like(96, 64), kind)
    with pytest.raises(PhotoError):
        decode(data[: len(data) // 2])


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM"])
def test_a_known_beginning_with_rubbish_behind_is_a_corrupt_image(start: bytes) -> None:
    with pytest.raises(CorruptImage):
        decode(start + bytes(200))


def test_an_image_that_is_a_page_and_an_archive_too_gives_its_pixels_alone() -> None:
    pixels = images.corners()
    photo = decode(images.polyglot(pixels))
    assert np.array_equal(photo.pixels, decode(images.jpeg(pixels)).pixels)


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_image_is_refused_with_the_list_of_formats(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="Expected JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC") as refusal:
        decode(STRANGE[name])
    assert refusal.value.status == 415


@pytest.mark.parametrize(
    ("data", "called"),
    [
        (STRANGE["svg"], "SVG"),
        (b"<SVG>", "SVG"),
        (b" " * 4092 + b"<svg", "SVG"),
        (b" " * 4093 + b"<svg", "an unknown format"),
        (STRANGE["pdf"], "PDF"),
        (b"%!PS-Adobe-3.0 PDF", "EPS"),
        (STRANGE["zip"], "a ZIP archive"),
        (b"II*\0" + bytes(60), "TIFF"),
        (b"MM\0*" + bytes(60), "TIFF"),
        (b"II+\0" + bytes(60), "TIFF"),
        (b"MM\0+" + bytes(60), "TIFF"),
        (b"\0\0\0\x18xxxxheic" + bytes(60), "an unknown format"),
        (b"a %PDF II*\0", "an unknown format"),
    ],
)
def test_a_format_that_is_not_allowed_is_called_by_its_name(
    data: bytes, called: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnsupportedFormat) as refusal:
        decode(data)
    assert str(refusal.value) == (
        f"Expected JPEG, PNG, WebP, GIF, BMP, AVIF or HEIC, got {called}. Save the photo as JPEG and send that."
    )


def test_an_avif_needs_no_extra_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert decode(images.encode(images.corners(), "AVIF")).format == "AVIF"


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "PNG"])
def test_a_file_without_its_last_bytes_is_corrupt_and_the_cause_is_kept_without_pixels(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = images.encode(images.photo_like(96, 64), kind)[:-40]
    with caplog.at_level("DEBUG", photo_module.__name__), pytest.raises(CorruptImage) as refusal:
        decode(data)
    assert str(refusal.value) == (
        "Expected a complete image, got a truncated or corrupt file. Send the original file again."
    )
    cause = refusal.value.__cause__
    assert isinstance(cause, Exception)
    assert cause.__traceback__ is None
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("DEBUG", "photo rejected")
    assert record.exc_info is not None
    assert record.exc_info[1] is cause


def test_the_causes_of_a_decoder_s_error_keep_no_frames_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        try:
            try:
                dict[str, str]()["innermost"]
            except KeyError as error:
                raise ValueError("inner") from error
        except ValueError:
            raise OSError("outer")  # noqa: B904 - a decoder's own mistake

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(CorruptImage) as refusal:
        decode(images.png(images.corners()))
    outer = refusal.value.__cause__
    assert outer is not None
    assert outer.__context__ is not None
    links = (outer, outer.__context__, outer.__context__.__cause__)
    assert [str(link) for link in links] == ["outer", "inner", "'innermost'"]
    assert [link.__traceback__ for link in links if link] == [None, None, None]


@pytest.mark.posix
def test_ghostscript_is_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark, fake = tmp_path / "started", tmp_path / "gs"
    fake.write_text(f"#!/bin/sh\n: > {mark}\n")
    fake.chmod(fake.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    data = images.encode(images.corners(), "EPS")
    with pytest.raises(UnsupportedFormat, match="got EPS"):
        decode(data)
    assert not mark.exists()
    (tmp_path / "cat.eps").write_bytes(data)
    with pytest.raises(OSError, match=r".*"), Image.open(tmp_path / "cat.eps") as image:
        image.load()
    assert mark.exists(), "the control failed: Pillow alone would have started Ghostscript"


@pytest.mark.parametrize("name", ["cat.jpg", "cat.txt", "cat", "=cmd|calc.png", "\u202egpj.exe", "🐈.svg"])
def test_the_bytes_decide_and_not_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(images.png(images.corners()))
    photo = decode(tmp_path / name)
    assert photo.format == "PNG"
    assert np.array_equal(photo.pixels, images.corners())


# --- 5 animation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "APNG"])
def test_the_first_of_300_frames_is_looked_at_with_a_warning(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = images.apng() if kind == "APNG" else images.animated(kind)
    loaded: list[int] = []
    for kind_of_image in (GifImagePlugin.GifImageFile, WebPImagePlugin.WebPImageFile, PngImagePlugin.PngImageFile):
        load = kind_of_image.load

        def noted_load(self: ImageFile.ImageFile, load: Callable[..., object] = load) -> object:
            loaded.append(self.tell())
            return load(self)

        monkeypatch.setattr(kind_of_image, "load", noted_load)
    photo = decode(data)
    assert photo.warnings == ("Animated image: only the first frame was used.",)
    assert photo.animated is True
    assert np.array_equal(photo.pixels, np.full((24, 24, 3), RED, np.uint8))
    assert set(loaded) == {0}


# --- 6 sixteen bits; 7 CMYK; 8 orientation; 9 transparency ------------------------------------------------------------


def test_sixteen_bit_grey_is_scaled_and_not_saturated() -> None:
    grey = np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64)
    photo = decode(images.sixteen_bit_png(grey))
    expected = np.repeat((grey / 257).round().astype(np.uint8)[..., None], 3, axis=2)
    assert difference(photo.pixels, expected).max() <= 1
    assert len(np.unique(photo.pixels)) == 256


@pytest.mark.parametrize("adobe", [True, False])
def test_a_cmyk_jpeg_looks_like_its_rgb_twin(*, adobe: bool) -> None:
    pixels = images.photo_like(96, 64)
    data = images.cmyk_jpeg(pixels, adobe=adobe)
    assert (b"Adobe" in data) == adobe
    photo = decode(data)
    assert photo.mode == "CMYK"
    assert difference(photo.pixels, pixels).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_gives_the_same_upright_image(orientation: int) -> None:
    upright = images.corners()
    stored = images.turned(upright, orientation)
    photo = decode(images.png(stored, exif=images.exif(orientation)))
    assert np.array_equal(photo.pixels, upright)
    assert (photo.width, photo.height, photo.orientation, photo.animated) == (48, 32, orientation, False)
    as_jpeg = decode(images.jpeg(stored, quality=95, subsampling=0, exif=images.exif(orientation)), at_least_px=16)
    half = upright[::2, ::2]
    assert as_jpeg.pixels.shape == half.shape
    assert difference(as_jpeg.pixels, half).mean() < 4
    assert (as_jpeg.width, as_jpeg.height) == (48, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIF"])
def test_orientation_counts_in_the_formats_of_phones_too(kind: str, orientation: int) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    upright = images.corners(96, 64)
    data = images.encode(images.turned(upright, orientation), kind, exif=images.exif(orientation))
    photo = decode(data)
    assert (photo.format, photo.width, photo.height) == (kind, 96, 64)
    assert difference(photo.pixels, upright).mean() < 4


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_doesnt_exist_is_ignored(orientation: int) -> None:
    upright = images.corners()
    assert np.array_equal(decode(images.png(upright, exif=images.exif(orientation))).pixels, upright)


def test_an_orientation_that_is_a_text_or_can_not_be_read_is_upright() -> None:
    upright = images.corners()
    entry = struct.pack("<HHI4s", 0x0112, 2, 2, b"6")
    as_text = images.png_with_chunk(images.png(upright), b"eXIf", b"II*\0\x08\0\0\0\x01\0" + entry + bytes(4))
    rubbish = images.png_with_chunk(images.png(upright), b"eXIf", b"rubbish")
    with Image.open(io.BytesIO(as_text)) as image:
        assert image.getexif()[0x0112] == "6"
    with Image.open(io.BytesIO(rubbish)) as image, pytest.raises(SyntaxError):
        image.getexif()
    for data in (as_text, rubbish, images.png(upright)):
        photo = decode(data)
        assert photo.orientation == 1
        assert difference(photo.pixels, upright).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "PA"])
def test_every_mode_with_alpha_is_laid_over_the_background(mode: str) -> None:
    rgb = photo_module._to_rgb(Image.new(mode, (2, 1)), (1, 2, 3))
    assert (rgb.mode, rgb.getpixel((0, 0))) == ("RGB", (1, 2, 3))


@pytest.mark.parametrize("background", [BACKGROUND, (255, 0, 0)])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_the_background(mode: str, background: tuple[int, int, int]) -> None:
    image = Image.fromarray(images.corners()).convert("P" if mode == "P" else "RGBA")
    if mode == "P":
        image.info["transparency"] = image.getpixel((0, 0))
    else:
        image.putalpha(Image.linear_gradient("L").crop((0, 0, *image.size)))
        image = image.convert(mode)
    photo = decode(images.png(image), background=background)
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    share = rgba[..., 3:] / 255
    composed = rgba[..., :3] * share + np.array(background) * (1 - share)
    assert share.min() == 0
    assert difference(photo.pixels, composed.round().astype(np.uint8)).max() <= 1


def test_one_transparent_colour_of_an_rgb_png_is_laid_over_the_background() -> None:
    photo = decode(images.png(images.corners(), transparency=images.CORNERS[0]))
    assert tuple(photo.pixels[0, 0]) == BACKGROUND
    assert tuple(photo.pixels[0, -1]) == images.CORNERS[1]


# --- 14 HEIC ----------------------------------------------------------------------------------------------------------


def heic(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a HEIC with the optional package."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    return images.encode(pixels, "HEIF")


def test_a_heic_is_decoded_with_the_extra_installed() -> None:
    photo = decode(heic(images.corners(96, 64)))
    assert (photo.format, photo.width, photo.height) == ("HEIF", 96, 64)
    assert difference(photo.pixels, images.corners(96, 64)).mean() < 4


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"heix"])
def test_a_heic_without_the_extra_names_the_command_that_installs_it(
    brand: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnsupportedFormat, match=r"pip install 'petmood\[heic\]'") as refusal:
        decode(b"\0\0\0\x18ftyp" + brand + bytes(200))
    assert refusal.value.status == 415


def test_a_damaged_heic_is_refused() -> None:
    data = heic(images.corners(96, 64))
    with pytest.raises(PhotoError):
        decode(data[: len(data) // 2])


# --- 17 metadata ------------------------------------------------------------------------------------------------------


def with_metadata(name: str) -> bytes:
    """Build a picture whose metadata are far larger than they should be, or rubbish."""
    pixels = images.corners()
    png, jpeg = images.png(pixels), images.jpeg(pixels)
    text = zlib.compress(bytes(80_000_000), 1) if name.startswith(("compressed", "international")) else b""
    built = {
        "text": lambda: images.png_with_chunk(png, b"tEXt", b"Comment\0" + b"x" * 80_000_000),
        "compressed text": lambda: images.png_with_chunk(png, b"zTXt", b"Comment\0\0" + text),
        "international text": lambda: images.png_with_chunk(png, b"iTXt", b"Comment\0\1\0\0\0" + text),
        "PNG EXIF": lambda: images.png_with_chunk(png, b"eXIf", b"II*\0\x08\0\0\0" + bytes(20_000_000)),
        "rubbish EXIF": lambda: images.jpeg_with_segment(
            jpeg, 0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xfe" * 999
        ),
        "JPEG EXIF": lambda: images.jpeg_with_segment(jpeg, 0xE1, (b"Exif\0\0" + b"MM\0*" + bytes(65_523)) * 306),
        "JPEG ICC": lambda: images.jpeg_with_segment(jpeg, 0xE2, b"ICC_PROFILE\0\x01\x01rubbish"),
        "PNG ICC": lambda: images.png_with_chunk(png, b"iCCP", b"x\0\0" + zlib.compress(b"rubbish")),
        "broken PNG ICC": lambda: images.png_with_chunk(png, b"iCCP", b"x\0\0rubbish"),
        "compressed ICC": lambda: images.png_with_chunk(png, b"iCCP", b"x\0\0" + text),
    }
    return built[name]()


METADATA = (
    *("text", "compressed text", "international text", "PNG EXIF", "rubbish EXIF", "JPEG EXIF"),
    *("JPEG ICC", "PNG ICC", "broken PNG ICC", "compressed ICC"),
)


@on_linux
@pytest.mark.parametrize("name", METADATA)
def test_strange_metadata_are_ignored_or_refused_at_a_bounded_price(name: str, tmp_path: Path) -> None:
    data = with_metadata(name)
    code, growth_mib = in_a_process_of_its_own(data, tmp_path)
    assert code in {"decoded", "corrupt_image"}
    assert growth_mib < 20 + 3 * len(data) / 2**20


@pytest.mark.parametrize("name", ["rubbish EXIF", "JPEG ICC", "PNG ICC", "PNG EXIF"])
def test_rubbish_in_the_metadata_doesnt_cost_the_image(name: str) -> None:
    pixels = decode(with_metadata(name)).pixels
    assert difference(pixels, images.corners()).mean() < 4


def with_scans(more: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again; each goes over all pixels anew."""
    data = images.encode(images.photo_like(64, 48), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (1 + more) + data[-2:]


def test_countless_scans_are_refused_and_not_waited_for() -> None:
    with pytest.raises(CorruptImage) as refusal:
        decode(with_scans(1000))
    assert str(refusal.value) == (
        "Expected an image of at most 300,000 data blocks and 100 JPEG scans, got more. "
        "Save the photo again in an image editor."
    )
    assert decode(with_scans(20)).width == 64


def test_scans_behind_the_image_are_not_its_own() -> None:
    """A phone's film, or a second picture, lies there and is never read."""
    assert decode(with_scans(0) + bytes(100_000) + b"\xff\xda" * 100_000).width == 64


def test_as_many_reads_as_allowed_are_made_and_one_more_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_module, "MAX_READS", 3)
    reader = photo_module._BoundedReader(b"abcdefgh")
    assert [reader.read(2), reader.read(1), reader.read()] == [b"ab", b"c", b"defgh"]
    with pytest.raises(CorruptImage, match="at most 3 data blocks and 100 JPEG scans"):
        reader.read(1)


def test_scans_are_counted_in_long_reads_of_a_jpeg_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_module, "MAX_JPEG_SCANS", 3)
    scans = b"\xff\xda" * 512
    reader = photo_module._BoundedReader(b"\xff\xd8" + scans[2:] + (b"\xff\xda" * 2 + bytes(1021)) * 2)
    assert len(reader.read(1024)) == 1024
    assert len(reader.read(1025)) == 1025
    with pytest.raises(CorruptImage, match="at most 300,000 data blocks and 3 JPEG scans"):
        reader.read(1025)
    assert len(photo_module._BoundedReader(b"\x89PNG" + scans * 9).read(4096)) == 4096
    three = photo_module._BoundedReader(b"\xff\xd8" + scans[:6] + bytes(2000))
    assert [len(three.read(1500)), len(three.read(100))] == [1500, 100]


def test_64_exif_segments_are_read_and_65_are_refused() -> None:
    data = images.jpeg(images.corners())
    segment = b"\xff\xe1\0\x08Exif\0\0"
    assert decode(data[:2] + segment * 64 + data[2:]).width == 48
    with pytest.raises(CorruptImage) as refusal:
        decode(data[:2] + segment * 65 + data[2:])
    assert str(refusal.value) == "Expected at most 64 EXIF segments, got more. Remove the photo's metadata."


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[io.BytesIO]:
    """Return the files in memory that are opened from now on."""
    opened: list[io.BytesIO] = []

    class Noted(photo_module._BoundedReader):
        def __init__(self, data: bytes) -> None:
            super().__init__(data)
            opened.append(self)

    monkeypatch.setattr(photo_module, "_BoundedReader", Noted)
    return opened


@pytest.mark.parametrize("name", COUNTLESS)
def test_countless_little_pieces_are_refused_and_not_waited_for(name: str, readers: list[io.BytesIO]) -> None:
    """How long it takes is measured by a benchmark; here it counts how little of the file was read."""
    data = of_countless_pieces(name)
    with pytest.raises(CorruptImage, match=r"at most (300,000 data blocks|64 EXIF segments)"):
        decode(data)
    assert sum(reader.tell() for reader in readers) < len(data) / 4


# --- 18 mutations, and many at once -----------------------------------------------------------------------------------


def test_2000_mutations_give_a_photo_or_a_refusal_and_nothing_else_each_within_a_few_reads(
    readers: list[io.BytesIO],
) -> None:
    """How long the slowest takes is measured by a benchmark."""
    chance = random.Random(18)
    seeds = seeds_of_mutations()
    outcomes: dict[str, int] = {}
    for _ in range(2000):
        data = mutated(chance.choice(seeds), chance)
        try:
            photo = decode(data, at_least_px=chance.choice((None, 16)))
            assert photo.pixels.ndim == 3
            outcome = "decoded"
        except PhotoError as refusal:
            outcome = refusal.code
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert max(reader.reads for reader in readers) < 10_000  # type: ignore[attr-defined]  # the reader counts them
    assert sum(outcomes.values()) == 2000
    assert outcomes["decoded"] > 100
    assert outcomes["corrupt_image"] > 100


def test_many_threads_decode_as_one_does_and_leave_the_warning_filters_alone() -> None:
    filters = list(warnings.filters)
    sources = seeds_of_mutations() * 8
    alone = [decode(data).pixels for data in sources]
    start = threading.Barrier(4)

    def work(number: int) -> list[NDArray[np.uint8]]:
        start.wait()
        return [decode(data).pixels for data in sources[number::4]]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    for number, got in enumerate(results):
        assert all(np.array_equal(one, other) for one, other in zip(alone[number::4], got, strict=True))
    assert warnings.filters == filters


def test_images_of_many_pixels_are_decoded_one_at_a_time_and_jpegs_are_not_held_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(photo_module, "LARGE_PIXELS", 100)
    large, small = images.png(images.photo_like(40, 40)), images.jpeg(images.photo_like(40, 40))
    done: list[str] = []
    threads = [
        threading.Thread(target=lambda data=data, name=name: done.append(name if decode(data) else ""))
        for data, name in ((large, "png"), (small, "jpeg"))
    ]
    with photo_module._large_lock:
        for thread in threads:
            thread.start()
        threads[1].join(timeout=300)
        assert done == ["jpeg"]
    threads[0].join(timeout=300)
    assert done == ["jpeg", "png"]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[int, int], bool]]:
    """Return the size of each image that is decoded from now on, and whether the lock of large ones was held."""
    noted = list[tuple[tuple[int, int], bool]]()
    load = ImageFile.ImageFile.load

    def noted_load(self: ImageFile.ImageFile) -> object:
        if self.tile:  # later calls find nothing left to decode
            noted.append((self.size, photo_module._large_lock.locked()))
        return load(self)

    def noted_jpeg(data: bytes, *, mode: str, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        pixels = jpeg_pixels(data, mode=mode, size=size)
        if pixels is not None:
            noted.append((size, photo_module._large_lock.locked()))
        return pixels

    monkeypatch.setattr(ImageFile.ImageFile, "load", noted_load)
    monkeypatch.setattr(photo_module, "jpeg_pixels", noted_jpeg)
    return noted


@pytest.mark.parametrize(
    ("kind", "options", "large_pixels", "locked"),
    [
        ("PNG", {}, 40 * 30 - 1, True),
        ("PNG", {}, 40 * 30, False),
        ("JPEG", {}, 40 * 30 - 1, False),
        ("JPEG", {"progressive": True}, 40 * 30 - 1, True),
        ("JPEG", {"progressive": True}, 40 * 30, False),
    ],
)
def test_the_lock_is_held_for_large_images_that_are_not_decoded_in_rows(
    kind: str,
    options: dict[str, Any],
    large_pixels: int,
    *,
    locked: bool,
    loads: list[tuple[tuple[int, int], bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(photo_module, "LARGE_PIXELS", large_pixels)
    decode(images.encode(images.photo_like(40, 30), kind, **options))
    assert loads == [((40, 30), locked)]


def test_half_a_jpeg_is_refused_by_sketches_at_an_eighth(loads: list[tuple[tuple[int, int], bool]]) -> None:
    data = images.jpeg(images.photo_like(64, 47))
    with pytest.raises(CorruptImage):
        decode(data[: len(data) // 2])
    assert loads == [((8, 6), False)] * 2


@pytest.mark.parametrize(
    ("at_least_px", "large_pixels", "compared", "final"),
    [
        (5, 64 * 47, ((64, 47), False), (8, 6)),
        (5, 64 * 47 - 1, ((32, 24), True), (8, 6)),
        (None, 64 * 47 - 1, ((64, 47), True), (64, 47)),
        (40, 64 * 47 - 1, ((64, 47), True), (64, 47)),
    ],
)
def test_a_large_jpeg_without_an_end_is_compared_at_half_scale_under_the_lock(
    at_least_px: int | None,
    large_pixels: int,
    compared: tuple[tuple[int, int], bool],
    final: tuple[int, int],
    *,
    loads: list[tuple[tuple[int, int], bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(photo_module, "LARGE_PIXELS", large_pixels)
    data = images.jpeg(images.photo_like(64, 47))
    assert decode(data[:-2], at_least_px=at_least_px).repaired
    assert loads[:2] == [((8, 6), False)] * 2
    assert set(loads[2:-1]) == {compared}
    assert loads[-1] == (final, False)


def test_as_many_pixels_as_allowed_are_decoded_at_a_reduced_scale() -> None:
    data = images.jpeg(images.photo_like(64, 64))
    assert decode(data, limits=ImageLimits(pixels=64 * 64), at_least_px=64).width == 64

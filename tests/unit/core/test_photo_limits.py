"""Tests of the limits of photos: bytes read of pipes, and pixels of formats that are decoded at a reduced scale."""

import contextlib
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from petmood.core.errors import EmptyFile, FileTooLarge, PhotoError, TooManyPixels
from petmood.core.image import ImageSpec, load
from petmood.core.photo import LIMITS, ImageLimits, decode
from petmood.core.photo_limits import REDUCIBLE_PIXELS, check_size, read_bounded
from tests.support import images

SMALL = ImageLimits(file_bytes=1000)


def declared(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose header declares another size."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


# --- bytes ------------------------------------------------------------------------------------------------------------


def through_a_pipe(folder: Path, data: bytes) -> bytes:
    """Read a photo from a named pipe that another thread writes."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return read_bounded(pipe, SMALL)
    finally:
        writer.join()


def test_a_pipe_is_read_though_its_size_is_zero(tmp_path: Path) -> None:
    assert through_a_pipe(tmp_path, b"x" * 1000) == b"x" * 1000


def test_a_pipe_without_bytes_is_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(EmptyFile):
        through_a_pipe(tmp_path, b"")


def test_of_an_endless_pipe_one_byte_too_many_is_read(tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge, match=r"at most 0 MB, got more"):
        through_a_pipe(tmp_path, b"x" * 500_000)


@pytest.mark.posix
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="a device of Linux and macOS")
def test_a_device_without_an_end_is_too_large() -> None:
    with pytest.raises(FileTooLarge):
        read_bounded(Path("/dev/zero"), SMALL)


# --- pixels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(9248, 6944), (12_000, 9_000)])
def test_a_phone_s_photo_of_64_or_108_megapixels_is_decoded_at_a_reduced_scale(width: int, height: int) -> None:
    data = images.encode(Image.new("L", (width, height), 90), "JPEG")
    assert width * height > LIMITS.pixels
    photo = load(data, ImageSpec())
    assert (photo.width, photo.height) == (width, height)
    assert int(photo.pixels.min()) == int(photo.pixels.max()) == 90


def test_more_pixels_than_twice_as_many_are_refused() -> None:
    data = declared(images.jpeg(images.corners()), 13_000, 10_000)
    with pytest.raises(TooManyPixels, match=f"at most {REDUCIBLE_PIXELS:,} pixels, got 13000x10000"):
        load(data, ImageSpec())


def test_a_jpeg_that_is_decoded_at_full_scale_has_the_limit_of_other_formats() -> None:
    data = declared(images.jpeg(images.corners()), 9248, 6944)
    with pytest.raises(TooManyPixels, match="at most 64,000,000 pixels"):
        decode(data)
    with pytest.raises(TooManyPixels, match="at most 64,000,000 pixels at this scale"):
        decode(data, at_least_px=6000)


def test_a_png_of_as_many_pixels_is_refused_with_and_without_a_reduced_scale() -> None:
    data = images.zeros_png(9248, 6944)
    for at_least_px in (None, 448):
        with pytest.raises(TooManyPixels, match="at most 64,000,000 pixels"):
            decode(data, at_least_px=at_least_px)


def test_a_lower_limit_that_was_asked_for_holds_for_every_format() -> None:
    limits = ImageLimits(pixels=1000)
    for data in (images.jpeg(images.corners()), images.png(images.corners())):
        with pytest.raises(TooManyPixels, match="at most 1,000 pixels"):
            decode(data, limits=limits, at_least_px=16)


PEAK = """
import sys
from pathlib import Path
from PIL import Image
from petmood.core.image import ImageSpec, load
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
data = Path(sys.argv[1]).read_bytes()
Image.init()
before = peak()
load(data, ImageSpec())
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_photo_of_108_megapixels_needs_little_memory(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(images.encode(Image.new("RGB", (12_000, 9_000), (90, 90, 90)), "JPEG"))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "photo")]
    growth_mib = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert growth_mib < 100


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "got"), [(1_500_001, "more"), (1_500_002, "1.5 MB"), (1_499_999, ""), (2_350_000, "2.4 MB")]
)
def test_a_file_s_size_is_checked_alike_for_bytes_and_paths(size: int, got: str, tmp_path: Path) -> None:
    limits = ImageLimits(file_bytes=1_500_000)
    (tmp_path / "photo").write_bytes(bytes(size))
    for source in (bytes(size), tmp_path / "photo"):
        if not got:
            assert len(read_bounded(source, limits)) == size
            continue
        with pytest.raises(FileTooLarge) as refusal:
            read_bounded(source, limits)
        assert str(refusal.value) == f"Expected at most 2 MB, got {got}. Send a smaller copy."


def test_a_file_at_the_limit_is_read_and_one_without_bytes_is_empty(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"x" * 1000)
    assert read_bounded(tmp_path / "photo", SMALL) == b"x" * 1000
    (tmp_path / "photo").write_bytes(b"")
    with pytest.raises(EmptyFile) as refusal:
        read_bounded(tmp_path / "photo", SMALL)
    assert str(refusal.value) == "Expected a photo, got an empty file (0 bytes). Send the original file again."


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (101, 100, "Expected at most 10,000 pixels, got 101x100. Send a smaller copy."),
        (50, 25, ""),
        (51, 25, "Expected an aspect ratio of at most 2:1, got 51x25. Crop the photo to the pet."),
        (25, 51, "Expected an aspect ratio of at most 2:1, got 25x51. Crop the photo to the pet."),
        (20, 20, ""),
        (20, 19, "Expected at least 20 pixels per side, got 20x19. Send a larger photo."),
        (19, 20, "Expected at least 20 pixels per side, got 19x20. Send a larger photo."),
    ],
)
def test_a_size_outside_of_the_limits_is_one_line(width: int, height: int, message: str) -> None:
    limits = ImageLimits(pixels=10_000, side_px=20, aspect=2.0)
    if not message:
        check_size(Image.new("L", (width, height)), limits, may_reduce=False)
        return
    with pytest.raises(PhotoError) as refusal:
        check_size(Image.new("L", (width, height)), limits, may_reduce=False)
    assert str(refusal.value) == message

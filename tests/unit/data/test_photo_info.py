"""Tests of photo inspection: properties, pixels and problems, without raised errors."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from petmood.core.photo import LIMITS
from petmood.data.photo_info import PIXELS_SIDE_PX, PhotoInfo, read_photo_info
from tests.support.images import animated, cmyk_jpeg, exif, jpeg, photo_like, png, sixteen_bit_png

PIXELS = photo_like(120, 100)


def put(folder: Path, data: bytes) -> Path:
    path = folder / "photo.bin"
    path.write_bytes(data)
    return path


def test_a_good_photo_gives_its_facts_and_pixels(tmp_path: Path) -> None:
    data = jpeg(PIXELS)
    facts, pixels = read_photo_info(put(tmp_path, data))
    assert (facts.width, facts.height, facts.format, facts.mode) == (120, 100, "JPEG", "RGB")
    assert facts.sha256 == sha256(data).hexdigest()
    assert facts.flags == ()
    assert facts.problem == facts.code == ""
    assert pixels is not None
    assert pixels.shape == (100, 120, 3)


@pytest.mark.parametrize(
    ("data", "odd"),
    [
        (jpeg(PIXELS, exif=exif(6)), ("exif",)),
        (cmyk_jpeg(PIXELS, adobe=True), ("mode",)),
        (sixteen_bit_png(np.full((100, 120), 9000, np.uint16)), ("mode",)),
        (png(photo_like(60, 200)), ("small",)),
        (animated("GIF", frames=3), ("mode", "small", "animated")),
        (jpeg(np.zeros((400, 4100, 3), np.uint8)), ("large",)),
        (jpeg(PIXELS)[:-2], ("repaired",)),
    ],
)
def test_odd_files_are_usable_and_named(tmp_path: Path, data: bytes, odd: tuple[str, ...]) -> None:
    facts, pixels = read_photo_info(put(tmp_path, data))
    assert set(facts.flags) <= {"mode", "small", "animated", "exif", "large", "repaired"}
    assert facts.flags == odd
    assert pixels is not None


def test_a_turned_photo_has_its_upright_size(tmp_path: Path) -> None:
    facts, pixels = read_photo_info(put(tmp_path, jpeg(PIXELS, exif=exif(6))))
    assert (facts.width, facts.height) == (100, 120)
    assert pixels is not None
    assert pixels.shape == (120, 100, 3)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"This is a text.", "unsupported_format"),
        (jpeg(PIXELS)[:2000], "corrupt_image"),
        (png(PIXELS[:1, :1]), "too_small"),
        (png(np.zeros((20, 900, 3), np.uint8)), "bad_aspect"),
    ],
)
def test_a_bad_photo_gives_a_code_and_one_line(tmp_path: Path, data: bytes, code: str) -> None:
    facts, pixels = read_photo_info(put(tmp_path, data))
    assert pixels is None
    assert facts.code == code
    assert facts.problem
    assert "\n" not in facts.problem


def test_a_file_over_the_limit_is_refused_by_its_size_alone(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as stream:
        stream.truncate(LIMITS.file_bytes + 1)
    assert read_photo_info(path)[0].code == "too_large"


def test_a_missing_file_is_a_fact_and_no_error(tmp_path: Path) -> None:
    facts, pixels = read_photo_info(tmp_path / "gone.jpg")
    assert (facts.code, pixels) == ("unreadable", None)
    assert "No such file" in facts.problem


def test_a_large_jpeg_is_handed_on_at_a_smaller_scale_with_its_full_size_noted(tmp_path: Path) -> None:
    facts, pixels = read_photo_info(put(tmp_path, jpeg(np.zeros((2400, 2600, 3), np.uint8))))
    assert (facts.width, facts.height) == (2600, 2400)
    assert pixels is not None
    assert PIXELS_SIDE_PX <= min(pixels.shape[:2]) < 1300


@pytest.mark.parametrize(
    ("width", "height", "flags"),
    [
        (4000, 4000, ()), (95, 96, ("small",)), (96, 95, ("small",)),
        (4001, 400, ("large",)), (400, 4001, ("large",)), (4000, 400, ()),
    ],
)  # fmt: skip
def test_sides_at_the_limits_are_usual(tmp_path: Path, width: int, height: int, flags: tuple[str, ...]) -> None:
    facts, _ = read_photo_info(put(tmp_path, jpeg(np.zeros((height, width, 3), np.uint8))))
    assert (facts.width, facts.height, facts.flags) == (width, height, flags)


@pytest.mark.parametrize("orientation", range(10))
def test_orientations_that_turn_or_mirror_a_photo_are_noted(tmp_path: Path, orientation: int) -> None:
    facts, _ = read_photo_info(put(tmp_path, jpeg(PIXELS, exif=exif(orientation))))
    assert facts.flags == (("exif",) if orientation in {2, 3, 4, 5, 6, 7, 8} else ())


def test_a_grayscale_photo_is_usual_and_its_facts_are_complete(tmp_path: Path) -> None:
    data = jpeg(Image.fromarray(PIXELS[..., 0]))
    facts, pixels = read_photo_info(put(tmp_path, data))
    assert facts == PhotoInfo(sha256(data).hexdigest(), 120, 100, "JPEG", "L")
    assert pixels is not None
    assert pixels.shape == (100, 120, 3)


def test_a_file_that_is_missing_or_no_photo_has_a_whole_sentence(tmp_path: Path) -> None:
    assert read_photo_info(tmp_path / "gone.jpg") == (
        PhotoInfo(code="unreadable", problem="expected a readable file: No such file or directory"), None
    )  # fmt: skip
    facts, _ = read_photo_info(put(tmp_path, b""))
    assert facts == PhotoInfo(
        code="empty_file",
        problem="Expected a photo, got an empty file (0 bytes). Send the original file again.",
    )
    text, _ = read_photo_info(put(tmp_path, b"This is a text."))
    assert (text.sha256, text.code) == (sha256(b"This is a text.").hexdigest(), "unsupported_format")


def test_an_error_of_the_system_without_words_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> bytes:
        raise OSError

    monkeypatch.setattr("petmood.data.photo_info.read_bounded", failing)
    assert read_photo_info(tmp_path / "x")[0].problem == "expected a readable file: unreadable"

"""Tests of photo preparation that returns errors."""

from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import CorruptImage, EmptyFile, FileTooLarge, PhotoError, TooSmall
from petmood.core.image import ImageSpec, PreparedImage, load
from petmood.core.photo import ImageLimits
from petmood.inference.prepare import try_prepare
from tests.support.pictures import jpeg, photo_like, png

SPEC = ImageSpec(side_px=32)
PHOTO = jpeg(photo_like(90, 60))


def test_a_good_photo_is_prepared_as_everywhere_else(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    for source in (PHOTO, tmp_path / "a.jpg"):
        prepared = try_prepare(source, SPEC)
        assert isinstance(prepared, PreparedImage)
        assert np.array_equal(prepared.pixels, load(PHOTO, SPEC).pixels)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"", EmptyFile), (PHOTO[:400], CorruptImage), (png(photo_like(20, 8)), TooSmall)],
)
def test_a_bad_photo_is_returned_as_its_error(data: bytes, kind: type[PhotoError]) -> None:
    assert isinstance(try_prepare(data, SPEC), kind)


def test_limits_are_those_that_are_given() -> None:
    assert isinstance(try_prepare(PHOTO, SPEC, limits=ImageLimits(file_bytes=100)), FileTooLarge)


def test_a_file_that_can_t_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name in ("missing.jpg", "folder.jpg", "loop.jpg"):
        error = try_prepare(tmp_path / name, SPEC)
        assert isinstance(error, PhotoError)
        assert str(error).startswith(f"{name} can't be read (")
        assert "\n" not in str(error)


@pytest.mark.parametrize("data", [b"", PHOTO[:400], b"no picture"])
def test_an_error_that_waits_in_a_batch_holds_neither_the_photo_nor_what_was_decoded_of_it(data: bytes) -> None:
    error = try_prepare(data, SPEC)
    assert isinstance(error, PhotoError)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)

"""JPEG files decoded without Pillow: the same pixels, and what is left to Pillow."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from petmood.core import jpeg as jpeg_module
from petmood.core.jpeg import jpeg_pixels
from tests.support import images

OPTIONS: tuple[dict[str, Any], ...] = (
    {"quality": 90, "subsampling": 0},
    {"quality": 30, "subsampling": 1},
    {"quality": 75, "subsampling": 2},
    {"quality": 75, "progressive": True},
    {"quality": 95, "restart_marker_blocks": 3},
    {"quality": 90, "keep_rgb": True},
)


def encoded(pixels: NDArray[np.uint8], **options: object) -> bytes:
    """Return pixels as JPEG with any option of Pillow."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", **options)
    return target.getvalue()


def by_pillow(data: bytes, *, side: int | None) -> tuple[NDArray[np.uint8], str, tuple[int, int]]:
    """Return Pillow's pixels of a JPEG, at the scale that keeps a shorter side, with the header's mode and size."""
    with Image.open(io.BytesIO(data)) as image:
        if side is not None:
            scale = side / min(image.size)
            image.draft(image.mode, (max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        size = image.size
        return np.asarray(image.convert("RGB")), image.mode, size


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_pixels_are_those_of_pillow_at_every_scale(options: dict[str, Any]) -> None:
    for width, height in ((320, 241), (133, 217), (17, 16), (601, 400)):
        data = encoded(images.photo_like(width, height), **options)
        for side in (None, 160, 40, 1):
            expected, mode, size = by_pillow(data, side=side)
            found = jpeg_pixels(data, mode=mode, size=size)
            assert found is not None
            assert np.array_equal(found, expected), (width, height, side)


@pytest.mark.parametrize("side", [None, 40])
def test_gray_files_get_three_equal_channels(side: int | None) -> None:
    data = encoded(images.photo_like(301, 200).mean(axis=2).astype(np.uint8), quality=80)
    expected, mode, size = by_pillow(data, side=side)
    assert mode == "L"
    found = jpeg_pixels(data, mode=mode, size=size)
    assert found is not None
    assert np.array_equal(found, expected)


def test_other_color_modes_are_left_to_pillow() -> None:
    target = io.BytesIO()
    Image.fromarray(images.photo_like(64, 48)).convert("CMYK").save(target, "JPEG")
    assert jpeg_pixels(target.getvalue(), mode="CMYK", size=(64, 48)) is None


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_lacks_bytes_is_left_to_pillow(share: float) -> None:
    data = encoded(images.photo_like(200, 150), quality=90)
    cut = data[: int(len(data) * share)]
    assert jpeg_pixels(cut, mode="RGB", size=(200, 150)) is None
    assert jpeg_pixels(cut + b"\xff\xd9", mode="RGB", size=(200, 150)) is None


def test_a_file_of_more_scans_than_allowed_is_left_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(images.photo_like(64, 48), progressive=True)
    scans = data.count(b"\xff\xda")
    monkeypatch.setattr(jpeg_module, "MAX_JPEG_SCANS", scans)
    assert jpeg_pixels(data, mode="RGB", size=(64, 48)) is not None
    monkeypatch.setattr(jpeg_module, "MAX_JPEG_SCANS", scans - 1)
    assert jpeg_pixels(data, mode="RGB", size=(64, 48)) is None


def test_another_size_than_that_of_the_header_is_left_to_pillow() -> None:
    data = encoded(images.photo_like(64, 48))
    assert jpeg_pixels(data, mode="RGB", size=(63, 48)) is None

"""Tests of thumbnails: size, readability and budget."""

import base64
import io

import numpy as np
from PIL import Image

from petmood.core.errors import CorruptImage
from petmood.reports.thumbnails import Thumbnails, jpeg_uri


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


def test_a_thumbnail_is_a_jpeg_that_fits_the_square_and_keeps_its_shape() -> None:
    image = decoded(jpeg_uri(np.full((200, 400, 3), 90, dtype=np.uint8)))
    assert (image.format, image.size) == ("JPEG", (96, 48))
    assert abs(int(np.asarray(image).mean()) - 90) <= 2


def test_a_grey_photo_is_shown_too() -> None:
    assert decoded(jpeg_uri(np.zeros((30, 30), dtype=np.uint8))).mode == "RGB"


def test_photos_that_can_not_be_read_give_none() -> None:
    def gone(path: str) -> np.ndarray:
        raise (FileNotFoundError(path) if path == "a" else CorruptImage(path))

    thumbnails = Thumbnails(gone)
    assert thumbnails.uri("a") is thumbnails.uri("b") is None


def test_each_photo_is_read_once_and_the_budget_ends_the_pictures() -> None:
    read: list[str] = []

    def photo(path: str) -> np.ndarray:
        read.append(path)
        return np.zeros((96, 96, 3), dtype=np.uint8)

    size = len(jpeg_uri(photo("first")))
    thumbnails = Thumbnails(photo, budget_bytes=2 * size + 1)
    found = [thumbnails.uri(path) for path in ("a", "a", "b")]
    assert [uri is not None for uri in found] == [True, True, False]
    assert read == ["first", "a", "b"]

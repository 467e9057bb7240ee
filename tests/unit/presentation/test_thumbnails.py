"""Tests of thumbnails: size, readability and budget."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from petmood.core.errors import CorruptImage
from petmood.presentation.thumbnails import LARGE_PX, Thumbnails, enlargeable, folder_thumbnails, jpeg_uri, photo_uri
from tests.support.images import jpeg, photo_like


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


def test_a_thumbnail_is_a_jpeg_that_fits_the_square_and_keeps_its_shape() -> None:
    picture = decoded(jpeg_uri(np.full((200, 400, 3), 90, dtype=np.uint8)))
    assert (picture.format, picture.size) == ("JPEG", (96, 48))
    assert abs(int(np.asarray(picture).mean()) - 90) <= 2


def test_a_grey_photo_is_shown_too() -> None:
    assert decoded(jpeg_uri(np.zeros((30, 30), dtype=np.uint8))).mode == "RGB"


def test_photos_that_can_not_be_read_give_none() -> None:
    def gone(path: str) -> np.ndarray:
        raise (FileNotFoundError(path) if path == "a" else CorruptImage(path))

    thumbnails = Thumbnails(gone)
    assert thumbnails.uri("a") is thumbnails.uri("b") is None


def test_each_photo_is_read_once_and_the_budget_ends_the_images() -> None:
    read: list[str] = []

    def photo(path: str) -> np.ndarray:
        read.append(path)
        return np.zeros((96, 96, 3), dtype=np.uint8)

    size = len(jpeg_uri(photo("first")))
    thumbnails = Thumbnails(photo, budget_bytes=2 * size + 1)
    found = [thumbnails.uri(path) for path in ("a", "a", "b")]
    assert [uri is not None for uri in found] == [True, True, False]
    assert read == ["first", "a", "b"]


def test_thumbnails_are_large_until_half_of_the_budget_is_used_and_small_afterwards() -> None:
    photo = photo_like(640, 320)
    large, small = (len(jpeg_uri(photo, side_px=side)) for side in (LARGE_PX, 96))
    assert large > 2 * small
    thumbnails = Thumbnails(lambda _: photo, budget_bytes=2 * large + small)
    widths = [decoded(uri).width if (uri := thumbnails.uri(name)) else None for name in "abcdefghijklmno"]
    assert widths[:2] == [LARGE_PX, LARGE_PX], "the second begins in the first half"
    assert set(widths[2:]) == {96, None}
    assert widths == sorted(widths, key=lambda width: -(width or 0)), "the small ones follow, until nothing is left"


def test_an_enlargeable_image_is_held_once_by_a_button_that_opens_it() -> None:
    html = enlargeable('data:x"y', alt="<a> & b", number=7)
    assert html.count("data:x&quot;y") == 1
    assert html.startswith('<button type="button" class="zoom" popovertarget="photo-7" title="Show larger"><img ')
    assert ' id="photo-7" popover ' in html
    assert 'alt="&lt;a&gt; &amp; b"' in html


def test_a_photo_of_a_folder_becomes_a_small_jpeg_of_its_shape(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(photo_like(640, 320)))
    uri = folder_thumbnails(tmp_path).uri("a.jpg")
    assert uri is not None
    picture = decoded(uri)
    assert (picture.format, picture.size) == ("JPEG", (256, 128))


def test_what_can_not_be_read_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(jpeg(photo_like(64, 64))[:300])
    thumbnails = folder_thumbnails(tmp_path)
    assert thumbnails.uri("half.jpg") is thumbnails.uri("nowhere.jpg") is None


def test_a_photo_becomes_a_thumbnail_by_its_path_or_bytes_and_none_if_it_can_not_be_read(tmp_path: Path) -> None:
    data = jpeg(photo_like(640, 320))
    (tmp_path / "a.jpg").write_bytes(data)
    uri = photo_uri(tmp_path / "a.jpg", side_px=200)
    assert uri is not None
    assert (decoded(uri).size, uri) == ((200, 100), photo_uri(data, side_px=200))
    assert photo_uri(data[:300]) is photo_uri(tmp_path / "gone.jpg") is None

"""Tests of synthetic photos, photos from a folder and multipart forms."""

import io
from email.parser import BytesParser
from pathlib import Path

import pytest
from PIL import Image

from petmood.core.errors import DataError
from petmood.core.image import ImageSpec, load
from petmood.serving.loadtest.photos import MOST, form, read, synthetic_photos
from tests.support.images import jpeg, photo_like


def test_drawn_photos_are_different_jpegs_that_a_service_takes() -> None:
    photos = synthetic_photos(3)
    assert len(set(photos)) == 3
    assert photos == synthetic_photos(3)
    for photo in photos:
        assert Image.open(io.BytesIO(photo)).format == "JPEG"
        assert load(photo, ImageSpec()).warnings == ()


def test_a_folder_s_photos_are_sent_as_they_are_and_not_too_many(tmp_path: Path) -> None:
    photo = jpeg(photo_like(48, 32))
    for number in range(MOST + 3):
        (tmp_path / f"{number}.jpg").write_bytes(photo + bytes([number]))
    photos = read(tmp_path)
    assert len(photos) == MOST
    assert photos[0] == photo + b"\0"


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No photos in"):
        read(tmp_path)


@pytest.mark.parametrize("photo", [b"\xff\xd8 bytes \r\n--petmood-0 and --petmood-1\r\n", b""])
def test_a_form_holds_the_photo_byte_by_byte(photo: bytes) -> None:
    made = form(photo, field="file")
    message = BytesParser().parsebytes(f"Content-Type: {made.content_type}\r\n\r\n".encode() + made.body)
    (part,) = [one for one in message.walk() if one is not message]
    assert part.get_param("name", header="content-disposition") == "file"
    head, _, rest = made.body.partition(b"\r\n\r\n")
    assert rest.startswith(photo)
    boundary = made.content_type.partition("boundary=")[2].encode()
    assert boundary not in photo
    assert rest[len(photo) :] == b"\r\n--" + boundary + b"--\r\n"
    assert head.startswith(b"--" + boundary + b"\r\n")

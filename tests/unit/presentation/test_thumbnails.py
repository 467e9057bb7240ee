"""Tests of thumbnails in HTML pages."""

import base64
import io
from pathlib import Path

from PIL import Image

from petmood.presentation.thumbnails import THUMB_PX, jpeg_base64
from tests.support.images import jpeg, photo_like


def test_a_photo_becomes_a_small_jpeg_of_its_shape(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(photo_like(640, 320)))
    image = Image.open(io.BytesIO(base64.b64decode(jpeg_base64(tmp_path / "a.jpg"))))
    assert (image.format, image.size) == ("JPEG", (THUMB_PX, THUMB_PX // 2))


def test_what_can_not_be_read_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "half.jpg").write_bytes(jpeg(photo_like(64, 64))[:300])
    assert jpeg_base64(tmp_path / "half.jpg") == jpeg_base64(tmp_path / "nowhere.jpg") == ""

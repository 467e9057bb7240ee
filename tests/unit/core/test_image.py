"""Tests of image preprocessing at several sizes and reduced scales."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from petmood.core.errors import FileTooLarge
from petmood.core.image import IMAGENET_MEAN, IMAGENET_STD, Box, ImageSpec, load, prepare, seen_box
from petmood.core.photo import BACKGROUND, ImageLimits, decode
from tests.support.images import CORNERS, corners, jpeg, photo_like, png

RULES = ("squash", "center_crop", "letterbox")


def test_the_default_is_imagenets_size_and_normalisation() -> None:
    spec = ImageSpec()
    assert spec.model_dump() == {
        "side_px": 224,
        "resize": "center_crop",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "background": BACKGROUND,
    }
    assert (spec.mean, spec.std) == (IMAGENET_MEAN, IMAGENET_STD)


@pytest.mark.parametrize(
    "wrong", [{"side_px": 7}, {"side_px": 4096}, {"resize": "crop"}, {"side": 224}, {"mean": (1,)}]
)
def test_a_spec_with_a_wrong_name_or_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ImageSpec.model_validate(wrong)


def test_a_spec_survives_json() -> None:
    spec = ImageSpec(side_px=96, resize="letterbox", background=(1, 2, 3))
    assert ImageSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("rule", RULES)
@given(width=st.integers(1, 150), height=st.integers(1, 150), side=st.integers(8, 64))
@settings(max_examples=25, deadline=None)
def test_any_image_becomes_a_square_of_the_asked_size(rule: str, width: int, height: int, side: int) -> None:
    pixels = np.full((height, width, 3), 77, np.uint8)
    prepared = prepare(pixels, ImageSpec.model_validate({"side_px": side, "resize": rule, "background": (77, 77, 77)}))
    assert prepared.shape == (side, side, 3)
    assert prepared.dtype == np.uint8
    assert np.all(prepared == 77)


@pytest.mark.parametrize("rule", RULES)
def test_an_image_of_the_right_size_is_untouched(rule: str) -> None:
    pixels = photo_like(32, 32)
    spec = ImageSpec.model_validate({"side_px": 32, "resize": rule})
    assert np.array_equal(prepare(pixels, spec), pixels)
    view = photo_like(64, 64)[::2, ::2]
    assert prepare(view, spec).flags.c_contiguous


@pytest.mark.parametrize(
    ("width", "height", "square"),
    [
        (31, 20, (5.5, 0, 25.5, 20)),
        (20, 31, (0, 5.5, 20, 25.5)),
        (64, 20, (22, 0, 42, 20)),
        (21, 50, (0, 14.5, 21, 35.5)),
        (10, 40, (0, 15, 10, 25)),
    ],
)
def test_the_middle_square_or_the_whole_is_resized_as_pillow_resizes_it(
    width: int, height: int, square: tuple[float, float, float, float]
) -> None:
    pixels = photo_like(width, height)
    image, bilinear = Image.fromarray(pixels), Image.Resampling.BILINEAR
    cropped = prepare(pixels, ImageSpec(side_px=10))
    assert np.array_equal(cropped, np.asarray(image.resize((10, 10), bilinear, box=square)))
    squashed = prepare(pixels, ImageSpec(side_px=10, resize="squash"))
    assert np.array_equal(squashed, np.asarray(image.resize((10, 10), bilinear)))


@pytest.mark.parametrize(
    ("width", "height", "size", "corner"),
    [
        (40, 20, (9, 4), (0, 2)),  # 9 x 4.5, and half to even
        (20, 40, (4, 9), (2, 0)),
        (30, 25, (9, 8), (0, 0)),
        (90, 1, (9, 1), (0, 4)),
        (1, 90, (1, 9), (4, 0)),
        (9, 3, (9, 3), (0, 3)),
        (3, 2, (9, 6), (0, 1)),
    ],
)
def test_pad_places_the_whole_photo_in_the_middle(
    width: int, height: int, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    pixels = photo_like(width, height)
    expected = np.full((9, 9, 3), (7, 8, 9), np.uint8)
    (columns, rows), (left, top) = size, corner
    resized = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
    expected[top : top + rows, left : left + columns] = np.asarray(resized)
    prepared = prepare(pixels, ImageSpec(side_px=9, resize="letterbox", background=(7, 8, 9)))
    assert np.array_equal(prepared, expected)
    assert prepared.flags.writeable


def test_stretch_keeps_all_four_corners() -> None:
    prepared = prepare(corners(120, 40), ImageSpec(side_px=32, resize="squash"))
    found = [tuple(prepared[y, x]) for y in (0, -1) for x in (0, -1)]
    assert found == list(CORNERS)


@pytest.mark.parametrize(("width", "height"), [(90, 30), (30, 90)])
def test_cover_takes_the_middle_square(width: int, height: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    middle_y, middle_x = (height - 30) // 2, (width - 30) // 2
    pixels[middle_y : middle_y + 30, middle_x : middle_x + 30] = 200
    assert np.all(prepare(pixels, ImageSpec(side_px=10, resize="center_crop"))[1:-1, 1:-1] == 200)


def test_pad_adds_bars_of_the_background_and_keeps_the_shape_of_things() -> None:
    pixels = np.full((20, 80, 3), 200, np.uint8)
    prepared = prepare(pixels, ImageSpec(side_px=40, resize="letterbox", background=(1, 2, 3)))
    assert np.all(prepared[15:25] == 200)
    assert np.all(prepared[:15] == (1, 2, 3))
    assert np.all(prepared[25:] == (1, 2, 3))


def test_a_fine_pattern_is_averaged_and_not_sampled() -> None:
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    prepared = prepare(stripes, ImageSpec(side_px=16, resize="squash"))
    assert np.all(np.abs(prepared.astype(int) - 127) < 8)


@pytest.mark.parametrize("rule", RULES)
def test_a_jpeg_at_a_reduced_scale_differs_by_less_than_a_grey_level(rule: str) -> None:
    data = jpeg(photo_like(1600, 1200), quality=90)
    spec = ImageSpec.model_validate({"side_px": 96, "resize": rule})
    full = prepare(decode(data).pixels, spec)
    ours = load(data, spec)
    assert np.abs(full.astype(int) - ours.pixels.astype(int)).mean() < 1
    assert (ours.width, ours.height) == (1600, 1200)


@pytest.mark.parametrize(("side", "scale"), [(15, 8), (16, 4), (30, 4), (31, 2), (60, 2), (61, 1)])
def test_a_jpeg_is_decoded_at_the_smallest_scale_of_twice_the_side(side: int, scale: int) -> None:
    """Of 320 x 240 pixels, an eighth has 30 in its shorter side, a quarter 60, and a half 120."""
    data = jpeg(photo_like(320, 240), quality=90)
    spec = ImageSpec(side_px=side)
    reduced = decode(data, at_least_px=240 // scale).pixels
    assert reduced.shape == (240 // scale, 320 // scale, 3)
    assert np.array_equal(load(data, spec).pixels, prepare(reduced, spec))


@pytest.mark.parametrize("size", [(1600, 1200), (192, 192), (97, 401)])
def test_path_and_bytes_give_the_same(tmp_path: Path, size: tuple[int, int], photo_pixels: NDArray[np.uint8]) -> None:
    data = jpeg(photo_pixels if size == (320, 240) else photo_like(*size))
    (tmp_path / "photo").write_bytes(data)
    assert np.array_equal(load(data, ImageSpec()).pixels, load(tmp_path / "photo", ImageSpec()).pixels)


def test_transparency_takes_the_colour_of_the_spec() -> None:
    data = png(corners(32, 32), transparency=CORNERS[0])
    spec = ImageSpec(side_px=32, background=(9, 8, 7))
    assert tuple(load(data, spec).pixels[0, 0]) == (9, 8, 7)


def test_an_image_under_half_the_size_is_answered_with_a_warning() -> None:
    spec = ImageSpec(side_px=96)
    assert load(png(photo_like(48, 60)), spec).warnings == ()
    expected = "Small photo (47x60 pixels): the prediction may be less reliable."
    assert load(png(photo_like(47, 60)), spec).warnings == (expected,)
    expected = "Small photo (60x47 pixels): the prediction may be less reliable."
    assert load(png(photo_like(60, 47)), spec).warnings == (expected,)
    odd = ImageSpec(side_px=97)
    assert load(png(photo_like(48, 60)), odd).warnings == ()
    cut = "The file lacks its end marker; the image is complete."
    assert load(jpeg(photo_like(60, 48))[:-2], odd).warnings == (cut,)
    assert load(jpeg(photo_like(60, 47))[:-2], odd).warnings == (cut, expected)


def test_limits_reach_the_decoder() -> None:
    with pytest.raises(FileTooLarge):
        load(png(corners()), ImageSpec(), limits=ImageLimits(file_bytes=10))


# --- what the network gets of a photo ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "size", "box"),
    [
        ("squash", (300, 200), Box(0.0, 0.0, 1.0, 1.0)),
        ("center_crop", (300, 200), Box(1 / 6, 0.0, 5 / 6, 1.0)),
        ("center_crop", (200, 300), Box(0.0, 1 / 6, 1.0, 5 / 6)),
        ("letterbox", (200, 100), Box(0.0, -0.5, 1.0, 1.5)),
        ("letterbox", (100, 200), Box(-0.5, 0.0, 1.5, 1.0)),
        ("letterbox", (64, 64), Box(0.0, 0.0, 1.0, 1.0)),
    ],
)
def test_the_box_is_the_part_of_the_photo_that_the_network_gets(rule: str, size: tuple[int, int], box: Box) -> None:
    found = seen_box(ImageSpec.model_validate({"side_px": 64, "resize": rule}), width=size[0], height=size[1])
    assert astuple(found) == pytest.approx(astuple(box))


@pytest.mark.parametrize("rule", RULES)
def test_a_mark_in_the_input_is_where_the_box_says(rule: str) -> None:
    """A white square on a black photo is found at the same place by the box and by the preparation."""
    spec = ImageSpec.model_validate({"side_px": 100, "resize": rule, "background": (0, 0, 0)})
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[110:130, 90:110] = 255  # its middle is at (100, 120)
    y, x = np.argwhere(prepare(pixels, spec)[..., 0] > 128).mean(axis=0) + 0.5
    box = seen_box(spec, width=300, height=200)
    assert (box.left + x / 100 * (box.right - box.left)) * 300 == pytest.approx(100, abs=2)
    assert (box.top + y / 100 * (box.bottom - box.top)) * 200 == pytest.approx(120, abs=2)

"""Tests of image preprocessing at several sizes and reduced scales."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from petmood.core.errors import FileTooLarge
from petmood.core.image import IMAGENET_MEAN, IMAGENET_STD, ImageSpec, load, prepare
from petmood.core.photo import BACKGROUND, ImageLimits, decode
from tests.support.images import CORNERS, corners, jpeg, photo_like, png

RULES = ("squash", "center_crop", "letterbox")


def test_the_default_is_imagenets_size_and_normalisation() -> None:
    spec = ImageSpec()
    assert (spec.side_px, spec.resize, spec.mean, spec.std) == (224, "center_crop", IMAGENET_MEAN, IMAGENET_STD)
    assert spec.background == BACKGROUND


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


def test_limits_reach_the_decoder() -> None:
    with pytest.raises(FileTooLarge):
        load(png(corners()), ImageSpec(), limits=ImageLimits(file_bytes=10))

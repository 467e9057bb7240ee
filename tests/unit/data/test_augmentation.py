"""Tests of the augmentation: independent draws per photo, ranges of the settings, and the neutral default."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from petmood.configs.load import compose
from petmood.data.augment_spec import AugmentSpec
from petmood.data.augmentation import augment
from tests.support.images import photo_like

IMAGE = photo_like(64, 64)


def varied(*, seed: int = 0, image: NDArray[np.uint8] = IMAGE, **spec: Any) -> NDArray[np.uint8]:  # noqa: ANN401 - any field of the spec
    """Return an augmented copy."""
    return augment(image, AugmentSpec(**spec), np.random.default_rng(seed))


def mean_grey(image: NDArray[np.uint8]) -> float:
    """Return the mean of all channels."""
    return float(image.mean())


@pytest.mark.parametrize("side", [8, 33, 64, 224])
def test_a_spec_of_zeros_leaves_every_pixel_as_it_is(side: int) -> None:
    image = photo_like(side, side)
    for seed in range(5):
        assert np.array_equal(varied(seed=seed, image=image), image)


def test_the_original_is_never_changed() -> None:
    image = IMAGE.copy()
    image.flags.writeable = False
    out = varied(image=image, hflip=1, rotate_deg=20, min_crop_scale=0.5, brightness=0.5, random_erasing_p=1)
    assert out.flags.writeable
    assert np.array_equal(image, IMAGE)


def test_equal_draws_give_equal_images_and_others_other_ones() -> None:
    spec = compose(["augment=heavy"]).augment.model_dump()
    assert np.array_equal(varied(seed=3, **spec), varied(seed=3, **spec))
    assert not np.array_equal(varied(seed=3, **spec), varied(seed=4, **spec))


def test_a_mirrored_image_is_exactly_mirrored() -> None:
    assert np.array_equal(varied(hflip=1), IMAGE[:, ::-1])


def test_half_of_the_photos_are_mirrored_at_one_half() -> None:
    mirrored = sum(np.array_equal(varied(seed=seed, hflip=0.5), IMAGE[:, ::-1]) for seed in range(400))
    assert 160 < mirrored < 240


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rotate_deg", 30.0),
        ("min_crop_scale", 0.5),
        ("aspect_jitter", 0.3),
        ("translate", 0.2),
        ("channel_jitter", 0.5),
    ],
)
def test_every_variation_shows(name: str, value: Any) -> None:  # noqa: ANN401 - any field of the spec
    different = [not np.array_equal(varied(seed=seed, **{name: value}), IMAGE) for seed in range(5)]
    assert all(different)


def test_a_half_turn_is_at_most_what_was_asked_for() -> None:
    """A bright spot at the edge of a dark image moves along a circle, never further than the angle allows."""
    image = np.zeros((65, 65, 3), np.uint8)
    image[30:35, 60:65] = 255
    for seed in range(50):
        rows, columns = np.nonzero(varied(seed=seed, image=image, rotate_deg=15)[..., 0] > 100)
        angle = np.rad2deg(np.arctan2(rows.mean() - 32, columns.mean() - 32))
        assert abs(angle) < 16


def test_a_crop_keeps_at_least_the_share_that_was_asked_for() -> None:
    """The columns of a ramp show which part of the side is still visible."""
    ramp = np.repeat(np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))[..., None], 3, axis=2)
    shares = [np.ptp(varied(seed=seed, image=ramp, min_crop_scale=0.6).astype(int)) / 255 for seed in range(100)]
    assert 0.55 < min(shares) < 0.7
    assert max(shares) > 0.9


def test_brightness_moves_the_mean_both_ways_and_no_further_than_asked() -> None:
    grey = np.full((16, 16, 3), 128, np.uint8)
    means = [mean_grey(varied(seed=seed, image=grey, brightness=0.4)) - 128 for seed in range(200)]
    assert -52 <= min(means) < -40
    assert 40 < max(means) <= 52


def test_contrast_turns_about_middle_grey() -> None:
    spreads = [varied(seed=seed, contrast=0.5).std() / IMAGE.std() for seed in range(100)]
    assert 0.45 < min(spreads) < 0.7
    assert max(spreads) > 1.2
    grey = np.full((16, 16, 3), 128, np.uint8)
    assert abs(mean_grey(varied(image=grey, contrast=0.5)) - 128) <= 1


def test_without_colour_the_channels_are_equal_and_the_brightness_stays() -> None:
    out = varied(grayscale_p=1).astype(int)
    assert np.ptp(out, axis=2).max() <= 1
    luma = IMAGE @ np.array([0.299, 0.587, 0.114])
    assert np.abs(out[..., 0] - luma).max() <= 1


def test_saturation_leaves_grey_images_alone() -> None:
    grey = np.repeat(IMAGE[..., :1], 3, axis=2)
    for seed in range(10):
        assert np.abs(varied(seed=seed, image=grey, saturation=0.9).astype(int) - grey).max() <= 1


def test_a_cover_lies_over_2_to_15_percent_of_the_image() -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    shares = [(varied(seed=seed, image=white, random_erasing_p=1)[..., 0] == 128).mean() for seed in range(200)]
    assert min(shares) > 0.015
    assert max(shares) < 0.16
    uncovered = [np.array_equal(varied(seed=seed, image=white, random_erasing_p=0.5), white) for seed in range(200)]
    assert 70 < sum(uncovered) < 130


def test_what_comes_in_from_outside_is_the_image_mirrored_never_black() -> None:
    white = np.full((32, 32, 3), 255, np.uint8)
    for seed in range(20):
        assert varied(seed=seed, image=white, rotate_deg=180, translate=0.5).min() == 255


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hflip", 1.1),
        ("rotate_deg", 181),
        ("min_crop_scale", 0),
        ("aspect_jitter", 1),
        ("contrast", -0.1),
        ("random_erasing_p", 2),
        ("flip", 1),
    ],
)
def test_values_out_of_range_and_unknown_names_are_refused(name: str, value: Any) -> None:  # noqa: ANN401 - on purpose
    with pytest.raises(ValidationError):
        AugmentSpec(**{name: value})


class Scripted:
    """Stands for a generator whose draws are known.

    The draws, in order: mirror, angle, zoom, aspect, two offsets, grayscale, saturation, three channels, contrast,
    brightness, erasing. Those of a range are given as a share of it: 0 is its lower end, 1 its upper end.
    """

    def __init__(self, *after: float, **draws: Any) -> None:  # noqa: ANN401 - a number or a few
        neutral = dict.fromkeys(("mirror", "grayscale", "erasing"), 0.5)
        middle = dict.fromkeys(("angle", "zoom", "aspect", "saturation", "contrast", "brightness"), 0.5)
        given: dict[str, Any] = neutral | middle | {"offset": [0.5, 0.5], "channels": [0.5] * 3} | draws
        order = ["mirror", "angle", "zoom", "aspect", "offset", "grayscale", "saturation", "channels", "contrast"]
        self.draws = [np.asarray(given[name]) for name in (*order, "brightness", "erasing")] + [*map(np.asarray, after)]
        self.ranges: list[tuple[int, int]] = []

    def random(self) -> float:
        return float(self.draws.pop(0))

    def uniform(self, low: float, high: float, size: int | None = None) -> Any:  # noqa: ANN401 - as of a generator
        share = self.draws.pop(0)
        assert share.shape == (() if size is None else (size,))
        return low + share * (high - low)

    def integers(self, low: int, high: int) -> int:
        self.ranges.append((low, high))
        return int(self.draws.pop(0))


def drawn(
    image: NDArray[np.uint8],
    spec: dict[str, float],
    *after: float,
    **draws: Any,  # noqa: ANN401 - a number or a few
) -> NDArray[np.uint8]:
    """Return a copy that is augmented by known draws."""
    return augment(image, AugmentSpec(**spec), Scripted(*after, **draws))  # type: ignore[arg-type]  # all that is used


def close(found: NDArray[Any], expected: NDArray[Any], *, within: float = 1.0) -> bool:
    return bool(np.abs(found.astype(float) - expected).max() <= within)


ROWS, COLUMNS = np.mgrid[:64, :64].astype(float)
RAMP = np.dstack([2 * COLUMNS, 2 * ROWS, np.full((64, 64), 90)]).astype(np.uint8)
"""Red is twice the column, green twice the row."""


def test_angles_at_both_ends_turn_by_what_was_asked_for() -> None:
    assert close(drawn(IMAGE, {"rotate_deg": 90}, angle=1), np.rot90(IMAGE))
    assert close(drawn(IMAGE, {"rotate_deg": 90}, angle=0), np.rot90(IMAGE, -1))


def test_a_photo_is_mirrored_below_the_probability() -> None:
    assert np.array_equal(drawn(IMAGE, {"hflip": 0.5}, mirror=0.4999), IMAGE[:, ::-1])
    assert np.array_equal(drawn(IMAGE, {"hflip": 0.5}, mirror=0.5), IMAGE)


def test_a_crop_of_half_the_side_reaches_from_edge_to_edge() -> None:
    """The middle of 64 pixels is 31.5; the crop moves by a quarter of the side, to the right and up."""
    out = drawn(RAMP, {"min_crop_scale": 0.5}, zoom=0, offset=[1, 0])[2:62, 2:62]
    inside = np.s_[2:62, 2:62]
    assert close(out[..., 0], 2 * (0.5 * (COLUMNS[inside] - 31.5) + 31.5 + 16))
    assert close(out[..., 1], 2 * (0.5 * (ROWS[inside] - 31.5) + 31.5 - 16))
    assert np.array_equal(drawn(RAMP, {"min_crop_scale": 0.5}, zoom=1), RAMP)


def test_a_shift_is_a_share_of_the_side_and_adds_to_that_of_a_crop() -> None:
    out = drawn(RAMP, {"translate": 0.25}, offset=[1, 0])
    assert np.array_equal(out[16:, :48], RAMP[:48, 16:])
    out = drawn(RAMP, {"translate": 0.125, "min_crop_scale": 0.75}, zoom=0, offset=[0, 0])
    inside = np.s_[30:60, 30:60]
    assert close(out[inside][..., 0], 2 * (0.75 * (COLUMNS[inside] - 31.5) + 31.5 - 16))


@pytest.mark.parametrize(("share", "stretch"), [(1, 1.2840254), (0, 0.7788008)])
def test_aspect_stretches_one_side_by_as_much_as_it_shrinks_the_other(share: float, stretch: float) -> None:
    """The fourth root of e is 1.2840254."""
    out = drawn(RAMP, {"aspect_jitter": 0.5}, aspect=share)
    inside = np.s_[12:52, 12:52]
    assert close(out[inside][..., 0], 2 * (stretch * (COLUMNS[inside] - 31.5) + 31.5))
    assert close(out[inside][..., 1], 2 * ((ROWS[inside] - 31.5) / stretch + 31.5))


@pytest.mark.parametrize(
    ("spec", "draws", "expected"),
    [
        ({"brightness": 0.4}, {"brightness": 1}, (151, 201, 251)),
        ({"brightness": 0.4}, {"brightness": 0}, (49, 99, 149)),
        ({"contrast": 0.5}, {"contrast": 1}, (86.25, 161.25, 236.25)),
        ({"contrast": 0.5}, {"contrast": 0}, (113.75, 138.75, 163.75)),
        ({"channel_jitter": 0.2}, {"channels": [1, 0.5, 0]}, (120, 150, 160)),
        ({"saturation": 0.5}, {"saturation": 0}, (120.375, 145.375, 170.375)),
        ({"saturation": 0.5}, {"saturation": 1}, (79.625, 154.625, 229.625)),
        ({"grayscale_p": 0.5}, {"grayscale": 0.5}, (100, 150, 200)),
    ],
)
def test_colors_change_as_worked_out_by_hand(
    spec: dict[str, float], draws: dict[str, Any], expected: tuple[float, float, float]
) -> None:
    """The color is 100, 150, 200, with a luminance of 140.75; contrast turns about 127.5."""
    color = np.full((8, 8, 3), (100, 150, 200), np.uint8)
    assert close(drawn(color, spec, **draws), np.array(expected), within=0.51)


def test_a_gray_photo_gets_its_channels_and_then_its_contrast_and_brightness() -> None:
    """140.75 times 1.2, 1 and 0.8 is 168.9, 140.75 and 112.6; then 1.5 of the distance to 127.5; then 12.75 more."""
    script = Scripted(grayscale=0.49, channels=[1, 0.5, 0], contrast=1, brightness=1)
    del script.draws[6]  # no saturation is drawn
    spec = AugmentSpec(grayscale_p=0.5, channel_jitter=0.2, contrast=0.5, brightness=0.1)
    out = augment(np.full((8, 8, 3), (100, 150, 200), np.uint8), spec, script)  # type: ignore[arg-type]  # all that is used
    assert close(out, np.array([202.35, 160.125, 117.9]), within=0.51)


@pytest.mark.parametrize(
    ("area", "aspect", "height", "width"),
    [(0, 0.5, 14, 14), (1, 0.5, 39, 39), (0, 1, 20, 10), (0, 0, 10, 20), (1, 1, 55, 27)],
)
def test_an_erased_rectangle_has_its_area_and_aspect(area: float, aspect: float, height: int, width: int) -> None:
    """2% of 100 x 100 is a square of 14.1, 15% one of 38.7; the aspect is at most e to the 0.7, which is 2.014."""
    script = Scripted(area, aspect, 10, 20, erasing=0.49)
    white = np.full((100, 100, 3), 255, np.uint8)
    out = augment(white, AugmentSpec(random_erasing_p=0.5), script)  # type: ignore[arg-type]  # all that is used
    expected = white.copy()
    expected[10 : 10 + height, 20 : 20 + width] = 128
    assert np.array_equal(out, expected)
    assert script.ranges == [(0, 101 - height), (0, 101 - width)]
    assert np.array_equal(drawn(white, {"random_erasing_p": 0.5}, erasing=0.5), white)


def test_of_a_tiny_photo_one_pixel_is_erased() -> None:
    out = drawn(np.full((2, 2, 3), 255, np.uint8), {"random_erasing_p": 1}, 0, 0.5, 0, 0)
    assert out[..., 0].tolist() == [[128, 255], [255, 255]]

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

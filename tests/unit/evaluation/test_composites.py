"""Tests of the composites: what is where, and that a seed decides all of it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.evaluation.composites import FACE_UNCLEAR, ONE_PET, TWO_PETS, CompositeKind, composites

SIDE = 48
EACH = 40


def flat(*colors: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return one image of each color, uint8 [N, 48, 48, 3]."""
    return np.stack([np.full((SIDE, SIDE, 3), color, np.uint8) for color in colors])


def made(kind: CompositeKind, photos: NDArray[np.uint8], *, seed: int = 0) -> NDArray[np.uint8]:
    """Return composites of a kind from photos and a blue background."""
    rng = np.random.default_rng(seed)
    found = list(composites(photos, flat((0, 0, 255)), each=EACH, rng=rng, kinds=(kind,)))
    assert {one.kind for one in found} == {kind}
    return np.stack([one.pixels for one in found])


def shares(pixels: NDArray[np.uint8], channel: int) -> NDArray[np.float64]:
    """Return the share [N] of the pixels where a channel is the strongest."""
    return np.asarray((pixels.argmax(axis=3) == channel).mean(axis=(1, 2)))


def test_every_kind_is_of_one_of_the_three_groups() -> None:
    assert sorted([*TWO_PETS, *FACE_UNCLEAR, *ONE_PET]) == sorted(CompositeKind)


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        (CompositeKind.FAR, 0.01, 0.07),
        (CompositeKind.SMALLER, 0.15, 0.82),
        (CompositeKind.HALF, 0.35, 0.65),
        (CompositeKind.PATCH, 0.7, 0.95),
    ],
)
def test_one_pet_fills_its_share_of_a_background(kind: CompositeKind, least: float, most: float) -> None:
    pet = shares(made(kind, flat((255, 0, 0))), 0)
    on_blue = pet[pet < 1]
    assert EACH / 4 < len(on_blue) < EACH, "in half of them the background is a corner of a photo"
    assert least <= on_blue.min()
    assert on_blue.max() <= most
    assert on_blue.std() > 0.005


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        (CompositeKind.SIDE_BY_SIDE, 0.35),
        (CompositeKind.ABOVE, 0.35),
        (CompositeKind.INSET, 0.05),
        (CompositeKind.ON_BACKGROUND, 0.05),
    ],
)
def test_two_pets_are_both_visible(kind: CompositeKind, least: float) -> None:
    pixels = made(kind, flat((255, 0, 0), (0, 255, 0)))
    red, green = shares(pixels, 0), shares(pixels, 1)
    both = (red > 0) & (green > 0)
    assert EACH / 4 < both.sum() < EACH, "the other pet is drawn by chance, and may be the same"
    assert np.minimum(red, green)[both].min() >= least


def test_pets_side_by_side_are_left_and_right_and_else_above_and_below() -> None:
    photos = flat((255, 0, 0), (0, 255, 0))
    beside, above = made(CompositeKind.SIDE_BY_SIDE, photos), made(CompositeKind.ABOVE, photos)
    assert np.array_equal(beside, np.repeat(beside[:, :1], SIDE, axis=1)), "all rows are equal"
    assert np.array_equal(above, np.repeat(above[:, :, :1], SIDE, axis=2)), "all columns are equal"


def test_a_part_is_from_the_lower_half_of_a_photo() -> None:
    photo = flat((255, 0, 0))
    photo[0, SIDE // 2 :] = (0, 255, 0)
    assert shares(made(CompositeKind.PART, photo), 1).min() > 0.95


def test_equal_seeds_give_equal_pixels_and_others_do_not() -> None:
    rng = np.random.default_rng(3)
    photos = rng.integers(0, 256, (5, SIDE, SIDE, 3)).astype(np.uint8)
    for kind in CompositeKind:
        once = made(kind, photos)
        assert once.shape == (EACH, SIDE, SIDE, 3)
        assert once.dtype == np.uint8
        assert np.array_equal(once, made(kind, photos))
        assert not np.array_equal(once, made(kind, photos, seed=1))

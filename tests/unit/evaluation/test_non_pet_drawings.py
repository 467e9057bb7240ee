"""Tests of drawn objects, flat colors, gradients and noise."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from petmood.evaluation.non_pet_drawings import draw_flat_colors, draw_gradients, draw_noise, draw_objects


def pixels_of(images: Iterator[tuple[str, Image.Image]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.asarray(image, dtype=np.float64) for name, image in images}


@pytest.fixture(scope="module")
def noise() -> dict[str, NDArray[np.float64]]:
    return pixels_of(draw_noise())


def neighbor_correlation(values: NDArray[np.float64], *, step: int = 1) -> float:
    return float(np.corrcoef(values[:, :-step].ravel(), values[:, step:].ravel())[0, 1])


def test_flat_colors_have_the_color_of_their_name() -> None:
    flats = pixels_of(draw_flat_colors())
    assert len(flats) == 14
    assert all(flat.shape == (300, 300, 3) and (flat == flat[0, 0]).all() for flat in flats.values())
    expected = {"black": (0, 0, 0), "gray": (128, 128, 128), "white": (255, 255, 255), "saddlebrown": (139, 69, 19)}
    assert {name: tuple(flats[name][0, 0]) for name in expected} == expected


def test_objects_are_drawn_in_two_colorings_and_shapes_four_times() -> None:
    drawn = pixels_of(draw_objects())
    objects = ("house", "tree", "car", "cup", "boat", "umbrella", "lamp")
    assert list(drawn) == [
        *(f"{name}-{number}" for name in objects for number in (0, 1)),
        *(f"shapes-{number}" for number in range(4)),
    ]
    for name, pixels in drawn.items():
        assert pixels.shape == (300, 300, 3)
        center, corner = pixels[75:225, 75:225], pixels[3, 3]
        assert (np.abs(center - corner).max(axis=2) > 30).mean() > 0.2, name
        assert (corner >= 150).all(), name


@pytest.mark.parametrize("number", [0, 1, 2])
def test_gradients_run_across_down_diagonally_and_from_the_center(number: int) -> None:
    drawn = pixels_of(draw_gradients())
    assert len(drawn) == 12
    across, down, diagonal, center = (drawn[f"{way}-{number}"] for way in ("across", "down", "diagonal", "center"))
    assert (across == across[0]).all()
    assert (down == down[:, :1]).all()
    assert (diagonal == diagonal.swapaxes(0, 1)).all()
    assert (diagonal[0, -1] == diagonal[-1, 0]).all()
    assert (center == center[::-1, ::-1]).all()
    for ramp in (across[0], down[:, 0], np.diagonal(diagonal).T, center[149, 149:]):
        steps = np.diff(ramp, axis=0) * np.sign(ramp[-1] - ramp[0])
        assert (steps >= 0).all()
        assert steps.max() <= 2
        assert np.abs(ramp[-1] - ramp[0]).max() > 40


def test_noise_is_drawn_in_gray_and_in_color(noise: dict[str, NDArray[np.float64]]) -> None:
    kinds = [*(f"white-%s-{grain}" for grain in (1, 2, 4, 8)), *(f"smooth-%s-{cells}" for cells in (6, 12, 24, 48))]
    assert list(noise) == [kind % mode for mode in ("gray", "color") for kind in kinds]
    for name, pixels in noise.items():
        assert pixels.shape == (300, 300, 3)
        assert (pixels[..., 0] == pixels[..., 2]).all() == ("gray" in name), name


@pytest.mark.parametrize("mode", ["gray", "color"])
def test_white_noise_is_uniform_and_its_pixels_are_independent(
    noise: dict[str, NDArray[np.float64]], mode: str
) -> None:
    values = noise[f"white-{mode}-1"][..., 1]
    assert values.mean() == pytest.approx(127.5, abs=2)
    assert values.std() == pytest.approx(73.9, abs=1)
    assert abs(neighbor_correlation(values)) < 0.02


@pytest.mark.parametrize("grain", [2, 4, 8])
def test_a_grain_is_a_square_of_one_color(noise: dict[str, NDArray[np.float64]], grain: int) -> None:
    pixels = noise[f"white-color-{grain}"]
    grains = pixels[::grain, ::grain]
    np.testing.assert_array_equal(pixels, grains.repeat(grain, axis=0).repeat(grain, axis=1)[:300, :300])
    assert abs(neighbor_correlation(grains[..., 0])) < 0.1


def test_fewer_cells_give_smoother_noise(noise: dict[str, NDArray[np.float64]]) -> None:
    smooth = [neighbor_correlation(noise[f"smooth-color-{cells}"][..., 0], step=4) for cells in (6, 12, 24, 48)]
    assert all(first > second + 0.01 for first, second in pairwise(smooth))
    assert smooth[0] > 0.97

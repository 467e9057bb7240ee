"""Tests of image corruptions: determinism, increasing severity and valid pixel values."""

import hashlib
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.errors import ConfigError
from petmood.evaluation.corruptions import CORRUPTIONS, LEVELS, Corruption, corrupt, corruption
from tests.support.images import photo_like

NAMES = tuple(CORRUPTIONS)
Pixels = NDArray[np.uint8]


def damage(spoilt: NDArray[np.uint8], pixels: NDArray[np.uint8]) -> float:
    """Return the root mean squared difference, in gray levels."""
    return float(np.sqrt(np.mean((spoilt.astype(float) - pixels) ** 2)))


def test_the_six_faults_of_a_worse_camera_are_declared() -> None:
    assert set(NAMES) == {"blur", "noise", "brightness", "contrast", "jpeg", "crop"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "height"), [(320, 240), (97, 211), (16, 16)])
def test_a_corrupted_photo_is_a_photo_of_the_same_size_and_the_first_is_left_alone(
    name: str, width: int, height: int
) -> None:
    pixels = photo_like(width, height)
    before = pixels.copy()
    pixels.flags.writeable = False
    for level in LEVELS:
        spoilt = corrupt(pixels, name, level=level)
        assert spoilt.shape == pixels.shape
        assert spoilt.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("name", NAMES)
def test_every_level_corrupts_more_than_the_one_before(name: str) -> None:
    pixels = photo_like(224, 224)
    damages = [damage(corrupt(pixels, name, level=level), pixels) for level in LEVELS]
    assert damages[0] > 1.0
    assert damages == sorted(damages)
    assert damages[-1] > 1.2 * damages[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_is_corrupted_in_the_same_way_every_time_and_in_any_layout_of_memory(name: str) -> None:
    pixels = photo_like(80, 60)
    once = corrupt(pixels, name, level=3)
    np.testing.assert_array_equal(corrupt(pixels, name, level=3), once)
    np.testing.assert_array_equal(corrupt(np.asfortranarray(pixels), name, level=3), once)


def test_other_photos_get_other_grain_other_frames_and_other_light() -> None:
    photos = [np.full((64, 64, 3), 120 + shade, dtype=np.uint8) for shade in range(16)]
    grains = [corrupt(photo, "noise", level=1).astype(int) - photo for photo in photos[:2]]
    assert abs(np.corrcoef(grains[0].ravel(), grains[1].ravel())[0, 1]) < 0.05
    shifts = {int(np.sign(corrupt(photo, "brightness", level=3).mean() - photo.mean())) for photo in photos}
    assert shifts == {-1, 1}
    ramps = [np.repeat(np.arange(64, dtype=np.uint8)[:, None, None] + k, 64, axis=1).repeat(3, axis=2) for k in (0, 9)]
    frames = [corrupt(ramp, "crop", level=5).astype(int) - ramp for ramp in ramps]
    assert not np.array_equal(frames[0], frames[1])


def test_noise_has_the_strength_that_the_paper_gives() -> None:
    grey = np.full((256, 256, 3), 128, dtype=np.uint8)
    assert corrupt(grey, "noise", level=2).std() / 255 == pytest.approx(0.12, rel=0.02)


def test_blur_grows_with_the_image() -> None:
    edge = np.zeros((448, 448, 3), dtype=np.uint8)
    edge[:, 224:] = 255
    widths = []
    for step in (1, 2):
        row = corrupt(edge[::step, ::step].copy(), "blur", level=4)[10 // step, :, 0]
        widths.append(int(((row > 25) & (row < 230)).sum()) * step)
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


@pytest.mark.parametrize(
    ("name", "level", "message"),
    [
        ("fog", 3, "Unknown corruption 'fog'. Known: blur, brightness, contrast, crop, jpeg, noise."),
        ("blur", 0, "Expected a level from 1 to 5 for 'blur', got 0."),
        ("jpeg", 6, "Expected a level from 1 to 5 for 'jpeg', got 6."),
    ],
)
def test_unknown_corruptions_and_levels_are_refused(name: str, level: int, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        corrupt(photo_like(32, 32), name, level=level)


def test_a_taken_name_is_refused() -> None:
    message = "The corruption 'blur' is declared twice. Give the second one another name."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        corruption("blur", strengths=(1, 2, 3, 4, 5))(lambda pixels, strength, rng: pixels)  # noqa: ARG005 - as every corruption
    assert CORRUPTIONS["blur"].strengths[0] == 1.0


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Corruption]:
    """Give an empty table of corruptions for the length of a test."""
    table: dict[str, Corruption] = {}
    monkeypatch.setattr("petmood.evaluation.corruptions._registry", table)
    return table


def test_a_declared_corruption_gets_the_strength_of_the_level(declared: dict[str, Corruption]) -> None:
    def fade(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - as every corruption
        return np.asarray(pixels * strength, dtype=np.uint8)

    assert corruption("fade", strengths=(0.9, 0.8, 0.7, 0.6, 0.5))(fade) is fade
    assert declared == {"fade": Corruption("fade", fade, (0.9, 0.8, 0.7, 0.6, 0.5))}
    grey = np.full((2, 2, 3), 100, dtype=np.uint8)
    assert [int(corrupt(grey, "fade", level=level)[0, 0, 0]) for level in LEVELS] == [90, 80, 70, 60, 50]


@pytest.mark.usefixtures("declared")
def test_random_values_are_seeded_by_name_shape_and_pixels_alone() -> None:
    drawn: list[int] = []

    def draw(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - as every corruption
        drawn.append(int(rng.integers(2**62)))
        return pixels

    for name in ("rain", "snow"):
        corruption(name, strengths=(1, 2, 3, 4, 5))(draw)
    wide, high = np.zeros((1, 2, 3), dtype=np.uint8), np.zeros((2, 1, 3), dtype=np.uint8)
    for pixels, name, level in ((wide, "rain", 1), (wide, "rain", 5), (wide, "snow", 1), (high, "rain", 1)):
        corrupt(pixels, name, level=level)
    texts = ("('rain', (1, 2, 3))", "('rain', (1, 2, 3))", "('snow', (1, 2, 3))", "('rain', (2, 1, 3))")
    seeds = [int(hashlib.sha256(text.encode() + bytes(6)).hexdigest()[:16], 16) for text in texts]
    assert drawn == [np.random.default_rng(seed).integers(2**62) for seed in seeds]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("shade", "wanted"), [(0, {0, 102}), (255, {153, 255})])
def test_values_beyond_black_and_white_are_black_and_white(shade: int, wanted: set[int]) -> None:
    photos = [np.full((side, side, 3), shade, dtype=np.uint8) for side in range(1, 9)]
    # A shift by 0.4 is one of 102 gray levels.
    assert {int(value) for photo in photos for value in np.unique(corrupt(photo, "brightness", level=4))} == wanted

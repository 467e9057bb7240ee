"""Tests of the probes for scene warnings, with features that tell the composites apart, and with noise."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.domain import SCENE_WARNINGS
from petmood.evaluation.composites import FACE_UNCLEAR, TWO_PETS, CompositeKind, composites
from petmood.evaluation.scenes import MIN_GROUPS, SceneFit, ScenePhotos, fit_scenes
from tests.support.images import faces

SIDE = 32
Pixels = NDArray[np.uint8]


def spread(pixels: Pixels) -> NDArray[np.float64]:
    """Return features [N, 64 + 32 + 32]: brightness by place, and differences of neighboring rows and columns."""
    gray = pixels.mean(axis=3)
    cells = gray.reshape(len(gray), 8, 4, 8, 4).std(axis=(2, 4)).reshape(len(gray), -1)
    rows = np.abs(np.diff(gray, axis=1, append=0)).mean(axis=2)
    columns = np.abs(np.diff(gray, axis=2, append=0)).mean(axis=1)
    return np.concatenate([cells, rows, columns], axis=1)


def noise(pixels: Pixels) -> NDArray[np.float64]:
    """Return features [N, 500] that say nothing about an image, but are enough to learn images by heart."""
    return np.random.default_rng(int(pixels.sum(dtype=np.int64))).normal(size=(len(pixels), 500))


@pytest.fixture(scope="module")
def photos() -> ScenePhotos:
    """Return 150 drawn faces, each in a group of its own."""
    pixels = faces(150, side_px=SIDE)
    names = tuple(f"group {number}" for number in range(150))
    return ScenePhotos(pixels, spread(pixels), names, np.arange(150) % 3)


@pytest.fixture(scope="module")
def backgrounds() -> Pixels:
    """Return flat images, each of another color."""
    return np.stack([np.full((SIDE, SIDE, 3), color, np.uint8) for color in range(20, 220, 20)])


@pytest.fixture(scope="module")
def fit(photos: ScenePhotos, backgrounds: Pixels) -> SceneFit:
    """Return the probes of these photos."""
    found = fit_scenes(photos, backgrounds, spread, target_false_alarms=0.02)
    assert found is not None
    return found


def test_a_probe_that_finds_most_composites_is_kept(fit: SceneFit) -> None:
    far = fit.shares["face_unclear"]
    assert far.found[CompositeKind.FAR] > 0.9
    assert set(far.found) == set(FACE_UNCLEAR)
    assert far.auroc > 0.7
    assert far.kept
    assert "face_unclear" in fit.kept
    assert set(fit.shares["two_pets"].found) == set(TWO_PETS)


def test_the_limits_are_exceeded_by_the_target_share_of_photos_with_one_pet(
    fit: SceneFit, photos: ScenePhotos, backgrounds: Pixels
) -> None:
    looser = fit_scenes(photos, backgrounds, spread, target_false_alarms=0.2)
    assert looser is not None
    for name in SCENE_WARNINGS:
        assert fit.shares[name].false_alarms <= 0.02
        assert 0.1 < looser.shares[name].false_alarms <= 0.2
    assert np.array_equal(looser.weights, fit.weights)
    assert (looser.offsets > fit.offsets).all()


def test_new_photos_and_composites_score_as_in_the_cross_validation(fit: SceneFit, backgrounds: Pixels) -> None:
    others = faces(60, side_px=SIDE, seed=5000)
    new = composites(others, backgrounds, each=60, rng=np.random.default_rng(9), kinds=(CompositeKind.FAR,))
    far = np.stack([one.pixels for one in new])
    found = [((spread(some) @ fit.weights + fit.offsets)[:, 1] > 0).mean() for some in (others, far)]
    assert found[0] <= 0.1
    assert found[1] >= 0.8


def test_probes_of_features_that_say_nothing_are_not_kept(photos: ScenePhotos, backgrounds: Pixels) -> None:
    found = fit_scenes(replace(photos, features=noise(photos.pixels)), backgrounds, noise, target_false_alarms=0.02)
    assert found is not None
    assert found.kept == ()
    assert all(0.3 < share.auroc < 0.7 for share in found.shares.values())
    assert all(one["kept"] is False for one in found.to_json().values())


def test_the_result_is_the_same_each_time_and_another_for_another_seed(
    fit: SceneFit, photos: ScenePhotos, backgrounds: Pixels
) -> None:
    again, other = (fit_scenes(photos, backgrounds, spread, target_false_alarms=0.02, seed=seed) for seed in (0, 1))
    assert again is not None
    assert other is not None
    assert np.array_equal(again.weights, fit.weights)
    assert again.to_json() == fit.to_json()
    assert not np.array_equal(other.weights, fit.weights)


def test_too_few_groups_give_no_probes(photos: ScenePhotos, backgrounds: Pixels) -> None:
    groups = tuple(f"group {number % (MIN_GROUPS - 1)}" for number in range(150))
    assert fit_scenes(replace(photos, groups=groups), backgrounds, spread, target_false_alarms=0.02) is None


def test_json_has_the_shares_by_warning_and_kind(fit: SceneFit) -> None:
    stored = fit.to_json()
    assert list(stored) == ["two_pets", "face_unclear"]
    for name, share in fit.shares.items():
        assert stored[name]["found"] == {
            str(kind): pytest.approx(value, abs=1e-4) for kind, value in share.found.items()
        }
        assert stored[name]["false_alarms"] == pytest.approx(share.false_alarms, abs=1e-4)
        assert stored[name]["kept"] is share.kept

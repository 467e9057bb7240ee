"""Faces: every mood of every species can be drawn, repeatably, and moods can be told apart."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.moods import MOODS
from petmood.data.expression import express
from petmood.data.faces import SPECIES, draw_face


def face(mood: str, species: str = "cat", *, seed: int = 0, side_px: int = 64) -> NDArray[np.uint8]:
    return draw_face(mood, species, rng=np.random.default_rng(seed), side_px=side_px)


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("mood", MOODS)
def test_every_mood_of_every_species_is_drawn_at_the_size_asked_for(mood: str, species: str) -> None:
    pixels = face(mood, species, side_px=80)
    assert pixels.shape == (80, 80, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 10


def test_the_same_generator_state_gives_the_same_pixels() -> None:
    assert np.array_equal(face("sad"), face("sad"))
    assert not np.array_equal(face("sad"), face("sad", seed=1))


def test_every_mouth_open_and_shut_eyes_and_the_toy_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = {mood: {express(mood, rng).mouth for _ in range(40)} for mood in MOODS}
    assert len(set().union(*drawn.values())) == 8
    pictures = {face(mood, "dog", seed=seed).tobytes() for mood in MOODS for seed in range(12)}
    assert len(pictures) == 48


def test_moods_differ_in_the_face_while_all_else_is_equal_in_distribution() -> None:
    # The mean face of each mood, over many animals: the largest difference is in the face, not at the rim.
    means = np.stack([np.mean([face(mood, seed=s) for s in range(40)], axis=0) for mood in MOODS])
    spread = means.std(axis=0).mean(axis=2)
    assert spread[20:50, 16:48].mean() > 1.15 * np.concatenate([spread[:8].ravel(), spread[-6:].ravel()]).mean()

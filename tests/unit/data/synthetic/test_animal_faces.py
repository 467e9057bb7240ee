"""Tests of synthetic faces: every class and species, reproducible, with distinguishable classes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.synthetic.animal_faces import SPECIES, draw_face
from petmood.data.synthetic.expression import sample_expression


def face(label: str, species: str = "cat", *, seed: int = 0, side_px: int = 64) -> NDArray[np.uint8]:
    return draw_face(label, species, rng=np.random.default_rng(seed), side_px=side_px)


@pytest.mark.parametrize("species", SPECIES)
@pytest.mark.parametrize("label", DEFAULT_CLASSES)
def test_every_label_of_every_species_is_drawn_at_the_size_asked_for(label: str, species: str) -> None:
    pixels = face(label, species, side_px=80)
    assert pixels.shape == (80, 80, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 10


def test_the_same_generator_state_gives_the_same_pixels() -> None:
    assert np.array_equal(face("sad"), face("sad"))
    assert not np.array_equal(face("sad"), face("sad", seed=1))


def test_every_mouth_open_and_shut_eyes_and_the_toy_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = {label: {sample_expression(label, rng).mouth for _ in range(40)} for label in DEFAULT_CLASSES}
    assert len(set().union(*drawn.values())) == 8
    images = {face(label, "dog", seed=seed).tobytes() for label in DEFAULT_CLASSES for seed in range(12)}
    assert len(images) == 48


def test_classes_differ_in_the_face_while_all_else_is_equal_in_distribution() -> None:
    # The mean face of each class, over many animals: the largest difference is in the face, not at the rim.
    means = np.stack([np.mean([face(label, seed=s) for s in range(40)], axis=0) for label in DEFAULT_CLASSES])
    spread = means.std(axis=0).mean(axis=2)
    assert spread[20:50, 16:48].mean() > 1.15 * np.concatenate([spread[:8].ravel(), spread[-6:].ravel()]).mean()

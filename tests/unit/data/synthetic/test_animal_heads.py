"""Tests of the synthetic heads of every species and coat pattern."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from petmood.data.synthetic.animal_heads import PATTERNS, SPECIES, Coat, draw_head, head_of, pick_coat
from petmood.data.synthetic.canvas import Brush

COAT = Coat((200, 150, 90), (250, 246, 238), (80, 140, 190), (60, 42, 44), "plain")


def image(species: str, coat: Coat, *, ear_turn: float = 0.3) -> bytes:
    canvas = Image.new("RGB", (160, 160))
    brush = Brush(ImageDraw.Draw(canvas), centre=(80.0, 90.0), radius_px=38.0, turn=0.0)
    draw_head(brush, head=head_of(species), coat=coat, ear_turn=ear_turn, rng=np.random.default_rng(0))
    return canvas.tobytes()


def test_no_two_species_look_alike() -> None:
    assert len({image(species, COAT) for species in SPECIES}) == len(SPECIES)


@pytest.mark.parametrize("species", SPECIES)
def test_every_pattern_changes_the_image(species: str) -> None:
    # "muzzle" differs from "plain" by the second color of the muzzle alone
    assert len({image(species, replace(COAT, pattern=pattern)) for pattern in PATTERNS}) == len(PATTERNS)


@pytest.mark.parametrize("species", SPECIES)
def test_turning_the_ears_changes_the_image(species: str) -> None:
    assert image(species, COAT, ear_turn=0.0) != image(species, COAT, ear_turn=1.0)


def test_coats_are_drawn_within_the_range_of_colours() -> None:
    rng = np.random.default_rng(0)
    coats = [pick_coat(rng) for _ in range(80)]
    assert {coat.pattern for coat in coats} == set(PATTERNS)
    assert all(0 <= c <= 255 for coat in coats for c in (*coat.main, *coat.second, *coat.edge))
    assert len({coat.main for coat in coats}) > 60


def test_every_animal_has_its_own_measures_near_those_of_its_species() -> None:
    rng = np.random.default_rng(0)
    heads = [head_of("cat", rng) for _ in range(20)]
    assert len({head.eyes for head in heads}) == 20
    assert all(abs(head.mouth_y - head_of("cat").mouth_y) < 0.15 for head in heads)
    assert {head.outline for head in heads} == {head_of("cat").outline}

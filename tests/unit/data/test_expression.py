"""Expressions: each mood has its own cues, with some play."""

import numpy as np
import pytest

from petmood.core.moods import MOODS
from petmood.data.expression import Expression, express


def drawn(mood: str, count: int = 60) -> list[Expression]:
    rng = np.random.default_rng(3)
    return [express(mood, rng) for _ in range(count)]


def test_mouths_belong_to_one_mood_alone() -> None:
    mouths = {mood: {e.mouth for e in drawn(mood)} for mood in MOODS}
    assert all(len(names) >= 2 for names in mouths.values())
    assert sum(len(names) for names in mouths.values()) == len(set().union(*mouths.values()))


def test_brows_fall_inward_in_anger_and_outward_in_sadness() -> None:
    assert np.mean([e.brow_slant for e in drawn("angry")]) > 0.1
    assert np.mean([e.brow_slant for e in drawn("sad")]) < -0.1
    assert {e.brow_slant for e in drawn("other")} == {0.0}


def test_ears_are_up_in_happiness_and_down_in_sadness() -> None:
    ears = {mood: float(np.median([e.ear_turn for e in drawn(mood)])) for mood in MOODS}
    assert ears["happy"] < ears["other"] < ears["angry"] < ears["sad"]


def test_sometimes_a_cue_does_not_join_in() -> None:
    assert 0 < sum(abs(e.brow_slant) < 1e-9 for e in drawn("angry")) < 30


@pytest.mark.parametrize("mood", MOODS)
def test_the_same_generator_state_gives_the_same_expression(mood: str) -> None:
    assert drawn(mood, 5) == drawn(mood, 5)

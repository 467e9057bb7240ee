"""Tests of the synthetic expressions of each class."""

import numpy as np
import pytest

from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.synthetic.expression import Expression, sample_expression


def drawn(label: str, count: int = 60) -> list[Expression]:
    rng = np.random.default_rng(3)
    return [sample_expression(label, rng) for _ in range(count)]


def test_mouths_belong_to_one_label_alone() -> None:
    mouths = {label: {e.mouth for e in drawn(label)} for label in DEFAULT_CLASSES}
    assert all(len(names) >= 2 for names in mouths.values())
    assert sum(len(names) for names in mouths.values()) == len(set().union(*mouths.values()))


def test_brows_fall_inward_in_anger_and_outward_in_sadness() -> None:
    assert np.mean([e.brow_slant for e in drawn("angry")]) > 0.1
    assert np.mean([e.brow_slant for e in drawn("sad")]) < -0.1
    assert {e.brow_slant for e in drawn("other")} == {0.0}


def test_ears_are_up_in_happiness_and_down_in_sadness() -> None:
    ears = {label: float(np.median([e.ear_turn for e in drawn(label)])) for label in DEFAULT_CLASSES}
    assert ears["happy"] < ears["other"] < ears["angry"] < ears["sad"]


def test_sometimes_a_cue_does_not_join_in() -> None:
    assert 0 < sum(abs(e.brow_slant) < 1e-9 for e in drawn("angry")) < 30


@pytest.mark.parametrize("label", DEFAULT_CLASSES)
def test_the_same_generator_state_gives_the_same_expression(label: str) -> None:
    assert drawn(label, 5) == drawn(label, 5)

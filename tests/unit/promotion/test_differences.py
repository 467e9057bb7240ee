"""Tests of the difference of two models in accuracy and of its interval over groups."""

import math

import numpy as np
import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.promotion.differences import compare_slice, difference, number_text, side_by_side, with_interval
from tests.support.right_answers import answers, shares


@pytest.mark.parametrize("group_size", [1, 4])
@pytest.mark.parametrize(("groups", "apart"), [(20, 0.5), (60, 0.1), (60, 0.3), (150, 0.2)])
def test_equal_models_are_seldom_promoted(groups: int, apart: float, group_size: int) -> None:
    """At most 2.5% may be promoted; 21 of 400 draws (5.2%) would be three standard deviations above that."""
    rng = np.random.default_rng(groups)
    promoted = 0
    for _ in range(400):
        fate = np.repeat(rng.choice(3, size=groups, p=[1 - apart, apart / 2, apart / 2]), group_size)
        runs = [answers(fate != who, group_size=group_size) for who in (1, 2)]
        promoted += difference(*runs).low > 0
    assert promoted <= 19


def test_four_wins_and_no_loss_are_chance_and_eight_are_not() -> None:
    base = np.arange(60) >= 20
    for wins, shown in ((4, False), (8, True)):
        found = difference(answers(base | (np.arange(60) < wins)), answers(base))
        assert (found.low > 0) == shown, wins


def test_the_interval_is_that_of_agresti_and_min_where_the_bootstrap_is_blind() -> None:
    scored = answers(shares(60, 0.8))
    found = difference(scored, scored)
    assert [found.value, found.low, found.high] == pytest.approx([0.0, -1.959964 / 62, 1.959964 / 62])
    assert found.n == 60
    first, second = answers(np.arange(100) < 90), answers((np.arange(100) < 80) | (np.arange(100) >= 98))
    won, lost, middle = 10, 2, 8 / 102
    spread = math.sqrt((won + lost + 1) - 102 * middle**2) / 102
    assert difference(first, second).low <= middle - 1.959964 * spread + 1e-9


def test_a_group_of_many_photos_counts_once() -> None:
    base = np.arange(80) >= 40
    alone = difference(answers(base | (np.arange(80) < 16)), answers(base))
    together = difference(answers(base | (np.arange(80) < 16), group_size=8), answers(base, group_size=8))
    assert alone.value == together.value
    assert alone.low > 0 > together.low


def test_a_higher_confidence_is_a_wider_interval() -> None:
    """At least that of Agresti and Min: 10 won, 2 lost, and 2.5758 standard errors for 99%."""
    first, second = answers(np.arange(100) < 90), answers((np.arange(100) < 80) | (np.arange(100) >= 98))
    usual, strict = difference(first, second), difference(first, second, confidence=0.99)
    assert usual == difference(first, second, confidence=0.95)
    assert strict.value == usual.value == pytest.approx(0.08)
    assert strict.low < usual.low < usual.high < strict.high
    middle = 8 / 102
    assert strict.low <= middle - 2.575829 * math.sqrt(13 - 102 * middle**2) / 102 + 1e-6


def test_the_differences_are_written_in_points() -> None:
    assert with_interval(Estimate(0.1, -0.05, 0.25, 10)) == "+10.0 points (-5.0 to +25.0)"
    assert with_interval(Estimate(0.1, math.nan, math.nan, 10)) == "+10.0 points"
    assert number_text(Estimate(-0.25, -0.5, 0.125, 10)) == "-0.250 (-0.500 to +0.125)"


def test_both_sides_come_in_one_order() -> None:
    scored = answers(shares(40, 0.8))
    first, second = side_by_side(scored.take(np.arange(40)[::-1]), scored)
    assert first.paths == second.paths
    assert compare_slice("all", first, second).difference.value == 0

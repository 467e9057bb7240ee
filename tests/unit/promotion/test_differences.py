"""Tests of the difference of two models in accuracy and of its interval over groups."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from petmood.core.errors import DataError
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.predictions import Predictions
from petmood.promotion.differences import (
    compare_slice,
    difference,
    differences_by_group,
    number_text,
    points_text,
    side_by_side,
    with_interval,
)
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
    assert number_text(Estimate(0.25, math.nan, math.nan, 10)) == "+0.250"
    assert [points_text(share) for share in (0.123, -0.5, 0.0)] == ["+12.3 points", "-50.0 points", "+0.0 points"]


def test_a_difference_that_rounds_to_0_has_no_minus_sign() -> None:
    assert points_text(-1e-9) == "+0.0 points"
    assert with_interval(Estimate(-1e-9, -1e-9, -1e-9, 10)) == "+0.0 points (+0.0 to +0.0)"
    assert number_text(Estimate(-1e-9, -1e-9, -1e-9, 10)) == "+0.000 (+0.000 to +0.000)"


def test_both_sides_come_in_one_order() -> None:
    scored = answers(shares(40, 0.8))
    first, second = side_by_side(scored.take(np.arange(40)[::-1]), scored)
    assert first.paths == second.paths
    assert compare_slice("all", first, second).difference.value == 0


def in_groups(right: Sequence[int], *sizes: int) -> Predictions:
    """Return predictions in groups of these sizes, correct where told."""
    scored = answers(np.array(right, bool))
    return replace(scored, groups=tuple(f"g{number}" for number, size in enumerate(sizes) for _ in range(size)))


def test_differences_are_added_up_in_every_group() -> None:
    first, second = in_groups([1, 1, 1, 0, 0, 1], 1, 2, 3), in_groups([0, 1, 0, 1, 1, 1], 1, 2, 3)
    assert differences_by_group(first, second).tolist() == [1, 1, -2]


def test_groups_of_unequal_size_are_compared_by_their_mean_size() -> None:
    """20 groups of 1 and 20 of 3 photos; one photo of a large group is won: 1 / 2 group, of mean size 2.

    Agresti and Min: (0.5 - 1.96 * sqrt(0.25 + 1 - 0.25 / 42)) / 42 and with a plus. Of the bootstrap's draws, 36% have
    no win, so its low end is 0, and its high end 3 wins in 80 photos, more or fewer with the groups drawn.
    """
    sizes = [1] * 20 + [3] * 20
    right = [1] * 80
    lost = [1] * 79 + [0]
    found = difference(in_groups(right, *sizes), in_groups(lost, *sizes))
    reach = 1.959964 * math.sqrt(1.25 - 0.25 / 42)
    ends = [1 / 80, (0.5 - reach) / 42, (0.5 + reach) / 42]
    assert [found.value, found.low, found.high] == pytest.approx(ends)
    assert found.n == 80


def test_the_ends_of_the_interval_are_reproducible() -> None:
    """8 groups of 1 to 7 photos, of which 3 won 1, 1 and 2 photos and 2 lost 1 and 2.

    The low end is the quantile of the bootstrap of the share of all photos, as with 100,000 other draws.
    """
    sizes, sums = np.array([1, 1, 3, 3, 5, 5, 7, 5]), np.array([0, -1, 0, 1, 1, -2, 2, 0])
    starts = np.cumsum(sizes) - sizes
    first, second = np.ones(30, bool), np.ones(30, bool)
    for start, moved in zip(starts, sums, strict=True):
        (second if moved > 0 else first)[start : start + abs(moved)] = False
    found = difference(in_groups(list(first), *sizes), in_groups(list(second), *sizes))
    drawn = np.random.default_rng(1).integers(0, 8, (100_000, 8))
    shares = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    tail = stats.norm.cdf(-math.sqrt(8 / 7) * stats.t.ppf(0.975, 7))
    assert found.low == pytest.approx(np.quantile(shares, tail), abs=0.02)
    assert [found.value, found.low, found.high] == pytest.approx([1 / 30, -0.309649, 0.287799], abs=1e-6)


def test_one_photo_decides_nothing_and_no_interval_is_longer_than_from_minus_1_to_1() -> None:
    """Agresti and Min for one group of three: 1/3 + 1.96 * sqrt(2 - 1/3) / 3 is 1.18, and the low end is -0.51."""
    right = answers(np.ones(1, bool))
    wrong = replace(right, logits=-right.logits)
    won, lost = difference(right, wrong), difference(wrong, right)
    low = 1 / 3 - 1.959964 * math.sqrt(2 - 1 / 3) / 3
    assert [won.value, won.low, won.high] == pytest.approx([1.0, low, 1.0])
    assert [lost.value, lost.low, lost.high] == pytest.approx([-1.0, -1.0, -low])


def test_a_comparison_has_both_accuracies_and_the_difference_at_the_confidence_asked_for() -> None:
    first, second = answers(np.arange(100) < 90), answers(np.arange(100) < 80)
    part = compare_slice("all", first, second, confidence=0.99)
    assert (part.name, part.candidate, part.champion) == ("all", 0.9, 0.8)
    assert part.difference == difference(first, second, confidence=0.99)
    assert compare_slice("all", first, second).difference == difference(first, second, confidence=0.95)


@pytest.mark.parametrize("what", ["paths", "groups", "classes", "labels"])
def test_predictions_of_other_photos_groups_classes_or_labels_are_refused(what: str) -> None:
    scored = answers(np.ones(4, bool))
    changes: dict[str, Any] = {
        "paths": ("photos/x.png", *scored.paths[1:]),
        "groups": ("x", *scored.groups[1:]),
        "classes": ("a", *scored.classes[1:]),
        "labels": np.array([1, 1, 2, 3]),
    }
    said = r"^Expected both bundles to predict the same photos, got different ones\. Run both again\.$"
    with pytest.raises(DataError, match=said):
        side_by_side(scored, replace(scored, **{what: changes[what]}))

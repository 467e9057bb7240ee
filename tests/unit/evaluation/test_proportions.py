"""Tests of exact intervals of proportions: coverage, order and the evidence of groups."""

import numpy as np
import pytest
from scipy import stats

from petmood.evaluation.proportions import clopper_pearson_interval, effective_number, proportion_interval


def test_clopper_and_pearson_agree_with_scipy() -> None:
    for successes, trials in [(0, 12), (5, 12), (12, 12)]:
        known = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
        assert clopper_pearson_interval(successes, trials) == pytest.approx((known.low, known.high))
    assert clopper_pearson_interval(0, 0) == (0.0, 1.0)
    assert clopper_pearson_interval(0, 1) == pytest.approx((0.0, 0.975))
    assert clopper_pearson_interval(1, 1, confidence=0.9) == pytest.approx((0.05, 1.0))


@pytest.mark.parametrize("n", [27, 36, 108, 330])
def test_single_photos_are_covered_in_95_of_100_with_at_most_4_beyond_either_end(n: int) -> None:
    lows, highs = np.array([proportion_interval(k / n, np.arange(n)) for k in range(n + 1)]).T
    for truth in (*np.arange(0.5, 0.99, 0.002), 0.99, 0.995):
        chances = stats.binom.pmf(np.arange(n + 1), n, truth)
        above, below = chances[lows > truth].sum(), chances[highs < truth].sum()
        assert 1 - above - below >= 0.95
        assert max(above, below) <= 0.025


@pytest.mark.parametrize("sizes", [[1] * 36, [1, 2, 3, 6] * 5, [3] * 36])
def test_more_successes_never_lower_an_end(sizes: list[int]) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    lows, highs = np.array([proportion_interval(k / len(groups), groups) for k in range(len(groups) + 1)]).T
    assert (np.diff(lows) > 0).all()
    assert (np.diff(highs) > 0).all()
    assert lows[0] == 0
    assert highs[-1] == 1


@pytest.mark.parametrize("correlation", [0.5, 1.0])
@pytest.mark.parametrize("photos", [36, 108])
def test_photos_of_mixed_groups_are_covered_in_94_of_100(photos: int, correlation: float) -> None:
    rng = np.random.default_rng(photos)
    for truth in (0.6, 0.9, 0.97):
        covered = 0
        for _ in range(400):
            sizes = np.minimum(rng.geometric(0.5, photos), 6)
            groups = np.repeat(np.arange(photos), sizes)[:photos]
            spread = (1 - correlation) / correlation
            easy = rng.beta(truth * spread, (1 - truth) * spread, photos) if spread else rng.random(photos) < truth
            low, high = proportion_interval(float((rng.random(photos) < easy[groups]).mean()), groups)
            covered += low <= truth <= high
        assert covered / 400 >= 0.94


def test_groups_count_by_the_evidence_in_them() -> None:
    assert effective_number(np.arange(36)) == 36
    assert effective_number(np.repeat(np.arange(12), 3)) == pytest.approx(12)
    assert effective_number(np.array([7, 7, 7, 2])) == pytest.approx(16 / 10)
    assert effective_number(np.array([0, 1, 2]), weights=np.array([2.0, 1.0, 1.0])) == pytest.approx(16 / 6)
    assert effective_number(np.zeros(0, dtype=np.int64)) == 0
    assert proportion_interval(0.5, np.zeros(0, dtype=np.int64)) == (0.0, 1.0)


def test_a_share_that_was_rounded_gets_the_ends_of_the_whole_number() -> None:
    groups = np.arange(36)
    assert proportion_interval(1 - 1e-15, groups) == clopper_pearson_interval(36, 36)
    assert proportion_interval(1e-15, groups) == clopper_pearson_interval(0, 36)
    assert proportion_interval(1.5, groups) == clopper_pearson_interval(36, 36)
    assert proportion_interval(-0.5, groups) == clopper_pearson_interval(0, 36)

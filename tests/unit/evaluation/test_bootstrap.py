"""Tests of the cluster bootstrap: coverage of intervals, groups and edge cases."""

import math

import numpy as np
import pytest
from scipy import stats

from petmood.core.errors import ConfigError
from petmood.evaluation.bootstrap import (
    Estimate,
    bootstrap_estimate,
    clopper_pearson_interval,
    cluster_bootstrap_weights,
    estimate_class_metrics,
    estimate_mean,
    estimate_metrics,
)
from petmood.evaluation.metrics import METRICS
from petmood.evaluation.predictions import Predictions
from tests.support.evaluation import MakeScored


def test_photos_of_one_group_are_always_drawn_together() -> None:
    groups = np.array([0, 0, 1, 2, 2, 2])
    weights = cluster_bootstrap_weights(groups, replicates=50, seed=0)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 5])
    np.testing.assert_array_equal(weights[:, [0, 2, 3]].sum(axis=1), 3)


def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    groups = np.arange(20)
    first, again, other = (cluster_bootstrap_weights(groups, replicates=9, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_photos_and_too_few_replicates_are_handled() -> None:
    assert cluster_bootstrap_weights(np.zeros(0, dtype=np.int64), replicates=3, seed=0).shape == (3, 0)
    with pytest.raises(ConfigError, match="at least 2"):
        cluster_bootstrap_weights(np.arange(3), replicates=1, seed=0)


@pytest.mark.parametrize(("groups", "size"), [(30, 1), (60, 4)])
def test_the_interval_covers_the_truth_in_about_95_of_100_data_sets(groups: int, size: int) -> None:
    truth, covered = 0.6, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        easy = rng.beta(3, 2, size=groups)
        right = (rng.random((groups, size)) < easy[:, None]).astype(float)
        estimate = estimate_mean(right.ravel(), np.repeat(np.arange(groups), size), replicates=400, seed=seed)
        covered += estimate.low <= truth <= estimate.high
    assert 0.90 <= covered / 300 <= 0.98


def test_ignoring_groups_would_make_the_interval_too_narrow() -> None:
    right = np.repeat(np.random.default_rng(0).random(40) < 0.6, 5).astype(float)
    honest = estimate_mean(right, np.repeat(np.arange(40), 5))
    naive = estimate_mean(right, np.arange(200))
    assert honest.high - honest.low > 1.8 * (naive.high - naive.low)


def test_clopper_and_pearson_agree_with_scipy() -> None:
    for successes, trials in [(0, 12), (5, 12), (12, 12)]:
        known = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
        assert clopper_pearson_interval(successes, trials) == pytest.approx((known.low, known.high))
    assert clopper_pearson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_gets_the_exact_interval_over_groups(value: float) -> None:
    estimate = estimate_mean(np.full(30, value), np.repeat(np.arange(10), 3), proportion=True)
    assert (estimate.low, estimate.high) == pytest.approx(clopper_pearson_interval(value * 10, 10))
    assert estimate.n == 30


def test_one_group_gives_a_wide_interval_for_a_share_and_none_for_other_numbers() -> None:
    share = estimate_mean(np.array([1.0, 0.0]), np.zeros(2, dtype=np.int64), proportion=True)
    assert share.high - share.low > 0.9
    other = estimate_mean(np.array([1.0, 3.0]), np.zeros(2, dtype=np.int64))
    assert other.value == 2.0
    assert math.isnan(other.low)


def test_no_photos_give_an_estimate_that_json_can_hold() -> None:
    nothing = estimate_mean(np.zeros(0), np.zeros(0, dtype=np.int64)).to_json()
    assert nothing == {"value": None, "low": None, "high": None, "n": 0}
    undefined = bootstrap_estimate(math.nan, np.array([0.5]), n=3, groups=3)
    assert math.isnan(undefined.value)


def test_the_interval_always_holds_its_value() -> None:
    estimate = bootstrap_estimate(0.1, np.linspace(0.2, 0.3, 50), n=9, groups=9)
    assert estimate.low == 0.1
    assert bootstrap_estimate(0.9, np.linspace(0.2, 0.3, 50), n=9, groups=9).high == 0.9


def test_all_measures_come_with_intervals(make_scored: MakeScored) -> None:
    found = estimate_metrics(make_scored(80), temperature=1.3)
    assert list(found) == list(METRICS)
    for estimate in found.values():
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.n == 80


def test_per_class_numbers_count_what_they_divide_by(make_scored: MakeScored) -> None:
    scored = make_scored(80)
    found = estimate_class_metrics(scored)
    for number, name in enumerate(scored.classes):
        assert found[name]["recall"].n == int((scored.labels == number).sum())
        assert found[name]["precision"].n == int((scored.predicted() == number).sum())


def test_a_class_that_is_always_right_still_gets_an_interval() -> None:
    labels = np.array([0, 1] * 6)
    scored = Predictions(
        logits=np.eye(2)[labels] * 5,
        labels=labels,
        groups=tuple(map(str, range(12))),
        paths=tuple(map(str, range(12))),
        classes=("a", "b"),
        species=("",) * 12,
        image_sizes=np.full((12, 2), 99),
        source=("",) * 12,
    )
    recall = estimate_class_metrics(scored)["a"]["recall"]
    assert recall == Estimate(1.0, clopper_pearson_interval(6, 6)[0], 1.0, n=6)

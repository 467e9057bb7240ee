"""Tests of the cluster bootstrap: coverage of intervals, groups and edge cases."""

import itertools
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from petmood.core.errors import ConfigError
from petmood.evaluation.bootstrap import (
    Estimate,
    bootstrap_estimate,
    cluster_bootstrap_weights,
    estimate_class_metrics,
    estimate_mean,
    estimate_metrics,
    estimate_proportion,
)
from petmood.evaluation.metrics import METRICS, per_sample_brier, per_sample_nll
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.proportions import clopper_pearson_interval
from tests.support.evaluation import MakeScored


def test_photos_of_one_group_are_always_drawn_together() -> None:
    groups = np.array([0, 0, 1, 2, 2, 2])
    weights = cluster_bootstrap_weights(groups, replicates=50, seed=0)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 5])
    np.testing.assert_array_equal(weights[:, [0, 2, 3]].sum(axis=1), 3)
    assert weights.dtype == np.float64


def test_the_same_seed_draws_the_same_and_another_seed_does_not() -> None:
    groups = np.arange(20)
    first, again, other = (cluster_bootstrap_weights(groups, replicates=9, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_photos_and_too_few_replicates_are_handled() -> None:
    assert cluster_bootstrap_weights(np.zeros(0, dtype=np.int64), replicates=3, seed=0).shape == (3, 0)
    message = "Expected at least 2 bootstrap replicates, got 1. 2000 is usual."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        cluster_bootstrap_weights(np.arange(3), replicates=1, seed=0)
    assert cluster_bootstrap_weights(np.arange(3), replicates=2, seed=0).shape == (2, 3)


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


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_gets_the_exact_interval_over_groups(value: float) -> None:
    estimate = estimate_proportion(np.full(30, value), np.repeat(np.arange(10), 3))
    assert (estimate.low, estimate.high) == pytest.approx(clopper_pearson_interval(value * 10, 10))
    assert estimate.n == 30


def test_one_group_gives_a_wide_interval_for_a_share_and_none_for_other_numbers() -> None:
    share = estimate_proportion(np.array([1.0, 0.0]), np.zeros(2, dtype=np.int64))
    assert share.high - share.low > 0.9
    other = estimate_mean(np.array([1.0, 3.0]), np.zeros(2, dtype=np.int64))
    assert other.value == 2.0
    assert math.isnan(other.low)


def mostly_right(n: int, wrong: int, *, classes: int = 3) -> Predictions:
    """Return predictions for photos that are groups of their own; the first `wrong` of them are wrong."""
    labels = np.arange(n) % classes
    predicted = np.where(np.arange(n) < wrong, (labels + 1) % classes, labels)
    names, blank = tuple(f"{i:04d}" for i in range(n)), ("",) * n
    known = tuple("abcdefgh"[:classes])
    return Predictions(np.eye(classes)[predicted] * 5, labels, names, names, known, blank, np.full((n, 2), 99), blank)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy"])
def test_the_accuracy_covers_the_truth_in_95_of_100_and_a_good_model_is_not_rated_too_high(name: str) -> None:
    n = 36
    ends = [estimate_metrics(mostly_right(n, n - right))[name] for right in range(n + 1)]
    for truth in (*np.arange(0.5, 0.99, 0.005), 0.99, 0.995):
        chances = stats.binom.pmf(np.arange(n + 1), n, truth)
        above = sum(chances[k] for k, end in enumerate(ends) if end.low > truth)
        below = sum(chances[k] for k, end in enumerate(ends) if end.high < truth)
        assert 1 - above - below >= 0.94
        assert max(above, below) <= 0.04


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "macro_f1"])
def test_one_more_right_photo_never_lowers_an_end_of_a_share(name: str) -> None:
    ends = [estimate_metrics(mostly_right(36, wrong))[name] for wrong in range(13)]
    assert all(more.low > fewer.low and more.high >= fewer.high for more, fewer in itertools.pairwise(ends))


def test_the_interval_of_all_right_is_no_wider_than_that_of_one_wrong() -> None:
    one_wrong, all_right = (estimate_metrics(mostly_right(36, wrong))["accuracy"] for wrong in (1, 0))
    assert (one_wrong.low, one_wrong.high) == pytest.approx((0.8547, 0.9993), abs=1e-4)
    assert (all_right.low, all_right.high) == pytest.approx((0.9026, 1.0), abs=1e-4)


def test_rare_classes_make_the_balanced_accuracy_less_certain() -> None:
    even = estimate_metrics(mostly_right(60, 0))["balanced_accuracy"]
    scored = mostly_right(60, 0).take([*range(0, 60, 3), *range(1, 60, 3), 2, 5])
    uneven = estimate_metrics(scored)["balanced_accuracy"]
    trials = 1 / (20 * (1 / 60) ** 2 * 2 + 2 * (1 / 6) ** 2)
    assert (uneven.low, uneven.high) == pytest.approx(clopper_pearson_interval(trials, trials))
    assert uneven.low < even.low - 0.1


def test_photos_of_rare_classes_weigh_as_much_as_others_in_the_accuracy() -> None:
    scored = mostly_right(60, 0).take([*range(0, 60, 3), *range(1, 60, 3), 2, 5])
    accuracy = estimate_metrics(scored)["accuracy"]
    assert (accuracy.low, accuracy.high) == pytest.approx(clopper_pearson_interval(42, 42))


def test_f1_has_the_interval_of_the_photos_of_the_class_or_called_so() -> None:
    scored = mostly_right(36, 6)
    found = estimate_class_metrics(scored)["a"]
    both, either = 10, 14
    low, high = clopper_pearson_interval(both, either)
    assert found["f1"].value == pytest.approx(2 * both / (either + both))
    assert (found["f1"].low, found["f1"].high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))
    assert (found["recall"].low, found["recall"].high) == pytest.approx(clopper_pearson_interval(10, 12))
    assert (found["precision"].low, found["precision"].high) == pytest.approx(clopper_pearson_interval(10, 12))
    assert {name: estimate.n for name, estimate in found.items()} == {"precision": 12, "recall": 12, "f1": 12}


def test_numbers_of_a_class_without_photos_or_predictions_are_undefined() -> None:
    scored = mostly_right(12, 0, classes=2)
    found = estimate_class_metrics(
        replace(scored, logits=np.pad(scored.logits, [(0, 0), (0, 1)]), classes=("a", "b", "c"))
    )
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    assert {name: estimate.to_json() for name, estimate in found["c"].items()} == {
        "precision": nothing,
        "recall": nothing,
        "f1": nothing,
    }
    assert (found["a"]["f1"].value, found["a"]["f1"].n) == (1.0, 6)


def test_precision_counts_predictions_and_the_others_count_photos_of_the_class() -> None:
    # Two of the three photos of "a" are called "b", as are both photos of "b": F1 of "b" is 2 * 2 / (4 + 2).
    predicted, labels = np.array([1, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1])
    names, blank = tuple("klmno"), ("",) * 5
    scored = Predictions(np.eye(2)[predicted], labels, names, names, ("a", "b"), blank, np.full((5, 2), 99), blank)
    found = estimate_class_metrics(scored)["b"]
    assert (found["precision"].value, found["recall"].value, found["f1"].value) == pytest.approx((0.5, 1.0, 2 / 3))
    assert [found[name].n for name in ("precision", "recall", "f1")] == [4, 2, 2]


def test_a_finite_estimate_as_json_has_its_numbers() -> None:
    assert Estimate(0.5, 0.25, 0.75, n=8).to_json() == {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}
    half = Estimate(0.5, -math.inf, math.nan, n=8)
    assert half.to_json() == {"value": 0.5, "low": None, "high": None, "n": 8}


@pytest.mark.parametrize(("asked", "replicates", "seed"), [({}, 2000, 0), ({"replicates": 30, "seed": 3}, 30, 3)])
def test_the_interval_of_a_mean_is_that_of_draws_of_whole_groups(
    asked: dict[str, int], replicates: int, seed: int
) -> None:
    # Twenty groups of one to four photos, numbered 0, 5, 10, ... in the order of their first photos.
    sizes = np.resize([1, 3, 2, 4], 20)
    groups, per_photo = np.repeat(np.arange(20) * 5, sizes), np.random.default_rng(1).normal(size=50)
    sums = [part.sum() for part in np.split(per_photo, np.cumsum(sizes)[:-1])]
    times = cluster_bootstrap_weights(np.arange(20), replicates=replicates, seed=seed)
    wanted = bootstrap_estimate(sum(sums) / 50, times @ sums / (times @ sizes), n=50, groups=20)
    found = estimate_mean(per_photo, groups, **asked)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert found.n == 50


@pytest.mark.parametrize(
    ("asked", "temperature"), [({}, 1.0), ({"replicates": 30, "seed": 3, "temperature": 2.0}, 2.0)]
)
def test_nll_and_brier_score_are_means_of_photos_with_their_intervals(
    make_scored: MakeScored, asked: dict[str, Any], temperature: float
) -> None:
    scored = make_scored(40, group_size=2)
    found = estimate_metrics(scored, **asked)
    draws = {name: value for name, value in asked.items() if name != "temperature"}
    for name, of_photos in (("nll", per_sample_nll), ("brier", per_sample_brier)):
        per_photo = of_photos(scored.probabilities(temperature=temperature), scored.labels)
        wanted = estimate_mean(per_photo, np.arange(40) // 2, **draws)
        assert (found[name].value, found[name].low, found[name].high) == pytest.approx(
            (wanted.value, wanted.low, wanted.high)
        )
        assert found[name].n == 40


def test_no_photos_give_an_estimate_that_json_can_hold() -> None:
    nothing = estimate_mean(np.zeros(0), np.zeros(0, dtype=np.int64)).to_json()
    assert nothing == {"value": None, "low": None, "high": None, "n": 0}
    assert estimate_proportion([], np.zeros(0, dtype=np.int64)).to_json() == nothing


@pytest.mark.parametrize(
    ("value", "replicates", "groups", "ends"),
    [
        (math.nan, [0.4, 0.5, 0.6], 3, (None, None, None)),
        (0.5, [math.nan, math.nan], 3, (None, None, None)),
        (0.5, [math.nan, 0.5], 3, (0.5, None, None)),
        (0.5, [0.5, 0.5, 0.5], 3, (0.5, None, None)),
        (0.5, [0.4, 0.5, 0.6], 1, (0.5, None, None)),
        # 12.71 x sqrt(2) = 18 standard deviations: the least and the greatest replicate.
        (0.5, [0.4, 0.5, 0.6], 2, (0.5, 0.4, 0.6)),
    ],
)
def test_a_bootstrap_has_ends_where_replicates_of_two_groups_or_more_differ(
    value: float, replicates: list[float], groups: int, ends: tuple[float | None, ...]
) -> None:
    found = bootstrap_estimate(value, np.array(replicates), n=7, groups=groups).to_json()
    assert found == dict(zip(("value", "low", "high"), ends, strict=True)) | {"n": 7}


@pytest.mark.parametrize(("holds", "right"), [([1], 1), ([1, 1, 0, 1], 3), ([False, True, False], 1)])
def test_a_share_of_single_photos_has_the_exact_interval(holds: list[int], right: int) -> None:
    found = estimate_proportion(holds, np.arange(len(holds)))
    low, high = clopper_pearson_interval(right, len(holds))
    assert (found.value, found.low, found.high) == pytest.approx((right / len(holds), low, high))
    assert found.n == len(holds)


def test_the_interval_always_holds_its_value() -> None:
    estimate = bootstrap_estimate(0.1, np.linspace(0.2, 0.3, 50), n=9, groups=9)
    assert estimate.low == 0.1
    assert bootstrap_estimate(0.9, np.linspace(0.2, 0.3, 50), n=9, groups=9).high == 0.9


def test_few_groups_widen_the_percentiles_by_the_t_distribution() -> None:
    # sqrt(20 / 19) * 2.0930 = 2.1474 standard deviations, of which 1.588% of a normal distribution lie beyond either
    estimate = bootstrap_estimate(0.5, np.linspace(0, 1, 10_001), n=20, groups=20)
    assert (estimate.low, estimate.high) == pytest.approx((0.01588, 0.98412), abs=1e-5)


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

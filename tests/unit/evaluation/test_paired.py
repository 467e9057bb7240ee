"""Tests of the paired comparison: chance differences and incomparable runs."""

import json
import math
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss

from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.paired import PAIRED_METRICS, PairedTest, paired_test, sign_flip_p_value
from petmood.evaluation.predictions import Predictions
from tests.support.evaluation import MakeScored


def disturbed(scored: Predictions, *, share: float, seed: int) -> Predictions:
    """Replace the predictions of a share of the photos by noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=scored.logits.shape)
    return replace(scored, logits=np.where(rng.random((len(scored), 1)) < share, noise, scored.logits))


def test_a_comparison_is_written_as_json() -> None:
    found = PairedTest("nll", 0.75, 0.5, difference=Estimate(0.25, 0.125, 0.375, n=40), p_value=0.0625, groups=20)
    assert found.to_json() == {
        "metric": "nll",
        "first": 0.75,
        "second": 0.5,
        "difference": {"value": 0.25, "low": 0.125, "high": 0.375, "n": 40},
        "p_value": 0.0625,
        "groups": 20,
    }


def test_one_group_that_differs_says_nothing_about_which_run_is_better(make_scored: MakeScored) -> None:
    scored = make_scored(40)
    logits = scored.logits.copy()
    logits[3] = np.eye(4)[scored.labels[3]] * 9
    other = logits.copy()
    other[3] = np.roll(np.eye(4)[scored.labels[3]], 1) * 9
    found = paired_test(replace(scored, logits=logits), replace(scored, logits=other))
    assert (found.difference.value, found.p_value) == (1 / 40, 1.0)
    assert sign_flip_p_value(np.array([0.0, 0.7, 0.0]), permutations=100, seed=0) == 1.0


def test_a_clearly_better_run_is_recognised(make_scored: MakeScored) -> None:
    good = make_scored(300, skill=3.0)
    found = paired_test(good, disturbed(good, share=0.5, seed=1))
    assert found.p_value < 0.001
    assert found.difference.low > 0
    assert found.difference.value == pytest.approx(found.first - found.second)


def test_equally_good_runs_seldom_look_different(make_scored: MakeScored) -> None:
    base = make_scored(80, skill=2.0)
    p_values = []
    for seed in range(120):
        runs = (disturbed(base, share=0.4, seed=2 * seed + k) for k in range(2))
        p_values.append(paired_test(*runs, permutations=400, seed=seed).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.1
    assert np.mean(p_values) > 0.4


def test_few_differing_groups_get_the_exact_p_value(make_scored: MakeScored) -> None:
    first = make_scored(40, skill=9.0)
    logits = first.logits.copy()
    logits[:5] = -logits[:5]
    assert paired_test(first, replace(first, logits=logits)).p_value == pytest.approx(2 / 2**5)


def test_single_photo_groups_agree_with_the_exact_sign_test(make_scored: MakeScored) -> None:
    first, second = make_scored(30, seed=1), make_scored(30, seed=1, skill=0.5)
    apart = (first.predicted() == first.labels).astype(int) - (second.predicted() == second.labels)
    moved = int((apart != 0).sum())
    known = stats.binomtest(int((apart > 0).sum()), moved).pvalue
    assert paired_test(first, second).p_value == pytest.approx(known)


def test_groups_are_flipped_as_one(make_scored: MakeScored) -> None:
    first = make_scored(24, skill=9.0, group_size=6)
    logits = first.logits.copy()
    logits[:12] = -logits[:12]
    found = paired_test(first, replace(first, logits=logits))
    sums = [6, 6]
    known = np.mean([abs(np.dot(signs, sums)) >= 12 for signs in product((-1, 1), repeat=2)])
    assert found.p_value == known
    assert found.groups == 4


def test_totals_that_differ_in_their_last_digits_alone_are_ties() -> None:
    for seed in range(100):
        tenths = np.random.default_rng(seed).integers(-7, 8, 8)
        flipped = np.abs(np.array(list(product((-1, 1), repeat=8))) @ tenths)
        known = np.mean(flipped >= abs(tenths.sum()))
        assert sign_flip_p_value(tenths / 30, permutations=1, seed=0) == known


def test_random_flips_agree_with_the_normal_distribution() -> None:
    sums = np.random.default_rng(3).normal(0.1, 1, 200)
    known = 2 * stats.norm.sf(abs(sums.sum()) / np.sqrt((sums**2).sum()))
    assert sign_flip_p_value(sums, permutations=10_000, seed=0) == pytest.approx(known, abs=0.02)
    assert sign_flip_p_value(sums + 9, permutations=10_000, seed=0) == 1 / 10_001


def test_14_differing_groups_are_exact_and_15_are_drawn() -> None:
    # Of 2^14 sign patterns, 2 are as far from 0. A group that differs by a rounding error is none.
    assert sign_flip_p_value(np.array([1.0] * 14 + [1e-12]), permutations=100, seed=0) == 2 / 2**14
    assert sign_flip_p_value(np.full(15, 1.0), permutations=100, seed=0) >= 1 / 101
    # Of 8 totals, 4 are 2 and 4 are 0, to 9 digits.
    assert sign_flip_p_value(np.array([1.0, 1.0, 2e-10]), permutations=100, seed=0) == 4 / 8


def test_10_000_flips_are_drawn_by_default(make_scored: MakeScored) -> None:
    right = make_scored(300, skill=20.0)
    assert paired_test(right, replace(right, logits=-right.logits)).p_value == 1 / 10_001


def test_a_comparison_depends_on_the_seed_alone(make_scored: MakeScored) -> None:
    first, second = (disturbed(make_scored(40), share=0.4, seed=seed) for seed in range(2))
    compared = [paired_test(first, second, metric="nll", seed=seed) for seed in range(4)]
    assert len({found.p_value for found in compared}) > 1
    assert [paired_test(first, second, metric="nll", seed=seed) for seed in range(4)] == compared
    assert paired_test(first, second, metric="nll") == compared[0]


def test_the_interval_of_the_difference_is_that_of_a_mean_over_groups(make_scored: MakeScored) -> None:
    """With 300 groups of 1 to 3 photos it is close to the normal interval of a ratio estimate (Cochran, 1977)."""
    groups = np.repeat(np.arange(300), np.tile([1, 2, 3], 100))
    first = replace(make_scored(600, skill=2.0), groups=tuple(f"{group:03d}" for group in groups))
    second = disturbed(first, share=0.3, seed=4)
    found = paired_test(first, second)
    apart = (first.predicted() == first.labels).astype(float) - (second.predicted() == second.labels)
    errors = np.bincount(groups, weights=apart - apart.mean())
    reach = 1.96 * np.sqrt((errors**2).sum()) / 600
    assert found.difference.value == pytest.approx(apart.mean())
    assert found.difference.low == pytest.approx(apart.mean() - reach, abs=0.1 * reach)
    assert found.difference.high == pytest.approx(apart.mean() + reach, abs=0.1 * reach)
    assert (found.difference.n, found.groups) == (600, 300)


def test_runs_that_differ_alike_on_every_photo_have_a_difference_and_no_interval(make_scored: MakeScored) -> None:
    right = make_scored(20, skill=20.0)
    found = paired_test(right, replace(right, logits=-right.logits)).difference
    assert found.to_json() == {"value": 1.0, "low": None, "high": None, "n": 20}
    assert math.isnan(found.low)


def test_the_order_of_photos_does_not_matter(make_scored: MakeScored) -> None:
    first = make_scored(50)
    second = disturbed(first, share=0.3, seed=2)
    mixed = second.take(np.random.default_rng(0).permutation(50))
    assert paired_test(first, mixed) == paired_test(first, second)


@pytest.mark.parametrize("metric", PAIRED_METRICS)
def test_a_run_against_itself_differs_by_nothing(make_scored: MakeScored, metric: str) -> None:
    scored = make_scored(50)
    found = paired_test(scored, scored, metric=metric)
    assert found.p_value == 1.0
    assert found.difference.value == 0.0
    # Clopper and Pearson: none of 50 groups is at most a share p of which 0.025 = (1 - p)^50.
    assert found.difference.high == pytest.approx(1 - 0.025 ** (1 / 50))
    assert found.difference.low == -found.difference.high
    assert (found.metric, found.difference.n, found.groups) == (metric, 50, 50)
    json.dumps(found.to_json(), allow_nan=False)


def test_both_runs_have_the_means_that_scikit_learn_knows(make_scored: MakeScored) -> None:
    first = make_scored(70, skill=0.7)
    second = disturbed(first, share=0.5, seed=3)
    truths = first.labels
    for number, scored in enumerate((first, second)):
        p, said = scored.probabilities(), scored.predicted()
        known = {
            "accuracy": accuracy_score(truths, said),
            "balanced_accuracy": balanced_accuracy_score(truths, said),
            "brier": np.mean(((p - np.eye(4)[truths]) ** 2).sum(axis=1)),
            "nll": log_loss(truths, p, labels=range(4)),
        }
        compared = {metric: paired_test(first, second, metric=metric, permutations=9) for metric in PAIRED_METRICS}
        assert {name: (test.first, test.second)[number] for name, test in compared.items()} == pytest.approx(known)
        assert [test.metric for test in compared.values()] == list(PAIRED_METRICS)


def test_what_can_not_be_compared_is_named(make_scored: MakeScored) -> None:
    scored, ten = make_scored(10), "photos/0000.jpg, photos/0001.jpg, photos/0002.jpg and 7 more"
    same_data = "Evaluate both runs on the same data"
    surplus = "Expected the same photos in both runs, got"
    truth = f"Expected the same truth and group for every photo, got 10 that differ: {ten}. {same_data} version."
    refused = [
        (scored.take(range(9)), f"{surplus} 1 that only the first predicted: photos/0009.jpg. {same_data}."),
        (make_scored(10, prefix="other"), f"{surplus} 10 that only the first predicted: {ten}. {same_data}."),
        (
            make_scored(10, classes=("a", "b")),
            f"Expected two runs with the same classes in the same order, got {', '.join(scored.classes)} and a, b.",
        ),
        (replace(scored, labels=(scored.labels + 1) % 4), truth),
        (replace(scored, groups=("x",) * 10), truth),
        (
            scored.take([*range(10), 3]),
            "Expected every photo once, got 10 and 11 predictions of the same photos.",
        ),
    ]
    for other, message in refused:
        with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
            paired_test(scored, other)
    message = (
        f"{surplus} 6 that only the second predicted: photos/0004.jpg, photos/0005.jpg, photos/0006.jpg and 3 more"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}. {same_data}.$"):
        paired_test(scored.take(range(4)), scored)
    message = f"Expected photos to compare two runs on, got none. {same_data}."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        paired_test(make_scored(0), make_scored(0))
    message = "Unknown metric 'macro_f1' for a paired test. Known: accuracy, balanced_accuracy, brier, nll."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        paired_test(scored, scored, metric="macro_f1")

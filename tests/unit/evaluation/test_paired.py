"""Tests of the paired comparison: chance differences and incomparable runs."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score

from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.paired import PAIRED_METRICS, paired_test, sign_flip_p_value
from petmood.evaluation.predictions import Predictions
from tests.support.evaluation import MakeScored


def disturbed(scored: Predictions, *, share: float, seed: int) -> Predictions:
    """Replace the predictions of a share of the photos by noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=scored.logits.shape)
    return replace(scored, logits=np.where(rng.random((len(scored), 1)) < share, noise, scored.logits))


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
    assert -0.1 < found.difference.low < 0 < found.difference.high < 0.1
    json.dumps(found.to_json(), allow_nan=False)


def test_balanced_accuracy_is_the_mean_that_scikit_learn_knows(make_scored: MakeScored) -> None:
    scored = make_scored(70, skill=0.7)
    found = paired_test(scored, disturbed(scored, share=0.5, seed=3), metric="balanced_accuracy")
    assert found.first == pytest.approx(balanced_accuracy_score(scored.labels, scored.predicted()))


def test_what_can_not_be_compared_is_named(make_scored: MakeScored) -> None:
    scored = make_scored(10)
    refused = {
        r"only the first predicted: photos/0009\.jpg": scored.take(range(9)),
        r"and 7 more": make_scored(10, prefix="elsewhere"),
        r"same classes": make_scored(10, classes=("a", "b", "c", "d")),
        r"same truth .*photos/0000\.jpg": replace(scored, labels=(scored.labels + 1) % 4),
        r"same truth and group": replace(scored, groups=("x",) * 10),
        r"every photo once": scored.take([*range(10), 3]),
    }
    for said, other in refused.items():
        with pytest.raises(DataError, match=said):
            paired_test(scored, other)
    with pytest.raises(DataError, match="only the second predicted"):
        paired_test(scored.take(range(4)), scored)
    with pytest.raises(DataError, match="got none"):
        paired_test(make_scored(0), make_scored(0))
    with pytest.raises(ConfigError, match="accuracy, balanced_accuracy"):
        paired_test(scored, scored, metric="macro_f1")

"""Tests of the permutation test: its p-value, its band, and which labels are exchanged."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from petmood.evaluation.permutation import (
    PERMUTATIONS,
    PermutationTest,
    Permuted,
    compared_with_permuted,
    permutation_test,
    permute_by_group,
)
from petmood.evaluation.predictions import Predictions
from tests.support.evaluation import MakeScored


def predicting(scored: Predictions, called: np.ndarray) -> Predictions:
    """Return predictions of these classes for the same photos."""
    return replace(scored, logits=np.eye(len(scored.classes))[called])


def grouped(scored: Predictions, groups: list[int], labels: list[int]) -> Predictions:
    """Return the same predictions of photos in these groups with these labels."""
    return replace(scored, groups=tuple(map(str, groups)), labels=np.array(labels))


def test_the_p_value_counts_permutations_at_least_as_good_and_is_never_zero() -> None:
    found = compared_with_permuted(0.5, [0.1, 0.5, 0.6, *[0.2] * 16], permuted=Permuted.REFITS)
    assert found.p_value == pytest.approx((1 + 2) / (1 + 19))
    assert found.permutations == 19
    assert compared_with_permuted(0.9, [0.2] * 99, permuted=Permuted.REFITS).p_value == pytest.approx(0.01)
    tie = compared_with_permuted(0.1 + 0.2, [0.3] * 9, permuted=Permuted.REFITS)
    assert tie.p_value == 1, "equal accuracies differ in their last digit"


def test_95_percent_of_permutations_lie_in_the_band_around_their_mean() -> None:
    found = compared_with_permuted(2.0, np.arange(1001) / 1000, permuted=Permuted.REFITS)
    assert (found.low, found.mean, found.high) == pytest.approx((0.025, 0.5, 0.975))
    assert found.to_json() == {
        "permuted": "refits",
        "permutations": 1001,
        "mean": pytest.approx(0.5),
        "low": pytest.approx(0.025),
        "high": pytest.approx(0.975),
        "p_value": pytest.approx(1 / 1002),
    }


def test_predictions_that_are_right_more_often_than_any_permutation_have_the_smallest_p_value(
    make_scored: MakeScored,
) -> None:
    found = permutation_test([make_scored(60, skill=9.0)])
    assert found.permutations == PERMUTATIONS == 9999
    assert found.p_value == pytest.approx(1 / 10_000)
    assert found.mean == pytest.approx(0.25, abs=0.03)
    assert 0.1 < found.low < 0.2
    assert 0.3 < found.high < 0.4


def test_the_p_value_is_that_of_all_orders_of_the_labels(make_scored: MakeScored) -> None:
    scored = make_scored(7, skill=1.0, seed=4, classes=("a", "b", "c"))
    right = [(scored.predicted() == scored.labels[list(order)]).mean() for order in permutations(range(7))]
    exact = np.mean(np.array(right) >= (scored.predicted() == scored.labels).mean() - 1e-9)
    assert permutation_test([scored]).p_value == pytest.approx(exact, abs=0.015)


@pytest.mark.parametrize("sizes", [[1] * 30, [3] * 10, [1, 1, 2, 2, 2, 3, 3, 4, 4, 8]])
def test_a_model_that_always_gives_one_class_is_as_good_as_every_permutation(
    make_scored: MakeScored, sizes: list[int]
) -> None:
    # The most frequent class has the large groups: exchanging labels between groups of any size would change its share.
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.where(np.array(sizes)[groups] >= np.median(sizes), 0, 1)
    labels[groups == len(sizes) - 2] = 1
    scored = replace(make_scored(len(groups), classes=("a", "b")), labels=labels, groups=tuple(map(str, groups)))
    found = permutation_test([predicting(scored, np.zeros(len(groups), dtype=int))])
    assert found.p_value == 1
    assert found.low == found.high == pytest.approx((labels == 0).mean())


def test_photos_of_one_group_are_one_observation(make_scored: MakeScored) -> None:
    # Eight groups of ten photos, half of them of each class: 70 orders, and one of them is all right.
    groups = np.repeat(np.arange(8), 10)
    labels = groups % 2
    scored = replace(make_scored(80, classes=("a", "b")), labels=labels, groups=tuple(map(str, groups)))
    assert permutation_test([predicting(scored, labels)]).p_value == pytest.approx(1 / 70, abs=0.005)
    alone = replace(scored, groups=tuple(map(str, range(80))))
    assert permutation_test([predicting(alone, labels)]).p_value == pytest.approx(1 / 10_000)


def test_the_accuracy_of_repeats_is_their_mean(make_scored: MakeScored) -> None:
    scored = make_scored(40, classes=("a", "b"), seed=3)
    right, wrong = (predicting(scored, called) for called in (scored.labels, 1 - scored.labels))
    both = permutation_test([right, wrong], permutations=99)
    assert (both.mean, both.low, both.high, both.p_value) == pytest.approx((0.5, 0.5, 0.5, 1.0))
    assert permutation_test([right, right]) == permutation_test([right])


def test_one_seed_gives_one_result_and_another_seed_another(make_scored: MakeScored) -> None:
    scored = make_scored(40, skill=0.4, group_size=3)
    first, again, other = (permutation_test([scored], permutations=999, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert isinstance(first, PermutationTest)
    assert first.permuted == Permuted.PREDICTIONS


def test_the_labels_of_a_group_stay_together_and_every_label_is_used_once() -> None:
    groups = np.array([5, 5, 9, 9, 0, 0, 7, 7])
    labels = np.array([1, 2, 3, 4, 5, 6, 7, 8])
    seen = set()
    for seed in range(50):
        moved = permute_by_group(labels, groups, seed=seed)
        pairs = list(zip(moved[::2].tolist(), moved[1::2].tolist(), strict=True))
        assert sorted(pairs) == [(1, 2), (3, 4), (5, 6), (7, 8)]
        seen.add(tuple(pairs))
    assert len(seen) > 15


def test_groups_of_one_size_exchange_labels_and_those_of_sizes_of_their_own_do_so_together() -> None:
    groups = np.repeat([0, 1, 2, 3, 4, 5], [1, 1, 1, 2, 3, 4])
    labels = np.repeat([0, 1, 2, 3, 4, 5], [1, 1, 1, 2, 3, 4])
    found = [permute_by_group(labels, groups, seed=seed) for seed in range(900)]
    assert all(sorted(one[:3]) == [0, 1, 2] for one in found)
    for one in found:
        parts = [set(one[3:5]), set(one[5:8]), set(one[8:])]
        assert sorted(map(min, parts)) == [3, 4, 5]
        assert all(len(part) == 1 for part in parts)
    assert len({tuple(one) for one in found}) == 36


def test_permutations_are_equally_frequent() -> None:
    counts = Counter(tuple(permute_by_group(np.arange(3), np.arange(3), seed=seed)) for seed in range(1200))
    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > 0.001

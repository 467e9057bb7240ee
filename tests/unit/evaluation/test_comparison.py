"""Tests of the comparison of a model with chance and with its baselines."""

from dataclasses import astuple, replace

import numpy as np
import pytest

from petmood.evaluation.bootstrap import estimate_metrics
from petmood.evaluation.comparison import Comparison, Difference, compare, estimate_baseline
from petmood.evaluation.permutation import PermutationTest, Permuted, permutation_test
from petmood.evaluation.predictions import Predictions
from tests.support.evaluation import MakeScored

CHANCE = PermutationTest(Permuted.REFITS, 99, mean=0.25, low=0.125, high=0.375, p_value=0.01)


def right_in(scored: Predictions, count: int) -> Predictions:
    """Return predictions that are right for the first photos alone."""
    wrong = (scored.labels + 1) % len(scored.classes)
    called = np.where(np.arange(len(scored)) < count, scored.labels, wrong)
    return replace(scored, logits=np.eye(len(scored.classes))[called])


def test_a_baseline_on_the_same_photos_is_compared_photo_by_photo_in_any_order(make_scored: MakeScored) -> None:
    scored = make_scored(20)
    model, baseline = right_in(scored, 10), right_in(scored, 4)
    found = compare([model], {"hog_svm": (baseline.take(np.arange(20)[::-1]),)})
    # Six photos differ, all in favor of the model: 2 of 64 patterns of signs are as far from 0.
    assert list(found.baselines) == ["hog_svm"]
    assert astuple(found.baselines["hog_svm"]) == pytest.approx((0.3, 2 / 64))
    assert found.baselines["hog_svm"].better
    assert found.chance == permutation_test([model])
    assert found.hog_svm is None


def test_photos_of_one_group_count_once(make_scored: MakeScored) -> None:
    scored = make_scored(20, group_size=5)
    found = compare([right_in(scored, 10)], {"most_frequent": (right_in(scored, 0),)})
    assert astuple(found.baselines["most_frequent"]) == pytest.approx((0.5, 0.5)), "two groups of four differ"
    assert found.not_shown_better == ("most_frequent",)


def test_a_baseline_on_other_photos_is_not_compared(make_scored: MakeScored) -> None:
    scored = make_scored(20)
    others = {"hog_svm": (make_scored(30),), "most_frequent": (make_scored(20, prefix="other"),)}
    assert compare([scored], others).baselines == {}


def test_what_shows_leakage_is_no_rival(make_scored: MakeScored) -> None:
    scored = make_scored(20)
    assert compare([scored], {"group_split": (scored,), "random_split": (scored,)}).baselines == {}


def test_fits_to_permuted_labels_are_what_the_hog_svm_is_compared_with(make_scored: MakeScored) -> None:
    scored = make_scored(20)
    permuted = tuple(right_in(scored, count) for count in (3, 4, 5, 6, 7, 8, 9, 10, 11))
    found = compare([scored], {"hog_svm": (right_in(scored, 10),), "permuted_labels": permuted})
    assert found.hog_svm is not None
    assert found.hog_svm.p_value == pytest.approx((1 + 2) / (1 + 9))
    assert found.hog_svm.mean == pytest.approx(0.35)
    assert (found.hog_svm.permuted, found.hog_svm.permutations) == (Permuted.REFITS, 9)
    assert "permuted_labels" not in found.baselines
    assert compare([scored], {"permuted_labels": permuted}).hog_svm is None


def test_repeats_are_compared_by_their_mean_and_a_test_of_refits_is_kept(make_scored: MakeScored) -> None:
    scored = make_scored(20)
    repeats = [right_in(scored, 10), right_in(scored, 6)]
    found = compare(repeats, {"hog_svm": (right_in(scored, 4),)}, chance=CHANCE)
    assert found.baselines["hog_svm"].value == pytest.approx(0.2)
    assert found.chance is CHANCE


@pytest.mark.parametrize(
    ("value", "p_value", "better"), [(0.1, 0.049, True), (0.1, 0.05, False), (-0.1, 0.01, False), (0.0, 0.01, False)]
)
def test_better_is_a_significant_difference_in_favor_of_the_model(
    *, value: float, p_value: float, better: bool
) -> None:
    assert Difference(value, p_value).better is better


def test_all_results_are_written_as_json() -> None:
    found = Comparison(CHANCE, hog_svm=CHANCE, baselines={"most_frequent": Difference(0.5, 0.25)})
    assert found.to_json() == {
        "chance": CHANCE.to_json(),
        "hog_svm": CHANCE.to_json(),
        "baselines": {"most_frequent": {"difference": 0.5, "p_value": 0.25}},
    }
    assert Comparison(CHANCE).to_json() == {"chance": CHANCE.to_json(), "hog_svm": None, "baselines": {}}


def test_permuted_labels_are_a_mean_with_the_range_of_95_percent_of_permutations(make_scored: MakeScored) -> None:
    scored = make_scored(40)
    parts = tuple(right_in(scored, count) for count in range(41))
    found = estimate_baseline(parts, seed=0)
    accuracy = found["accuracy"]
    assert (accuracy.value, accuracy.low, accuracy.high) == pytest.approx((0.5, 0.025, 0.975))
    assert accuracy.n == 40
    # A right answer costs log(1 + 3 / e) = 0.7437 and a wrong one 1 more.
    nll = found["nll"]
    assert (nll.value, nll.low, nll.high) == pytest.approx((1.2437, 0.7687, 1.7187), abs=1e-4)
    assert estimate_baseline(parts[:1], seed=3) == estimate_metrics(parts[0], seed=3)

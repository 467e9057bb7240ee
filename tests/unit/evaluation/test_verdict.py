"""Tests of the verdict: what an accuracy shows beside chance and baselines, in plain words."""

import math
from dataclasses import replace

import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.comparison import Comparison, Difference
from petmood.evaluation.permutation import PermutationTest, Permuted
from petmood.evaluation.verdict import chance_text, verdict_text

ACCURACY = Estimate(0.63, 0.54, 0.71, n=108)
CHANCE = PermutationTest(Permuted.PREDICTIONS, 9999, mean=0.25, low=0.17, high=0.335, p_value=0.0001)
FIRST = "The model is right in 63.0% of 108 test photos (95% interval 54.0 to 71.0%)."
BETTER, EQUAL, WORSE = Difference(0.2, 0.02), Difference(0.01, 0.4), Difference(-0.2, 0.03)


def verdict(chance: float = 0.0001, **baselines: Difference) -> str:
    """Return what is said after the accuracy."""
    found = Comparison(replace(CHANCE, p_value=chance), baselines=baselines)
    text = verdict_text(ACCURACY, found, subject="The model", photos="108 test photos")
    assert text.startswith(f"{FIRST} ")
    return text.removeprefix(f"{FIRST} ")


def test_a_model_better_than_all_is_called_so_with_the_largest_p_value() -> None:
    found = verdict(most_frequent=Difference(0.4, 0.0001), hog_svm=BETTER)
    assert found == "It is better than chance (p < 0.001) and than every baseline (largest p = 0.02)."
    assert verdict() == "It is better than chance (p < 0.001)."


def test_a_baseline_that_is_not_shown_to_be_worse_is_named() -> None:
    assert verdict(most_frequent=BETTER, hog_svm=EQUAL) == (
        "It is better than chance (p < 0.001), but not shown to be better than HOG features + SVM (p = 0.4)."
    )
    assert (
        verdict(hog_svm=WORSE) == "It is better than chance (p < 0.001), but worse than HOG features + SVM (p = 0.03)."
    )
    assert verdict(most_frequent=EQUAL, hog_svm=WORSE) == (
        "It is better than chance (p < 0.001), but not shown to be better than always the most frequent class "
        "(p = 0.4), and worse than HOG features + SVM (p = 0.03)."
    )


def test_a_model_like_chance_is_not_shown_to_be_better() -> None:
    assert verdict(0.05) == "It is not shown to be better than chance (p = 0.05)."
    assert verdict(0.3, most_frequent=EQUAL, hog_svm=EQUAL) == (
        "It is not shown to be better than chance (p = 0.3), always the most frequent class (p = 0.4) "
        "or HOG features + SVM (p = 0.4)."
    )
    assert verdict(0.3, hog_svm=WORSE) == (
        "It is not shown to be better than chance (p = 0.3), and worse than HOG features + SVM (p = 0.03)."
    )


def test_without_a_comparison_or_an_interval_the_accuracy_stands_alone() -> None:
    assert verdict_text(ACCURACY, None, subject="The model", photos="108 test photos") == FIRST
    one = Estimate(1.0, math.nan, math.nan, n=1)
    assert verdict_text(one, None, subject="It", photos="1 test photo") == "It is right in 100.0% of 1 test photo."


@pytest.mark.parametrize(
    ("permuted", "how"),
    [
        (Permuted.PREDICTIONS, "labels exchanged between groups of photos, the predictions unchanged"),
        (Permuted.REFITS, "labels exchanged between groups of photos, and everything fitted again"),
    ],
)
def test_a_permutation_test_is_told_in_plain_words(permuted: Permuted, how: str) -> None:
    assert chance_text(replace(CHANCE, permuted=permuted), subject="this model") == (
        f"Permutation test: 9,999 times with {how}, the accuracy is 25.0% on average, and within 17.0 to 33.5% in 95% "
        "of them. The probability that chance alone is at least as accurate as this model: p < 0.001."
    )

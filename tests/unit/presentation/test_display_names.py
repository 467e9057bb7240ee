"""Tests of display names and number formats."""

import math

import pytest

from petmood.data.index import Split
from petmood.evaluation.baselines import BASELINES
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.evaluate import CROSSVAL
from petmood.evaluation.metrics import CLASS_METRICS, METRICS, PROPORTIONS
from petmood.presentation.display_names import (
    BASELINE_TITLES,
    HEADLINE_METRICS,
    HEADLINE_SHARES,
    HEADLINE_SPLITS,
    METRIC_TITLES,
    crossval_title,
    headline_split,
    number_text,
    p_value_text,
    percent_text,
    photos_of_split,
    title,
)


def test_every_measure_and_control_has_words() -> None:
    assert set(METRIC_TITLES) == {*METRICS, *CLASS_METRICS}
    assert set(BASELINE_TITLES) == set(BASELINES)
    assert title("macro_f1") == "macro F1"
    assert title("hog_svm") == "HOG features + SVM"
    assert title("my_own") == "my own"
    assert crossval_title("random_split") == "this recipe, random split (leaks)"
    assert crossval_title("hog_svm") == title("hog_svm")


@pytest.mark.parametrize(
    ("splits", "headline"),
    [
        ({"valid": {"a": 1}, "crossval": {"a": 1}, "test": {"a": 1}}, "test"),
        ({"valid": {"a": 1}, "crossval": {"a": 1}, "test": {}}, "crossval"),
        ({"valid": {"a": 1}, "train": {"a": 1}}, "valid"),
        ({"photos of other": {"a": 1}}, None),
        ({}, None),
    ],
)
def test_the_headline_is_of_test_photos_else_of_a_cross_validation_else_of_validation_photos(
    splits: dict[str, object], headline: str | None
) -> None:
    assert headline_split(splits) == headline


def test_every_headline_split_is_a_split_or_the_cross_validation() -> None:
    assert HEADLINE_SPLITS == (Split.TEST, CROSSVAL, Split.VALID)


def test_headline_metrics_are_measured_and_their_shares_are_proportions() -> None:
    assert set(HEADLINE_METRICS) <= set(METRICS)
    assert set(HEADLINE_SHARES) == set(HEADLINE_METRICS) & PROPORTIONS


def test_a_number_stands_beside_its_interval() -> None:
    estimate = Estimate(0.4474, 0.2891, 0.6052, n=38)
    assert number_text(estimate) == "0.447 (0.289 to 0.605)"
    assert number_text(estimate, digits=1) == "0.4 (0.3 to 0.6)"
    assert percent_text(estimate) == "44.7% (28.9 to 60.5)"


def test_what_is_not_known_is_a_dash_or_left_out() -> None:
    nothing = Estimate(math.nan, math.nan, math.nan, n=0)
    assert number_text(nothing) == percent_text(nothing) == "-"
    bare = Estimate(0.5, math.nan, math.nan, n=1)
    assert (number_text(bare), percent_text(bare)) == ("0.500", "50.0%")


def test_photos_are_named_by_their_split() -> None:
    assert photos_of_split("test") == "test photos"
    assert photos_of_split("valid", 36) == "36 validation photos"
    assert photos_of_split("train", 1) == "1 training photo"
    assert photos_of_split("photos of one evening", 1) == "1 photos of one evening"
    assert photos_of_split("photos of {}", 2) == "2 photos of {}"
    assert photos_of_split("crossval", 329) == "329 photos in cross-validation"
    assert photos_of_split("crossval") == "photos in cross-validation"
    assert photos_of_split("out_of_fold", 1) == "out-of-fold predictions of 1 photo"


def test_a_p_value_has_two_digits_and_is_never_zero() -> None:
    assert [p_value_text(p) for p in (0.0001, 0.001, 0.0123, 0.2, 1.0)] == [
        *("p < 0.001", "p = 0.001", "p = 0.012", "p = 0.2", "p = 1"),
    ]

"""Tests of display names and number formats."""

import math

from petmood.evaluation.baselines import BASELINES
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.metrics import CLASS_METRICS, METRICS, PROPORTIONS
from petmood.presentation.display_names import (
    BASELINE_TITLES,
    HEADLINE_METRICS,
    HEADLINE_SHARES,
    METRIC_TITLES,
    crossval_title,
    number_text,
    percent_text,
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

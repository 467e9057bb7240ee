"""Tests of the sentences on what few photos don't decide."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.comparison import Comparison, Difference
from petmood.evaluation.conformal import PredictionSetMetrics
from petmood.evaluation.evaluate import AbstentionResult, Calibration, Conformal, Evaluation, evaluate
from petmood.evaluation.model_choice import without_choice
from petmood.evaluation.permutation import PermutationTest, Permuted
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.selective import AbstainRule, Selective
from petmood.evaluation.undecided import undecided
from tests.support.evaluation import MakeScored

ACCURACY = Estimate(0.5, 0.25, 0.75, n=40)
GENERAL = (
    "On 40 photos the accuracy is known to within 25 points. "
    "They don't decide between this model and one whose accuracy differs by less."
)


def results(
    *,
    accuracy: Estimate = ACCURACY,
    recalls: Mapping[str, Estimate] | None = None,
    baselines: Mapping[str, Estimate] | None = None,
    error: Estimate | None = None,
    coverage: Estimate | None = None,
    threshold: float | None = 0.75,
) -> Evaluation:
    """Return an evaluation with these estimates; the targets are an error of 12.5% and sets of 75%."""
    rule = AbstainRule(threshold, 0.125, 0.9, error=0.0, coverage=1.0, n=40, reason="")
    return Evaluation(
        main="test",
        splits={"test": {"accuracy": accuracy}},
        per_class={"test": {name: {"recall": recall} for name, recall in (recalls or {}).items()}},
        calibration=Calibration(1.0, 40, before={}, after={}, ece_by_chance=0.0, reliability=()),
        abstention=AbstentionResult(rule, Selective(error, coverage=ACCURACY) if error else None, aurc=0.0),
        conformal=Conformal("lac", 0.75, 0.5, PredictionSetMetrics(coverage, ACCURACY, (40,)) if coverage else None),
        baselines={name: {"accuracy": estimate} for name, estimate in (baselines or {}).items()},
        slices=(),
        choice=without_choice(40),
    )


def test_what_was_not_measured_is_not_said() -> None:
    assert undecided(results()) == (GENERAL,)
    assert undecided(results(recalls={"sad": ACCURACY, "happy": replace(ACCURACY, n=0)})) == (GENERAL,)


@pytest.mark.parametrize(
    ("accuracy", "start"),
    [
        (Estimate(0.5, 0.375, 0.75, n=1), "On 1 photo the accuracy is known to within 25 points."),
        (Estimate(0.5, 0.2, 0.5, n=2), "On 2 photos the accuracy is known to within 30 points."),
        (Estimate(0.5, 0.199, 0.75, n=3), "On 3 photos the accuracy is known to within 31 points."),
    ],
)
def test_the_farther_end_counts_in_points_rounded_up(accuracy: Estimate, start: str) -> None:
    assert undecided(results(accuracy=accuracy))[0].startswith(start)


def test_a_class_is_harder_than_those_whose_whole_interval_is_above_its_own() -> None:
    found = undecided(
        results(
            recalls={
                "angry": Estimate(0.25, 0.125, 0.375, n=1),
                "happy": Estimate(0.5, 0.375, 0.625, n=9),  # begins where the one of angry ends
                "sad": Estimate(0.75, 0.65625, 0.875, n=9),
            }
        )
    )
    assert found == (
        GENERAL,
        (
            "The recall of a class is known to within these points: angry 13 (1 photo), happy 13 (9 photos), "
            "sad 13 (9 photos). Only this is decided: angry is harder than sad; happy is harder than sad."
        ),
    )


@pytest.mark.parametrize(
    ("chance", "said"),
    [
        (0.049, "The model is not shown to be better than HOG features + SVM."),
        (0.05, "The model is not shown to be better than chance, HOG features + SVM."),
    ],
)
def test_baselines_and_chance_that_the_tests_do_not_exclude_are_named(chance: float, said: str) -> None:
    test = PermutationTest(Permuted.PREDICTIONS, 999, mean=0.25, low=0.125, high=0.375, p_value=chance)
    baselines = {"hog_svm": Difference(0.125, 0.05), "most_frequent": Difference(0.25, 0.01)}
    found = replace(results(), comparison=Comparison(test, baselines=baselines))
    assert undecided(found)[1:] == (said,)


@pytest.mark.parametrize(
    ("low", "high", "is_open"),
    [(0.125, 0.25, True), (0.0625, 0.25, True), (0.1875, 0.25, False), (0.0625, 0.125, False)],
)
def test_an_error_at_most_the_target_is_open_within_its_interval(low: float, high: float, is_open: bool) -> None:
    found = undecided(results(error=Estimate(0.125, low, high, n=1)))[1:]
    said = (
        f"The error of confident predictions is 12.5% ({100 * low:.1f} to {100 * high:.1f}) on 1 photo. "
        "Whether it is at most 12% on new photos is not decided by them."
    )
    assert found == ((said,) if is_open else ())
    assert undecided(results(error=Estimate(0.125, low, high, n=1), threshold=None)) == (GENERAL,)


@pytest.mark.parametrize(
    ("low", "high", "is_open"),
    [(0.75, 0.875, False), (0.625, 0.75, True), (0.625, 0.875, True), (0.625, 0.6875, False)],
)
def test_a_coverage_of_at_least_the_target_is_open_within_its_interval(low: float, high: float, is_open: bool) -> None:
    found = undecided(results(coverage=Estimate(0.6875, low, high, n=9)))[1:]
    said = (
        f"Sets contain the truth in 68.8% ({100 * low:.1f} to {100 * high:.1f}) of 9 photos. "
        "Whether that is at least 75% on new photos is not decided by them."
    )
    assert found == ((said,) if is_open else ())


def answers(right: dict[str, tuple[int, int]]) -> Predictions:
    """Return predictions with so many of so many photos of each class right; the others are called the next class."""
    classes = tuple(right)
    labels = np.repeat(np.arange(len(classes)), [n for _, n in right.values()])
    hits = np.concatenate([np.arange(n) < k for k, n in right.values()])
    logits = np.eye(len(classes))[np.where(hits, labels, (labels + 1) % len(classes))] * 3
    names, blank = tuple(map(str, range(len(labels)))), ("",) * len(labels)
    return Predictions(logits, labels, names, names, classes, blank, np.full((len(labels), 2), 99), blank)


def test_27_photos_of_a_class_leave_its_recall_open_by_many_points() -> None:
    found = undecided(evaluate({"test": answers({"angry": (20, 27), "happy": (22, 27), "sad": (24, 27)})}))
    # Clopper and Pearson: 66 of 81 is 71.3 to 89.2%; 20 of 27 is 53.7 to 88.9%, 22 is 61.9 to 93.7, 24 is 70.8 to 97.6
    assert found[0].startswith("On 81 photos the accuracy is known to within 11 points.")
    assert found[1] == (
        "The recall of a class is known to within these points: angry 21 (27 photos), happy 20 (27 photos), "
        "sad 19 (27 photos). Which class is harder is not decided."
    )


def test_a_class_that_is_surely_harder_is_named() -> None:
    found = undecided(evaluate({"test": answers({"angry": (5, 27), "sad": (26, 27)})}))
    assert found[1].endswith("Only this is decided: angry is harder than sad.")


def test_baselines_within_reach_are_named_and_those_on_other_photos_are_not(make_scored: MakeScored) -> None:
    scored = make_scored(36, skill=2.0)
    baselines = {"hog_svm": (make_scored(36, skill=1.5),), "most_frequent": (make_scored(400, skill=-3.0),)}
    found = undecided(evaluate({"test": scored}, baselines=baselines | {"random_split": (scored,)}))
    assert "The model is not shown to be better than HOG features + SVM." in found


def test_guarantees_that_the_test_photos_do_not_confirm_are_said_to_be_open(make_scored: MakeScored) -> None:
    valid, test = make_scored(200, seed=1, skill=6.0), make_scored(30, skill=6.0)
    found = " ".join(undecided(evaluate({"valid": valid, "test": test})))
    assert "Whether it is at most 10% on new photos is not decided by them." in found
    wrong = replace(make_scored(400, skill=6.0), labels=(make_scored(400, skill=6.0).labels + 1) % 4)
    found = " ".join(undecided(evaluate({"valid": valid, "test": wrong})))
    assert "not decided by them" not in found

"""Tests of the sentences on what few photos don't decide."""

from dataclasses import replace

import numpy as np

from petmood.evaluation.evaluate import evaluate
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.undecided import undecided
from tests.support.evaluation import MakeScored


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
    assert "The model is not shown to be better than these baselines: HOG features + SVM." in found


def test_guarantees_that_the_test_photos_do_not_confirm_are_said_to_be_open(make_scored: MakeScored) -> None:
    valid, test = make_scored(200, seed=1, skill=6.0), make_scored(30, skill=6.0)
    found = " ".join(undecided(evaluate({"valid": valid, "test": test})))
    assert "Whether it is at most 10% on new photos is not decided by them." in found
    wrong = replace(make_scored(400, skill=6.0), labels=(make_scored(400, skill=6.0).labels + 1) % 4)
    found = " ".join(undecided(evaluate({"valid": valid, "test": wrong})))
    assert "not decided by them" not in found

"""Tests of confident learning: an answer worked out by hand, and planted errors of a known noise matrix."""

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.evaluation.label_errors import find_label_errors


def test_thresholds_suggestions_and_ranking_are_those_worked_out_by_hand() -> None:
    """Thresholds are the mean own probabilities: (0.9 + 0.7 + 0.2) / 3 = 0.6 and (0.8 + 0.4) / 2 = 0.6.

    Photo 2 reaches 0.6 for class 1 alone, so it is an error. Photo 4 reaches class 0 exactly. Photo 1 keeps its label.
    The quality is the probability of the label.
    """
    found = find_label_errors([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8], [0.6, 0.4]], [0, 0, 0, 1, 1])
    assert found.quality == pytest.approx([0.9, 0.7, 0.2, 0.8, 0.4])
    assert found.suggested.tolist() == [0, 0, 1, 1, 0]
    assert found.likely.tolist() == [2, 4]
    assert found.ranking.tolist() == [2, 4, 1, 3, 0]
    assert found.confident_joint.tolist() == [[2, 1], [1, 1]]


def test_a_photo_that_reaches_no_threshold_is_no_error_and_not_counted() -> None:
    """Thresholds (0.9 + 0.4) / 2 = 0.65 and 0.8: photo 1 is nearer to class 1, but reaches neither."""
    found = find_label_errors([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], [0, 0, 1])
    assert (found.likely.tolist(), found.confident_joint.tolist()) == ([], [[1, 0], [0, 1]])


def test_of_two_confident_classes_the_more_probable_one_is_suggested() -> None:
    """Class 0 is given with 0.3 each time, so that all three thresholds are low and two of them are reached."""
    chances = [[0.3, 0.3, 0.4], [0.3, 0.5, 0.2], [0.1, 0.3, 0.6], [0.3, 0.25, 0.45]]
    found = find_label_errors(chances, [0, 1, 1, 2])
    assert found.suggested.tolist() == [0, 1, 2, 2]
    assert found.quality.tolist() == [0.3, 0.5, 0.3, 0.45], "of three classes, the margin would be another number"


def test_a_class_without_photos_is_never_suggested() -> None:
    found = find_label_errors([[0.1, 0.1, 0.8], [0.6, 0.4, 0.0], [0.4, 0.6, 0.0]], [0, 0, 1])
    assert 2 not in found.suggested


def test_planted_errors_of_a_known_noise_matrix_are_found() -> None:
    """The model is right on nearly all photos; 20% of class 0 were labeled 1, and 10% of class 2 were labeled 0."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 3000)
    noise = np.array([[0.8, 0.2, 0.0], [0.0, 1.0, 0.0], [0.1, 0.0, 0.9]])
    given = np.array([rng.choice(3, p=noise[k]) for k in truth])
    logits = rng.normal(0, 1, (3000, 3))
    logits[np.arange(3000), truth] += 4.0
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = set(np.flatnonzero(given != truth).tolist())
    found = find_label_errors(chances, given)
    likely = set(found.likely.tolist())
    assert len(likely & wrong) / len(wrong) > 0.75
    assert len(likely & wrong) / len(likely) > 0.95
    worst = set(found.ranking[: len(wrong)].tolist())
    assert len(worst & wrong) / len(wrong) > 0.95
    planted = [n for n in likely & wrong if found.suggested[n] == truth[n]]
    assert len(planted) / len(likely & wrong) > 0.97
    estimated = found.confident_joint / found.confident_joint.sum(axis=0)
    assert estimated[1, 0] == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize(("chances", "labels"), [([[1.0], [1.0]], [0, 0]), ([[0.5, 0.5]], [0, 1]), ([0.5, 0.5], [0])])
def test_shapes_that_disagree_are_refused(chances: list[object], labels: list[int]) -> None:
    with pytest.raises(DataError, match=r"Expected probabilities \[N, K\] of 2 classes or more with N labels"):
        find_label_errors(chances, labels)  # type: ignore[arg-type] # wrong on purpose

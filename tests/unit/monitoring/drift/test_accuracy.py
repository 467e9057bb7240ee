"""Tests of the accuracy that is estimated without labels."""

import numpy as np
import pytest

from petmood.monitoring.drift.accuracy import FEWEST, estimate_accuracy
from tests.support.drift import drift_reference, drift_window


def chances(tops: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return probabilities of four classes with the given highest ones."""
    return np.array([[top, *[(1 - top) / 3] * 3] for top in tops], np.float32)


def test_confidence_is_taken_for_the_truth_and_its_change_for_that_of_the_accuracy() -> None:
    correct = np.array([1] * 60 + [0] * 40 + [-1] * 100, np.int8)
    reference = drift_reference(200, probabilities=chances([0.7] * 100 + [0.9] * 100), correct=correct)
    found = estimate_accuracy(reference, drift_window(100, probabilities=chances([0.5] * 100)))
    assert found is not None
    assert (found.reference, found.known) == (0.6, 100)
    assert found.confidence_based == pytest.approx(0.5)
    assert found.difference_based == pytest.approx(0.6 - 0.2)
    assert found.error == pytest.approx(0.1)
    assert [found.low, found.high] == pytest.approx([0.5 - 0.098, 0.5 + 0.098])


def test_the_interval_holds_what_chance_leaves_if_probabilities_are_right() -> None:
    rng = np.random.default_rng(0)
    reference = drift_reference(50, correct=np.ones(50, np.int8))
    inside = 0
    for _ in range(300):
        tops = rng.uniform(0.4, 0.99, size=100)
        found = estimate_accuracy(reference, drift_window(100, probabilities=chances(tops.tolist())))
        assert found is not None
        inside += found.low <= float((rng.random(100) < tops).mean()) <= found.high
    assert inside / 300 == pytest.approx(0.95, abs=0.04)


def test_without_labels_or_with_few_rows_there_is_none() -> None:
    known = drift_reference(50, correct=np.ones(50, np.int8))
    assert estimate_accuracy(known, drift_window(FEWEST)) is not None
    assert estimate_accuracy(known, drift_window(FEWEST - 1)) is None
    assert estimate_accuracy(drift_reference(50), drift_window(100)) is None
    few = np.array([1] * (FEWEST - 1) + [-1] * 21, np.int8)
    assert estimate_accuracy(drift_reference(50, correct=few), drift_window(100)) is None

"""Tests of the records of feedback."""

import pytest

from petmood.monitoring.feedback.records import Feedback, GivenFeedback, LoggedPrediction
from petmood.monitoring.prediction_log.rows import PhotoKey
from tests.support.logged import BUNDLE, START_US


@pytest.mark.parametrize(
    ("predicted", "label", "right", "is_correction"),
    [("happy", None, "happy", False), ("happy", "angry", "angry", True), (None, None, None, False)],
)
def test_the_right_label_is_the_predicted_one_unless_another_is_given(
    predicted: str | None, label: str | None, right: str | None, *, is_correction: bool
) -> None:
    feedback = Feedback(PhotoKey("abc"), "a" * 64, label, None, START_US)
    given = GivenFeedback(feedback, LoggedPrediction(predicted, BUNDLE, 0.75), START_US)
    assert (given.right_label, given.is_correction) == (right, is_correction)

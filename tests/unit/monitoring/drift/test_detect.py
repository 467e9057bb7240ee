"""Tests of the drift test of a window: its three results, its level, and what it says of a change."""

import json
from typing import Any

import numpy as np
import pytest

from petmood.core.errors import ConfigError, DataError
from petmood.monitoring.drift.detect import LEVEL, detect_drift
from petmood.monitoring.drift.questions import Question
from petmood.monitoring.metric_names import DriftStatus
from tests.support.drift import drift_reference, drift_window


def test_a_window_of_the_same_kind_is_ok() -> None:
    result = detect_drift(drift_reference(), drift_window())
    assert result.status is DriftStatus.OK
    assert result.sentence == "No change found."
    assert (result.rows, result.reference_rows, result.rows_compared) == (100, 200, (200, 100))
    assert (result.typical, result.typical_before) == ((), ())
    assert not any(finding.drifted for finding in result.findings)


@pytest.mark.parametrize(
    ("moved", "question"),
    [
        ({"statistics": [0.2, 0, 0, 0]}, Question.STATISTICS),
        ({"embedding": [1.5, 0, 0, 0, 0, 0, 0, 0]}, Question.EMBEDDING),
        ({"residual": 0.5}, Question.RESIDUAL),
    ],
)
def test_a_change_that_only_one_question_sees_is_drift(moved: dict[str, Any], question: Question) -> None:
    result = detect_drift(drift_reference(), drift_window(moved=moved))
    assert result.status is DriftStatus.DRIFT
    assert [finding.question for finding in result.findings if finding.drifted] == [question]
    assert result.sentence == next(finding.sentence for finding in result.findings if finding.drifted)
    assert len(result.typical) == len(set(result.typical_before)) == 9
    assert set(result.typical_before) <= set(range(200))
    assert set(result.typical) <= {place.key for place in drift_window().places}


def test_p_values_are_corrected_for_three_questions_by_holm() -> None:
    result = detect_drift(drift_reference(), drift_window(moved={"residual": 0.1}))
    raw = sorted(finding.p_value for finding in result.findings)
    adjusted = sorted(finding.adjusted_p for finding in result.findings)
    assert adjusted[0] == pytest.approx(min(1, 3 * raw[0]))
    assert all(finding.drifted == (finding.adjusted_p <= LEVEL) for finding in result.findings)


def test_an_unchanged_window_is_called_drift_at_most_as_often_as_the_level_says() -> None:
    """500 pairs at a level of 10%: 50 expected at most, with a standard deviation of 6.7."""
    drifting = sum(
        detect_drift(
            drift_reference(90, seed=2 * k), drift_window(60, seed=2 * k + 1), level=0.1, permutations=99, seed=k
        ).status
        is DriftStatus.DRIFT
        for k in range(500)
    )
    assert 15 <= drifting <= 72


def test_the_same_seed_gives_the_same_result() -> None:
    reference, window = drift_reference(1500), drift_window(1200, moved={"embedding": 0.05})
    first, again, other = (detect_drift(reference, window, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first.findings != other.findings
    assert first.rows_compared == (1000, 1000)


@pytest.mark.parametrize(("photos", "rows", "named"), [(200, 49, "window, got 49"), (30, 100, "reference, got 30")])
def test_too_few_rows_are_insufficient_and_say_how_many_are_needed(photos: int, rows: int, named: str) -> None:
    result = detect_drift(drift_reference(photos), drift_window(rows, moved={"residual": 9}))
    assert result.status is DriftStatus.INSUFFICIENT
    assert f"at least 50 in the {named}" in result.sentence
    assert result.findings == ()
    assert detect_drift(drift_reference(), drift_window(0)).status is DriftStatus.INSUFFICIENT
    assert detect_drift(drift_reference(), drift_window(50)).status is DriftStatus.OK


def test_shares_explain_and_are_not_tested() -> None:
    chances = np.tile(np.array([0.9, 0.1, 0, 0], np.float32), (100, 1))
    nobody = np.zeros(100, np.bool_)
    reference = drift_reference()
    result = detect_drift(reference, drift_window(probabilities=chances, confident=nobody, in_domain=nobody))
    assert result.status is DriftStatus.OK
    shares = {share.name: share for share in result.shares}
    assert shares["predicted angry"].window == 1
    assert shares["predicted happy"].window == shares["predicted sad"].window == 0
    assert shares["highest probability"].window == pytest.approx(0.9)
    assert shares["not confident"].window == shares["out of domain"].window == 1
    assert shares["not confident"].reference == pytest.approx((~reference.confident).mean())
    assert shares["out of domain"].reference == pytest.approx((~reference.in_domain).mean())


def test_results_become_json() -> None:
    result = detect_drift(drift_reference(), drift_window(moved={"residual": 1}))
    body = json.loads(json.dumps(result.to_json()))
    assert body["status"] == "drift"
    assert body["findings"][2]["question"] == "residual"
    assert body["findings"][2]["changes"][0]["name"] == "residual"


def test_wrong_settings_and_another_model_are_named() -> None:
    reference, window = drift_reference(), drift_window()
    with pytest.raises(ConfigError, match=r"level between 0 and 1, got 1\.5"):
        detect_drift(reference, window, level=1.5)
    with pytest.raises(ConfigError, match="minimum of 2 rows or more, got 1"):
        detect_drift(reference, window, minimum=1)
    with pytest.raises(ConfigError, match="at least 150 permutations, got 99"):
        detect_drift(reference, window, permutations=99)
    with pytest.raises(DataError, match=r"embedding of 8 columns .* got 9"):
        detect_drift(reference, drift_window(embedding=np.zeros((100, 9), np.float16)))

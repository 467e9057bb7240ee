"""Tests of the rows of the prediction log."""

import numpy as np
import pytest

from petmood.monitoring.prediction_log.rows import LoggedBundle, LogRow, PhotoKey, log_row
from tests.support.logged import prediction, row


def test_a_row_holds_the_prediction_and_what_was_measured() -> None:
    found = log_row(prediction(), PhotoKey("abc", 2), time_us=1_000_000, latency_ms=3.5)
    assert (found.request_id, found.position, found.time_us, found.latency_ms) == ("abc", 2, 1_000_000, 3.5)
    assert found.bundle == LoggedBundle("ab" * 32, "pets", "1", ("angry", "happy"))
    assert (found.label, found.confident, found.in_domain, found.domain_warning) == ("happy", True, True, None)
    assert found.probabilities == pytest.approx((0.1192, 0.8808), abs=1e-4)
    assert (found.novelty, found.animal_score) == (0.5, 0.9)
    assert found.statistics == (0.1, 0.2, 0.3, 0.4)
    assert found.embedding is not None
    assert np.frombuffer(found.embedding, "<f2").tolist() == [1, 2, 3]
    assert found.residual == 0.25


def test_what_was_not_measured_is_none() -> None:
    found = log_row(prediction(measured=False), PhotoKey("abc"), time_us=1, latency_ms=1)
    assert (found.statistics, found.embedding, found.residual) == (None, None, None)


@pytest.mark.parametrize(
    "given",
    [row(1), row(2, embedding=None, statistics=None, novelty=None, in_domain=None), row(3, label=None, position=7)],
)
def test_a_row_survives_its_line_of_json(given: LogRow) -> None:
    line = given.to_json()
    assert "\n" not in line
    assert LogRow.from_json(line) == given


@pytest.mark.parametrize("end", [0, 1, 40, -1])
def test_a_cut_line_is_refused(end: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        LogRow.from_json(row(1).to_json()[:end])


@pytest.mark.parametrize("line", ["null", "[]", "{}", '{"bundle": 3}', '"text"'])
def test_other_json_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="Expected a row of the prediction log"):
        LogRow.from_json(line)

"""Tests of the load test report: the checked step and the summary's fields."""

import json

import pytest

from petmood.core.errors import DownloadError
from petmood.serving.loadtest.limits import Limits
from petmood.serving.loadtest.report import report_of
from tests.load.steps import step

URL = "http://127.0.0.1:8000/predict"
STEPS = [step(1, 30, 33), step(2, 60, 34), step(4, 61, 70), step(8, 58, 150, e503=2)]


def test_limits_are_held_against_the_last_step() -> None:
    report = report_of(STEPS, url=URL, limits=Limits(p95_ms=100))
    assert report.checked.users == 8
    assert report.violations == ("p95 150 ms, expected at most 100 ms",)
    assert report.saturation is not None


def test_limits_are_held_against_the_knee_when_it_was_looked_for() -> None:
    report = report_of(STEPS, url=URL, limits=Limits(p95_ms=100), until_saturation=True)
    assert (report.checked.users, report.violations) == (2, ())


def test_without_a_knee_the_last_step_counts() -> None:
    assert report_of(STEPS[:2], url=URL, limits=Limits(), until_saturation=True).checked.users == 2


def test_the_summary_is_plain_json_with_the_evaluated_numbers_on_top() -> None:
    found = json.loads(json.dumps(report_of(STEPS, url=URL, limits=Limits(p95_ms=100)).as_json(), allow_nan=False))
    assert (found["url"], found["users"], found["p95_ms"], found["passed"]) == (URL, 8, 150, False)
    assert found["errors_by_status"] == {"503": 2}
    assert found["knee"]["users"] == 2
    assert [one["users"] for one in found["steps"]] == [1, 2, 4, 8]
    assert report_of(STEPS[:1], url=URL, limits=Limits()).as_json()["knee"] is None


def test_a_load_that_ended_before_its_first_step_is_no_report() -> None:
    with pytest.raises(DownloadError, match="--duration"):
        report_of([], url=URL, limits=Limits())

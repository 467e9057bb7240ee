"""Tests of the aggregation of requests into steps: responses, errors and speed."""

from dataclasses import asdict

import pytest

from petmood.serving.loadtest.steps import NO_ANSWER, Sample, percentile, step_from, step_of


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 0.5) is None


def test_answers_and_errors_are_distinguished() -> None:
    statuses = [200, 204, 503, 503, 0, 307]
    step = step_of([Sample(1, 10, status) for status in statuses], users=3, began_s=0, ended_s=2)
    assert (step.requests, step.answered, step.answered_per_s) == (6, 2, 1.0)
    assert step.errors == {"307": 1, "503": 2, NO_ANSWER: 1}
    assert step.error_share == pytest.approx(4 / 6)


def test_quick_refusals_don_t_make_a_service_look_fast() -> None:
    samples = [Sample(1, 400, 200), *(Sample(1, 1, 503) for _ in range(99))]
    step = step_of(samples, users=1, began_s=0, ended_s=2)
    assert (step.p50_ms, step.p99_ms) == (400, 400)


def test_the_first_moments_count_for_errors_but_not_for_speed() -> None:
    samples = [Sample(0.2, 900, 200), Sample(0.3, 1, 500), Sample(1.5, 20, 200), Sample(2.5, 20, 200)]
    step = step_of(samples, users=1, began_s=0, ended_s=2, settle_s=1)
    assert (step.requests, step.answered, step.errors) == (3, 2, {"500": 1})
    assert (step.answered_per_s, step.p95_ms) == (1.0, 20)


def test_a_step_without_requests_is_all_error_and_no_time() -> None:
    step = step_of([], users=1, began_s=0, ended_s=1)
    assert (step.error_share, step.p95_ms, step.answered_per_s) == (1.0, None, 0.0)
    assert step_of([], users=1, began_s=1, ended_s=1).answered_per_s == 0.0


def test_a_step_comes_back_from_its_fields() -> None:
    step = step_of([Sample(1, 10, 200)], users=3, began_s=0, ended_s=2)
    assert step_from(asdict(step)) == step

"""Tests of the clock by which ages are computed."""

import pytest

from petmood.monitoring.prediction_log.clock import MOST_AHEAD_S, AgeClock, elapsed_s


def test_a_clock_that_is_set_forward_is_not_followed_until_it_is_set_back(caplog: pytest.LogCaptureFixture) -> None:
    set_to, elapsed = 1_000_000.0, 500.0
    clock = AgeClock("rows", clock=lambda: set_to, elapsed=lambda: elapsed)
    assert clock.now_s() == 1_000_000.0
    set_to += 2 * MOST_AHEAD_S
    elapsed += 60
    assert [clock.now_s(), clock.now_s()] == [1_000_060.0] * 2
    assert caplog.text.count("the clock was set forward by 2.0 hours since the start. Old rows are deleted") == 1
    set_to = 1_000_060.0
    assert clock.now_s() == 1_000_060.0


@pytest.mark.parametrize("step", [-86_400.0, MOST_AHEAD_S])
def test_a_clock_that_is_set_back_or_forward_by_an_hour_is_followed(step: float) -> None:
    set_to = 1_000_000.0
    clock = AgeClock("rows", clock=lambda: set_to, elapsed=lambda: 500.0)
    set_to += step
    assert clock.now_s() == set_to


def test_seconds_elapse() -> None:
    before = elapsed_s()
    assert 0 < before <= elapsed_s()

"""Objectives and burn rates."""

import pytest

from petmood.monitoring.alerts.limits import BURN_WINDOWS, LIMITS, AlertLimits, BurnWindow
from petmood.monitoring.alerts.rule import seconds_of
from petmood.serving.metrics import SECONDS

OBJECTIVE_S = 30 * 24 * 3600


@pytest.mark.parametrize(("window", "spent"), list(zip(BURN_WINDOWS, (0.02, 0.05, 0.1), strict=True)))
def test_a_long_window_at_its_rate_spends_the_stated_share_of_the_budget(window: BurnWindow, spent: float) -> None:
    assert seconds_of(window.long) * window.rate / OBJECTIVE_S == pytest.approx(spent)
    assert seconds_of(window.long) / seconds_of(window.short) == pytest.approx(12)


def test_one_failure_among_the_least_number_of_requests_is_no_alert() -> None:
    for window in BURN_WINDOWS:
        assert 1 / window.requests < window.rate * LIMITS.error_budget


def test_the_budget_is_what_the_objective_leaves() -> None:
    assert AlertLimits(availability=0.999).error_budget == 0.001


def test_the_bounds_of_the_latency_are_those_of_the_histogram() -> None:
    """Between two bounds a percentile is interpolated."""
    assert {LIMITS.p99_s, LIMITS.other_p99_s} <= {*SECONDS}

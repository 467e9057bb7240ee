"""Tests of the alert of several drifting windows in a row."""

from functools import reduce

import pytest

from petmood.monitoring.drift.windows import AlertState
from petmood.monitoring.metric_names import DriftStatus

STATUSES = {"o": DriftStatus.OK, "d": DriftStatus.DRIFT, "i": DriftStatus.INSUFFICIENT}


def state(letters: str) -> AlertState:
    """Return the state after statuses of the given first letters."""
    return reduce(AlertState.after, (STATUSES[letter] for letter in letters), AlertState())


@pytest.mark.parametrize("letters", ["ddd", "oddd", "ddid", "dddd", "dddii", "ddoddd"])
def test_three_drifting_windows_in_a_row_are_an_alert(letters: str) -> None:
    assert state(letters).active


@pytest.mark.parametrize("letters", ["", "dd", "ddodd", "dddo", "iii", "ddii", "dddoddi"])
def test_fewer_or_an_ok_since_are_none(letters: str) -> None:
    assert not state(letters).active


def test_the_state_counts_the_drifting_windows_at_its_end() -> None:
    assert state("oddid") == AlertState(active=True, in_a_row=3)
    assert state("dd") == AlertState(active=False, in_a_row=2)
    assert state("dddo") == AlertState()

"""Tests of windows in time and of the alert of several in a row."""

import pytest

from petmood.core.errors import DataError
from petmood.monitoring.drift.windows import AlertState, alert_state, full_windows
from petmood.monitoring.metric_names import DriftStatus
from tests.support.drift import drift_window

STATUSES = {"o": DriftStatus.OK, "d": DriftStatus.DRIFT, "i": DriftStatus.INSUFFICIENT}


def state(letters: str) -> AlertState:
    """Return the state after statuses of the given first letters."""
    return alert_state(STATUSES[letter] for letter in letters)


def test_windows_share_no_row_and_leave_no_gap() -> None:
    windows = list(full_windows(drift_window(25), size=10))
    assert [window.request_ids for window in windows] == [
        tuple(f"r{row}" for row in range(10)),
        tuple(f"r{row}" for row in range(10, 20)),
    ]


def test_more_rows_do_not_change_the_windows_before() -> None:
    rows = drift_window(30)
    early, late = list(full_windows(rows.rows(slice(0, 25)), size=10)), list(full_windows(rows, size=10))
    assert [window.request_ids for window in early] == [window.request_ids for window in late[:2]]
    assert len(late) == 3
    assert list(full_windows(rows.rows(slice(0, 9)), size=10)) == []


def test_a_window_has_at_least_one_row() -> None:
    with pytest.raises(DataError, match="1 row or more, got 0"):
        list(full_windows(drift_window(5), size=0))


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

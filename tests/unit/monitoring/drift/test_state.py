"""Tests of the state of drift tests: the alert of several drifting windows in a row, and its place in the database."""

from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path

import pytest

from petmood.core.errors import LogUnavailable
from petmood.monitoring.drift.state import AlertState, DriftState, read_state, write_state
from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.prediction_log.database import open_log
from petmood.monitoring.prediction_log.rows import LoggedBundle, RowPlace
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.drifting import forbid_writes, new_log
from tests.support.logged import BUNDLE, row

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


def written(number: int) -> DriftState:
    """Return a state after some windows."""
    return DriftState(RowPlace(number, f"request-{number}", 2), AlertState(active=number > 2, in_a_row=number))


def test_the_state_that_was_written_last_is_read(tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    assert read_state(engine, BUNDLE) is None
    for number in (2, 3):
        write_state(engine, BUNDLE, written(number))
    assert read_state(engine, BUNDLE) == written(3)
    assert read_state(engine, LoggedBundle("cd" * 32, "pets", "2", ("angry",))) is None
    engine.dispose()


def test_several_writers_leave_the_state_of_one_of_them(tmp_path: Path) -> None:
    new_log(tmp_path).dispose()

    def write(number: int) -> None:
        engine = open_log(f"sqlite:///{tmp_path}/log.db")
        for _ in range(5):
            write_state(engine, BUNDLE, written(number))
        engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    engine = open_log(f"sqlite:///{tmp_path}/log.db")
    assert read_state(engine, BUNDLE) in [written(number) for number in range(4)]
    engine.dispose()


def test_a_database_that_may_only_be_read_is_named(tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    forbid_writes(engine)
    with pytest.raises(LogUnavailable, match="readonly"):
        write_state(engine, BUNDLE, written(1))
    assert read_state(engine, BUNDLE) is None
    engine.dispose()


def test_a_request_that_is_deleted_is_not_named_any_more(tmp_path: Path) -> None:
    engine = new_log(tmp_path)
    store = LogStore(engine)
    store.insert([row(7)])
    write_state(engine, BUNDLE, written(7))
    store.delete_requests(["request-8"])
    assert read_state(engine, BUNDLE) == written(7)
    store.delete_requests(["request-7"])
    found = read_state(engine, BUNDLE)
    assert found is not None
    assert found == DriftState(RowPlace(7, "", 2), written(7).alert)
    engine.dispose()

"""Tests of the retention of the prediction log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.core.errors import LogUnavailable
from petmood.monitoring.prediction_log import store as store_module
from petmood.monitoring.prediction_log.retention import PRUNE_EVERY_S, Retention
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import START_US, request_ids, row, sqlite

DAY = 86_400.0
HOUR = 3600.0
NOW_S = START_US / 1e6 + 10 * DAY


class Clocks:
    """A clock that can be set, and the seconds that have elapsed."""

    def __init__(self) -> None:
        self.now, self.elapsed = NOW_S, 500.0

    def pass_by(self, seconds: float) -> None:
        """Let time pass on both."""
        self.now += seconds
        self.elapsed += seconds

    def retention(self, store: LogStore, days: float | None) -> Retention:
        """Return a retention by these clocks."""
        return Retention(store, days, clock=lambda: self.now, elapsed=lambda: self.elapsed)


@pytest.fixture
def clocks() -> Clocks:
    """Return clocks at ten days after the first row."""
    return Clocks()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogStore]:
    """Return the store of a log with five rows of ten days ago and one of now."""
    made = LogStore(sqlite(tmp_path))
    made.insert([*(row(number) for number in range(5)), row(9, time_us=int(NOW_S * 1e6))])
    yield made
    made.close()


def all_steps(retention: Retention) -> None:
    """Delete until nothing is left to delete."""
    retention.step()
    while retention.has_begun:
        retention.step()


def test_old_rows_are_deleted_in_chunks(
    store: LogStore, clocks: Clocks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "DELETED_ROWS", 2)
    retention, reader = clocks.retention(store, 9), sqlite(tmp_path)
    left = []
    for _ in range(4):
        retention.step()
        left.append((len(request_ids(reader)), retention.has_begun))
    assert left == [(4, True), (2, True), (1, True), (1, False)]
    assert request_ids(reader) == ["request-9"]
    reader.dispose()


def test_it_begins_once_an_hour(store: LogStore, clocks: Clocks, tmp_path: Path) -> None:
    retention = clocks.retention(store, 9)
    all_steps(retention)
    store.insert([row(1)])
    clocks.pass_by(PRUNE_EVERY_S - 1)
    all_steps(retention)
    assert "request-1" in request_ids(sqlite(tmp_path))
    clocks.pass_by(1)
    all_steps(retention)
    assert "request-1" not in request_ids(sqlite(tmp_path))


def test_without_an_age_nothing_is_deleted(store: LogStore, clocks: Clocks, tmp_path: Path) -> None:
    all_steps(clocks.retention(store, None))
    assert len(request_ids(sqlite(tmp_path))) == 6


def test_a_failure_is_logged_and_tried_again_in_an_hour(
    store: LogStore,
    clocks: Clocks,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: int) -> Iterator[int]:
        yield 1
        raise LogUnavailable("canceling statement due to statement timeout")

    retention = clocks.retention(store, 9)
    with monkeypatch.context() as patched:
        patched.setattr(store, "deleting_before", fail)
        all_steps(retention)
    assert "canceling statement" in caplog.text
    clocks.pass_by(HOUR)
    all_steps(retention)
    assert request_ids(sqlite(tmp_path)) == ["request-9"]


def test_a_clock_that_jumps_forward_deletes_nothing_early(
    store: LogStore, clocks: Clocks, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    retention = clocks.retention(store, 11)
    clocks.now += 3650 * DAY
    for _ in range(3):
        all_steps(retention)
        clocks.pass_by(HOUR)
    assert len(request_ids(sqlite(tmp_path))) == 6
    assert caplog.text.count("the clock was set forward by 87600.0 hours") == 1
    clocks.pass_by(DAY)
    all_steps(retention)
    assert request_ids(sqlite(tmp_path)) == ["request-9"], "ages grow by the time that elapses"


def test_a_clock_that_is_set_forward_by_less_than_an_hour_is_used(
    store: LogStore, clocks: Clocks, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    retention = clocks.retention(store, 10 + 1.5 / 24)
    all_steps(retention)
    assert len(request_ids(sqlite(tmp_path))) == 6
    clocks.pass_by(HOUR)
    clocks.now += HOUR - 1
    all_steps(retention)
    assert request_ids(sqlite(tmp_path)) == ["request-9"]
    assert caplog.text == ""

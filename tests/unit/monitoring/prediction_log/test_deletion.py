"""Tests of deletion from the prediction log and its spool."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError
from petmood.monitoring.prediction_log.deletion import Deleted, delete_before, delete_requests
from petmood.monitoring.prediction_log.spool import Spool
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import START_US, request_ids, row, sqlite


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogStore]:
    """Return the store of a log with two rows."""
    made = LogStore(sqlite(tmp_path))
    made.insert([row(0), row(9)])
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a spool in which an ended service left three rows."""
    spool = Spool(tmp_path / "spool")
    spool.append([row(1), row(2), row(1, position=1)])
    spool.close()
    return spool.folder


def test_rows_that_an_ended_service_left_do_not_come_back(store: LogStore, folder: Path, tmp_path: Path) -> None:
    assert delete_requests(store, ["request-0", "request-1"], spool=folder) == Deleted(rows=3, left=0)
    assert list(folder.iterdir()) == []
    assert request_ids(sqlite(tmp_path)) == ["request-2", "request-9"]


def test_rows_in_the_file_of_a_running_service_are_counted(store: LogStore, folder: Path, tmp_path: Path) -> None:
    running = Spool(folder)
    running.append([row(1, position=2), row(3)])
    assert delete_requests(store, ["request-1"], spool=folder) == Deleted(rows=2, left=1)
    assert delete_requests(store, ["request-2"], spool=folder) == Deleted(rows=1, left=0)
    for rows in running.replay():
        store.insert(rows)
    assert delete_requests(store, ["request-1"], spool=folder) == Deleted(rows=1, left=0)
    assert request_ids(sqlite(tmp_path)) == ["request-0", "request-3", "request-9"]


def test_old_rows_of_the_spool_are_deleted_too(store: LogStore, folder: Path, tmp_path: Path) -> None:
    running = Spool(folder)
    running.append([row(3), row(4)])
    assert delete_before(store, START_US + 4_000_000, spool=folder) == Deleted(rows=4, left=1)
    assert request_ids(sqlite(tmp_path)) == ["request-9"]
    running.close()


def test_a_spool_that_does_not_exist_is_not_made(store: LogStore, tmp_path: Path) -> None:
    assert delete_requests(store, ["request-0"], spool=tmp_path / "none") == Deleted(rows=1, left=0)
    assert not (tmp_path / "none").exists()


def test_a_spool_that_cannot_be_read_is_named(store: LogStore, tmp_path: Path) -> None:
    (tmp_path / "file.rows.jsonl").mkdir()
    with pytest.raises(ConfigError, match=r"which can't be used: .*Run the command as the user of the service"):
        delete_requests(store, ["request-0"], spool=tmp_path)
    assert request_ids(sqlite(tmp_path)) == ["request-0", "request-9"]

"""Tests of writes to the prediction log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.monitoring.prediction_log.store import Inserted, LogStore
from tests.support.logged import BUNDLE, START_US, request_ids, row, sqlite


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogStore]:
    """Return the store of a new log."""
    made = LogStore(sqlite(tmp_path))
    yield made
    made.close()


def test_a_row_is_written_once_however_often_it_comes(store: LogStore, tmp_path: Path) -> None:
    assert store.insert([row(1), row(2)]) == Inserted(written=2)
    assert store.insert([row(2), row(3), row(3)]) == Inserted(written=1, repeated=2)
    assert request_ids(sqlite(tmp_path)) == ["request-1", "request-2", "request-3"]


def test_photos_of_one_request_are_rows_of_their_own(store: LogStore) -> None:
    assert store.insert([row(1), row(1, position=1)]) == Inserted(written=2)


def test_a_row_that_the_database_refuses_does_not_take_others_with_it(store: LogStore, tmp_path: Path) -> None:
    wrong = row(2, latency_ms=None)
    assert store.insert([row(1), wrong, row(3)]) == Inserted(written=2, refused=1)
    assert request_ids(sqlite(tmp_path)) == ["request-1", "request-3"]


def test_rows_before_a_time_are_deleted(store: LogStore, tmp_path: Path) -> None:
    store.insert([row(number) for number in range(5)])
    assert store.delete_before(START_US + 3_000_000) == 3
    assert request_ids(sqlite(tmp_path)) == ["request-3", "request-4"]


def test_all_rows_of_a_request_are_deleted(store: LogStore, tmp_path: Path) -> None:
    store.insert([row(1), row(1, position=1), row(2)])
    assert store.delete_requests(["request-1", "unknown"]) == 2
    assert request_ids(sqlite(tmp_path)) == ["request-2"]


def test_two_bundles_share_a_log(store: LogStore) -> None:
    other = type(BUNDLE)("cd" * 32, "pets", "2", ("angry", "happy", "sad"))
    assert store.insert([row(1), row(2, bundle=other, probabilities=(0.1, 0.2, 0.7))]) == Inserted(written=2)

"""Tests of writes to the prediction log."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from petmood.monitoring.prediction_log import store as store_module
from petmood.monitoring.prediction_log.database import connect, database_url
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


def test_rows_are_deleted_in_chunks(store: LogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "DELETED_ROWS", 2)
    store.insert([row(number) for number in range(5)])
    deleting = store.deleting_before(START_US + 3_000_000)
    assert next(deleting) == 2
    assert request_ids(sqlite(tmp_path)) == ["request-2", "request-3", "request-4"]
    assert list(deleting) == [1]
    assert request_ids(sqlite(tmp_path)) == ["request-3", "request-4"]


def test_all_rows_of_a_request_are_deleted(store: LogStore, tmp_path: Path) -> None:
    store.insert([row(1), row(1, position=1), row(2)])
    assert store.delete_requests(["request-1", "unknown"]) == 2
    assert request_ids(sqlite(tmp_path)) == ["request-2"]


def test_two_bundles_share_a_log(store: LogStore) -> None:
    other = type(BUNDLE)("cd" * 32, "pets", "2", ("angry", "happy", "sad"))
    assert store.insert([row(1), row(2, bundle=other, probabilities=(0.1, 0.2, 0.7))]) == Inserted(written=2)


@pytest.mark.parametrize("moves", [True, False], ids=["moved", "removed"])
def test_a_file_that_is_moved_or_removed_is_made_anew(
    store: LogStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, moves: bool
) -> None:
    store.insert([row(1)])
    if moves:
        (tmp_path / "log.db").rename(tmp_path / "kept.db")
    else:
        (tmp_path / "log.db").unlink()
    assert store.insert([row(2)]) == Inserted(written=1)
    assert request_ids(sqlite(tmp_path)) == ["request-2"]
    assert caplog.text.count("was moved or removed") == 1
    if moves:
        kept = connect(database_url(f"sqlite:///{tmp_path}/kept.db"))
        assert request_ids(kept) == ["request-1"]
        kept.dispose()


def test_another_file_in_place_of_the_log_is_written(store: LogStore, tmp_path: Path) -> None:
    store.insert([row(1)])
    (tmp_path / "log.db").rename(tmp_path / "kept.db")
    (tmp_path / "log.db").touch()
    store.insert([row(2)])
    (tmp_path / "log.db").unlink()
    (tmp_path / "log.db-wal").unlink()
    (tmp_path / "kept.db").rename(tmp_path / "log.db")
    store.insert([row(3)])
    assert request_ids(sqlite(tmp_path)) == ["request-1", "request-3"]


def test_a_removed_file_is_closed_without_a_write(store: LogStore, tmp_path: Path) -> None:
    """So it doesn't take space on the disk for as long as no prediction comes."""
    store.insert([row(1)])
    path = tmp_path / "log.db"
    assert "log.db" in open_files(tmp_path)
    path.unlink()
    store.close_if_moved()
    assert open_files(tmp_path) == []


def open_files(folder: Path) -> list[str]:
    """Return the names of the files in a folder that this process has open; those of removed ones end with a note."""
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.append(one.readlink())
    return [path.name for path in found if path.parent == folder]


OTHER_PROCESS = """
import sys
from pathlib import Path
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import row, sqlite
store = LogStore(sqlite(Path(sys.argv[1])))
for line in sys.stdin:
    print(store.insert([row(int(line))]).written, flush=True)
store.close()
"""


def test_two_processes_lose_nothing_of_a_file_that_is_moved(store: LogStore, tmp_path: Path) -> None:
    """The other one still has the old file and what belongs to it, when a new one is made under its name."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for number in range(4):
            assert store.insert([row(number)]) == Inserted(written=1)
            other.stdin.write(f"{10 + number}\n")
            other.stdin.flush()
            assert other.stdout.readline() == "1\n"
            if number == 1:
                (tmp_path / "log.db").rename(tmp_path / "kept.db")
        other.stdin.close()
        assert other.wait() == 0
    kept = connect(database_url(f"sqlite:///{tmp_path}/kept.db"))
    assert request_ids(kept) == ["request-0", "request-1", "request-10", "request-11"]
    assert request_ids(sqlite(tmp_path)) == ["request-12", "request-13", "request-2", "request-3"]
    kept.dispose()

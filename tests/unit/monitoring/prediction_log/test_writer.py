"""Tests of the writer of the prediction log."""

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from petmood.core.errors import ConfigError, LogUnavailable
from petmood.monitoring.feedback.store import FeedbackStore
from petmood.monitoring.kept_photos import KeptPhotos, PhotoKeeper, open_keeper
from petmood.monitoring.metric_names import LogResult, PhotoResult
from petmood.monitoring.prediction_log import store as store_module
from petmood.monitoring.prediction_log import writer
from petmood.monitoring.prediction_log.database import database_url, migrate
from petmood.monitoring.prediction_log.rows import LogRow, PhotoKey
from petmood.monitoring.prediction_log.spool import Spool
from petmood.monitoring.prediction_log.store import Inserted, LogStore
from petmood.monitoring.prediction_log.writer import LogWriter, open_writer
from tests.support.logged import START_US, Counts, prediction, request_ids, row, sqlite
from tests.support.waiting import wait_until


class Switched(LogStore):
    """A store whose database can be switched off, and can hang."""

    def __init__(self, folder: Path) -> None:
        super().__init__(sqlite(folder))
        self.away, self.goes_on = False, threading.Event()
        self.goes_on.set()
        self.sizes: list[int] = []

    def prepare(self) -> None:
        """Fail while it is switched off."""
        if self.away:
            raise LogUnavailable("The prediction log can't be used: switched off")
        super().prepare()

    def insert(self, rows: Sequence[LogRow]) -> Inserted:
        """Hang until ``goes_on`` is set, and note how many rows came together."""
        self.goes_on.wait()
        found = super().insert(rows)
        self.sizes.append(len(rows))
        return found


@pytest.fixture
def store(tmp_path: Path) -> Switched:
    """Return a store that can be switched off."""
    return Switched(tmp_path)


@pytest.fixture
def counts() -> Counts:
    """Return counters of rows by result."""
    return Counts()


@pytest.fixture
def log(store: Switched, counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LogWriter]:
    """Return a writer that was not started, and tries a database that is away again at once."""
    monkeypatch.setattr(writer, "RETRY_S", (0.0,))
    made = LogWriter(store, Spool(tmp_path / "spool"), count=counts.add)
    yield made
    store.goes_on.set()
    made.stop()


def record(log: LogWriter, *numbers: int) -> None:
    """Add predictions with numbers as request ids."""
    for number in numbers:
        log.record(prediction(), PhotoKey(f"{number:04}"), time_us=START_US, latency_ms=1.0)


def names(count: int) -> list[str]:
    """Return the request ids of the first numbers."""
    return [f"{number:04}" for number in range(count)]


def test_what_is_recorded_is_in_the_log_after_a_stop(log: LogWriter, counts: Counts, tmp_path: Path) -> None:
    log.start()
    record(log, *range(250))
    log.stop()
    assert request_ids(sqlite(tmp_path)) == names(250)
    assert counts == {LogResult.WRITTEN: 250}


def test_a_single_row_is_written_without_waiting_for_more(log: LogWriter, counts: Counts) -> None:
    log.start()
    record(log, 1)
    wait_until(lambda: counts[LogResult.WRITTEN] == 1)


def test_a_commit_has_at_most_a_hundred_rows(log: LogWriter, store: Switched, counts: Counts) -> None:
    store.goes_on.clear()
    log.start()
    record(log, *range(401))
    store.goes_on.set()
    wait_until(lambda: counts[LogResult.WRITTEN] == 401)
    assert max(store.sizes) <= writer.BATCH_ROWS
    assert sum(store.sizes) == 401


def test_a_database_that_is_away_loses_nothing_and_gets_every_row_once(
    log: LogWriter, store: Switched, counts: Counts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log.start()
    record(log, *range(10))
    wait_until(lambda: counts[LogResult.WRITTEN] == 10)
    store.away = True
    record(log, *range(10, 30))
    wait_until(lambda: counts[LogResult.SPOOLED] == 20)
    store.away = False
    wait_until(lambda: counts[LogResult.WRITTEN] == 30, within_s=60)
    record(log, *range(30, 40))
    log.stop()
    assert request_ids(sqlite(tmp_path)) == names(40)
    assert counts == {LogResult.WRITTEN: 40, LogResult.SPOOLED: 20}
    assert caplog.text.count("rows go to the spool") == 1
    assert caplog.text.count("the database is back") == 1


def test_a_service_starts_while_the_database_is_away_and_the_next_process_writes_its_rows(
    log: LogWriter, store: Switched, counts: Counts, tmp_path: Path
) -> None:
    store.away = True
    log.start()
    record(log, *range(5))
    log.stop()
    assert counts == {LogResult.SPOOLED: 5}
    later = Counts()
    following = LogWriter(Switched(tmp_path), Spool(tmp_path / "spool"), count=later.add)
    following.start()
    wait_until(lambda: later[LogResult.WRITTEN] == 5)
    following.stop()
    assert request_ids(sqlite(tmp_path)) == names(5)
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_hanging_database_delays_no_request_and_no_end_and_loses_nothing(
    log: LogWriter, store: Switched, counts: Counts, tmp_path: Path
) -> None:
    log.start()
    store.goes_on.clear()
    record(log, *range(150))
    wait_until(lambda: log._in_hand)
    log.stop(within_s=0.1)
    assert counts[LogResult.SPOOLED] == 150
    store.goes_on.set()
    later = Counts()
    following = LogWriter(Switched(tmp_path), Spool(tmp_path / "spool"), count=later.add)
    following.start()
    wait_until(lambda: later[LogResult.WRITTEN] + later[LogResult.REPEATED] == 150)
    following.stop()
    assert request_ids(sqlite(tmp_path)) == names(150)


def test_a_full_queue_drops_and_counts(log: LogWriter, counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUE_ROWS", 3)
    record(log, *range(5))
    assert counts == {LogResult.DROPPED: 2}
    log.start()
    log.stop()
    assert counts == {LogResult.DROPPED: 2, LogResult.WRITTEN: 3}


def test_a_spool_that_cannot_be_written_counts_what_is_lost(
    store: Switched, counts: Counts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = LogWriter(store, Spool(tmp_path / "spool", most_bytes=10), count=counts.add)
    store.away = True
    log.start()
    record(log, *range(3))
    log.stop()
    assert counts == {LogResult.DROPPED: 3}
    assert "3 rows are lost" in caplog.text


def test_a_request_id_that_comes_twice_is_counted(log: LogWriter, counts: Counts) -> None:
    log.start()
    record(log, 1, 1, 2)
    log.stop()
    assert counts == {LogResult.WRITTEN: 2, LogResult.REPEATED: 1}


def test_what_cannot_be_logged_is_counted_and_stops_nothing(
    log: LogWriter, store: Switched, counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.start()
    log.record(None, PhotoKey("bad"), time_us=START_US, latency_ms=1.0)  # type: ignore[arg-type] # a fault of a caller
    wait_until(lambda: counts[LogResult.DROPPED] == 1)
    with monkeypatch.context() as patched:
        patched.setattr(store, "insert", lambda _: 1 / 0)
        record(log, 0)
        wait_until(lambda: counts[LogResult.SPOOLED] == 1)
    wait_until(lambda: counts[LogResult.WRITTEN] == 1)
    record(log, 1)
    log.stop()
    assert request_ids(sqlite(tmp_path)) == names(2)


def test_a_spool_that_cannot_be_read_does_not_end_the_writer(
    log: LogWriter, counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def too_many_files(_: Spool) -> None:
        tried.set()
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "replay", too_many_files)
        log.start()
        assert tried.wait(60)
        record(log, *range(3))
        wait_until(lambda: counts[LogResult.WRITTEN] + counts[LogResult.SPOOLED] == 3)
    log.stop()
    later = Counts()
    following = LogWriter(Switched(tmp_path), Spool(tmp_path / "spool"), count=later.add)
    following.start()
    wait_until(lambda: request_ids(sqlite(tmp_path)) == names(3))
    following.stop()


def test_what_is_queued_behind_a_dead_thread_goes_to_the_spool(
    log: LogWriter, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogWriter, "_run", lambda _: None)
    log.start()
    record(log, *range(3))
    log.stop()
    assert counts == {LogResult.SPOOLED: 3}


def test_new_rows_are_written_during_a_long_replay(store: Switched, counts: Counts, tmp_path: Path) -> None:
    left = Spool(tmp_path / "spool")
    left.append([row(number) for number in range(2600)])
    left.close()
    log = LogWriter(store, Spool(tmp_path / "spool"), count=counts.add)
    record(log, 1)
    log.start()
    wait_until(lambda: counts[LogResult.WRITTEN] == 2601)
    log.stop()
    assert store.sizes[0] == 1
    assert max(store.sizes) == 500
    assert list((tmp_path / "spool").iterdir()) == []


def test_old_rows_are_deleted_at_the_start(counts: Counts, tmp_path: Path) -> None:
    store = LogStore(sqlite(tmp_path))
    store.insert([row(1), row(2, time_us=4_000_000_000_000_000)])
    log = LogWriter(store, Spool(tmp_path / "spool"), count=counts.add, keep_days=1)
    log.start()
    wait_until(lambda: request_ids(sqlite(tmp_path)) == ["request-2"])
    log.stop()


def test_old_rows_that_cannot_be_deleted_do_not_send_new_ones_to_the_spool(
    counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> Iterator[int]:
        raise LogUnavailable("canceling statement due to statement timeout")

    store = LogStore(sqlite(tmp_path))
    monkeypatch.setattr(store, "deleting_before", fail)
    log = LogWriter(store, Spool(tmp_path / "spool"), count=counts.add, keep_days=1)
    log.start()
    wait_until(lambda: "canceling statement" in caplog.text)
    record(log, *range(3))
    log.stop()
    assert counts == {LogResult.WRITTEN: 3}


def test_new_rows_are_written_while_many_old_ones_are_deleted(
    counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "DELETED_ROWS", 1)
    steps: list[str] = []

    class Noting(LogStore):
        def insert(self, rows: Sequence[LogRow]) -> Inserted:
            steps.append("insert")
            return super().insert(rows)

        def deleting_before(self, time_us: int) -> Iterator[int]:
            for number in super().deleting_before(time_us):
                if not steps:
                    record(begun, 1)
                steps.append("delete")
                yield number

    store = Noting(sqlite(tmp_path))
    store.insert([row(number) for number in range(5)])
    steps.clear()
    begun = LogWriter(store, Spool(tmp_path / "spool"), count=counts.add, keep_days=1)
    begun.start()
    wait_until(lambda: steps.count("delete") == 6)
    begun.stop()
    assert steps == ["delete", "insert", *["delete"] * 5]


def test_a_newer_schema_ends_the_start(tmp_path: Path, counts: Counts) -> None:
    engine = sqlite(tmp_path)
    migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE petmood_log_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(ConfigError, match="a newer petmood"):
        open_writer(f"sqlite:///{tmp_path}/log.db", count=counts.add, spool=tmp_path / "spool").prepare()


def test_the_spool_of_an_address_is_in_the_cache_and_depends_on_no_password(
    tmp_path: Path, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path))
    for address in ("postgresql://me:one@db/pets", "postgresql://me:two@db/pets", "postgresql://db/others"):
        open_writer(address, count=counts.add)
    assert len(list((tmp_path / "prediction-log").iterdir())) == 2


def test_a_file_that_is_removed_is_made_anew(
    log: LogWriter, counts: Counts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log.start()
    record(log, 0)
    wait_until(lambda: counts[LogResult.WRITTEN] == 1)
    (tmp_path / "log.db").unlink()
    wait_until(lambda: "was moved or removed" in caplog.text, what="the notice, before there is a row to write")
    record(log, 1)
    log.stop()
    assert request_ids(sqlite(tmp_path)) == ["0001"]
    assert counts == {LogResult.WRITTEN: 2}


def test_the_size_of_the_spool_is_a_setting(counts: Counts, tmp_path: Path) -> None:
    made = open_writer(f"sqlite:///{tmp_path}/log.db", count=counts.add, spool=tmp_path / "spool", spool_bytes=1000)
    record(made, *range(20))
    made._to_spool(made._drained())
    assert counts == {LogResult.DROPPED: 20}
    record(made, 1)
    made._to_spool(made._drained())
    assert counts == {LogResult.DROPPED: 20, LogResult.SPOOLED: 1}
    made.stop()


def test_photos_are_written_with_their_rows_and_a_hanging_database_delays_none_of_the_requests(
    store: Switched, counts: Counts, tmp_path: Path
) -> None:
    photos, kept = KeptPhotos(tmp_path / "photos"), Counter[PhotoResult]()
    photos.create(days=1)
    keeper = PhotoKeeper(photos, count=lambda result, number: kept.update({result: number}), held_bytes=500)
    log = LogWriter(store, Spool(tmp_path / "spool"), count=counts.add, photos=keeper)
    store.goes_on.clear()
    log.start()
    for number in range(100):
        log.record(prediction(), PhotoKey(f"{number:04}"), time_us=START_US, latency_ms=1.0, photo=b"0123456789")
    store.goes_on.set()
    log.stop(within_s=60)
    assert counts == {LogResult.WRITTEN: 100}
    assert kept[PhotoResult.KEPT] >= 50
    assert kept.total() == 100
    assert len(list(photos.folder.glob("*.photo"))) == kept[PhotoResult.KEPT]


@pytest.mark.parametrize("keeps", [True, False])
def test_a_service_deletes_old_photos_also_in_the_folders_that_an_earlier_one_kept_them_in(
    counts: Counts, tmp_path: Path, *, keeps: bool
) -> None:
    address, key = f"sqlite:///{tmp_path}/log.db", PhotoKey("0001")

    def service(name: str, *, photos: bool = True) -> LogWriter:
        keeper = None
        if photos:
            keeper = open_keeper(database_url(address), days=30, folder=f"{tmp_path}/{name}", count=lambda *_: None)
        spool = tmp_path / "spool"
        return open_writer(address, count=counts.add, spool=spool, photos=keeper, photo_folder=f"{tmp_path}/{name}")

    for name in ("first", "second"):
        service(name).prepare()
        KeptPhotos(tmp_path / name).write(key, b"pixels")
        os.utime(KeptPhotos(tmp_path / name).path(key), (0, 0))
    third = service("third", photos=keeps)
    third.start()
    wait_until(lambda: not [*tmp_path.glob("*/*.photo")])
    third.stop()


def test_a_photo_is_kept_for_its_own_row_alone_when_a_request_id_is_used_again(
    store: Switched, counts: Counts, tmp_path: Path
) -> None:
    photos, key = KeptPhotos(tmp_path / "photos"), PhotoKey("0001")
    photos.create(days=1)
    keeper = PhotoKeeper(photos, count=lambda *_: None, held_bytes=12)
    log = LogWriter(store, Spool(tmp_path / "spool"), count=counts.add, photos=keeper)
    log.record(prediction(), key, time_us=START_US, latency_ms=1.0, photo=b"too large to wait")
    log.record(prediction(), key, time_us=START_US + 1, latency_ms=1.0, photo=b"another")
    log.record(prediction(), PhotoKey("0002"), time_us=START_US, latency_ms=1.0, photo=b"mine")
    log.start()
    log.stop(within_s=60)
    feedback = FeedbackStore(sqlite(tmp_path))
    rows = [feedback.prediction(PhotoKey(name)) for name in ("0001", "0002")]
    feedback.close()
    assert [row and row.photo_sha256 for row in rows] == ["", hashlib.sha256(b"mine").hexdigest()]
    read = [photos.read(PhotoKey(f"000{n}"), sha256=row.photo_sha256) for n, row in enumerate(rows, start=1) if row]
    assert read == [None, b"mine"]


def test_a_row_that_may_come_later_is_told_from_one_that_never_will(
    log: LogWriter, store: Switched, counts: Counts
) -> None:
    key = PhotoKey("0001")
    log.start()
    assert not log.may_hold(key)
    store.goes_on.clear()
    record(log, 1)
    wait_until(lambda: log.may_hold(key))
    assert not log.may_hold(PhotoKey("0002"))
    store.away = True
    store.goes_on.set()
    wait_until(lambda: counts[LogResult.SPOOLED] + counts[LogResult.WRITTEN] == 1)
    record(log, 3)
    wait_until(lambda: counts[LogResult.SPOOLED] >= 1)
    assert log.may_hold(key)
    store.away = False
    wait_until(lambda: not log.may_hold(key))

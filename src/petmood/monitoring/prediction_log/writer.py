"""Writer of the prediction log: one thread behind a bounded queue, with a spool for when the database is away."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import ConfigError, LogUnavailable
from petmood.core.prediction import Prediction
from petmood.monitoring.kept_photos import PhotoKeeper, photos_folder
from petmood.monitoring.metric_names import LogResult
from petmood.monitoring.photo_retention import PhotoRetention
from petmood.monitoring.prediction_log.database import connect, database_url
from petmood.monitoring.prediction_log.retention import Retention
from petmood.monitoring.prediction_log.rows import LogRow, PhotoKey, log_row
from petmood.monitoring.prediction_log.spool import MOST_BYTES, Spool, spool_folder
from petmood.monitoring.prediction_log.store import LogStore

__all__ = ["CountRows", "LogWriter", "open_writer"]

logger = logging.getLogger(__name__)

QUEUE_ROWS: Final = 10_000
BATCH_ROWS: Final = 100
WAIT_S: Final = 0.5
"""A commit has up to ``BATCH_ROWS`` rows, and comes at most ``WAIT_S`` seconds after the first of them."""
RETRY_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until a database that is away is tried again, by the number of failures."""
STOP_WITHIN_S: Final = 2.0
"""With the drain before it, a service ends within the ten seconds that platforms leave."""

CountRows = Callable[[LogResult, int], None]


@dataclass(frozen=True, slots=True)
class _Queued:
    """A prediction whose row the writer's thread makes, so that a request doesn't wait for it."""

    prediction: Prediction
    key: PhotoKey
    time_us: int
    latency_ms: float
    photo: bytes | None = None

    def row(self) -> LogRow:
        return log_row(self.prediction, self.key, time_us=self.time_us, latency_ms=self.latency_ms, photo=self.photo)


class LogWriter:
    """Thread that writes rows in batches; ``record`` never waits.

    ``count`` is called with what became of the rows. ``keep_days`` is the age of rows in days from which they are
    deleted; None keeps all. ``photos`` keeps the photos of the rows. Old photos are deleted in ``photo_folder``, even
    if none are kept any more, and in the folders that the log names.
    """

    def __init__(
        self,
        store: LogStore,
        spool: Spool,
        *,
        count: CountRows,
        keep_days: float | None = None,
        photos: PhotoKeeper | None = None,
        photo_folder: Path | None = None,
    ) -> None:
        self._store, self._spool, self._count = store, spool, count
        self._retention = Retention(store, keep_days)
        self._photo_retention = PhotoRetention(store.photo_folders, own=photo_folder, most_days=keep_days)
        self._photos = photos
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failures, self._retry_at = 0, 0.0
        self._in_hand: list[LogRow] = []
        self._replaying: Generator[list[LogRow], None, None] | None = None
        self._is_abandoned = False

    def record(
        self,
        prediction: Prediction,
        key: PhotoKey,
        *,
        time_us: int,
        latency_ms: float,
        photo: bytes | None = None,
    ) -> None:
        """Add the row of a prediction, with its time in microseconds since 1970; a full queue drops it.

        The photo is kept if the log keeps photos.
        """
        if self._queue.qsize() >= QUEUE_ROWS:
            self._count(LogResult.DROPPED, 1)
            return
        kept = self._photos.admit(photo) if self._photos is not None and photo is not None else None
        self._queue.put(_Queued(prediction, key, time_us, latency_ms, kept))

    def may_hold(self, key: PhotoKey) -> bool:
        """Return whether the row of a photo may still be on its way to the database: in hand, queued or spooled."""
        in_hand = any((row.request_id, row.position) == (key.request_id, key.position) for row in self._in_hand)
        return in_hand or self._failures > 0 or self._queue.qsize() >= BATCH_ROWS or self._spool.has_rows()

    def prepare(self) -> None:
        """Bring the schema up to date, unless the database is away: then that is done when it is back.

        Raises:
            ConfigError: the database was written by a newer petmood, or isn't a prediction log.
        """
        try:
            self._store.prepare()
        except LogUnavailable as error:
            self._note_failure(error)

    def start(self) -> None:
        """Start the thread; rows that an earlier process left in the spool are replayed first."""
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def stop(self, *, within_s: float = STOP_WITHIN_S) -> None:
        """Write what is queued and end the thread; what it can't write within the time goes to the spool."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(within_s)
        self._is_abandoned = True
        hangs = self._thread.is_alive()  # a row that it still writes has the key of the spooled one
        if left := [*(self._in_hand if hangs else ()), *self._drained()]:
            # The thread may be reading the file of its own.
            rest = Spool(self._spool.folder, most_bytes=self._spool.most_bytes)
            self._to_spool(left, spool=rest)
            rest.close()
        if not hangs:
            self._end_replay()
            self._spool.close()
            self._store.close()
        self._thread = None

    def _run(self) -> None:
        stopped = False
        while not (stopped or self._is_abandoned):
            try:
                stopped = self._step()
            except Exception as error:  # noqa: BLE001 - such as too many open files: it is tried again later
                self._note_failure(error)

    def _step(self) -> bool:
        """Write what is queued and a chunk of the spool, and delete a chunk of old rows; return whether to stop."""
        self._in_hand, stopped = self._take()
        if self._in_hand:
            self._write(self._in_hand)
        self._in_hand = []
        if not (stopped or self._is_abandoned):
            self._store.close_if_moved()
            self._replay()
            if not self._failures:
                self._retention.step()
            self._photo_retention.step()
        return stopped

    def _take(self) -> tuple[list[LogRow], bool]:
        """Return the next rows, and whether to stop; with nothing else to do, wait up to ``WAIT_S``."""
        rows: list[LogRow] = []
        is_busy = self._replaying is not None or (self._retention.has_begun and not self._failures)
        until = time.monotonic() + (0.0 if is_busy else WAIT_S)
        while len(rows) < BATCH_ROWS:
            try:
                queued = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if queued is None:
                return rows + self._drained(), True
            if not rows:
                until = time.monotonic() + WAIT_S
            rows.extend(self._made(queued))
        return rows, False

    def _drained(self) -> list[LogRow]:
        """Return all rows in the queue, without waiting."""
        rows: list[LogRow] = []
        while True:
            try:
                queued = self._queue.get_nowait()
            except queue.Empty:
                return rows
            if queued is not None:
                rows.extend(self._made(queued))

    def _made(self, queued: _Queued) -> list[LogRow]:
        """Return the row of a prediction, or none of one that can't be logged, which is counted; keep its photo."""
        if self._photos is not None and queued.photo is not None:
            self._photos.write(queued.key, queued.photo)
        try:
            return [queued.row()]
        except Exception:
            logger.exception("prediction log: a prediction can't be logged")
            self._count(LogResult.DROPPED, 1)
            return []

    def _write(self, rows: Sequence[LogRow]) -> None:
        if time.monotonic() < self._retry_at or not self._insert(rows):
            self._to_spool(rows)

    def _insert(self, rows: Sequence[LogRow]) -> bool:
        """Write rows into the database; return whether it was there."""
        try:
            found = self._store.insert(rows)
        except Exception as error:  # noqa: BLE001 - of any kind: the thread continues, and the spool keeps the rows
            self._note_failure(error)
            return False
        if self._failures:
            logger.warning("prediction log: the database is back")
            self._failures, self._retry_at = 0, 0.0
        self._count(LogResult.WRITTEN, found.written)
        self._count(LogResult.REPEATED, found.repeated)
        self._count(LogResult.DROPPED, found.refused)
        return True

    def _to_spool(self, rows: Sequence[LogRow], *, spool: Spool | None = None) -> None:
        if not rows:
            return
        try:
            (spool or self._spool).append(rows)
        except OSError as error:
            logger.error("prediction log: %d rows are lost, the spool can't be written: %s", len(rows), error)  # noqa: TRY400 - no traceback a batch
            self._count(LogResult.DROPPED, len(rows))
        else:
            self._count(LogResult.SPOOLED, len(rows))

    def _replay(self) -> None:
        """Write one chunk of the spooled rows into the database, if there is one and it is time to try.

        The queue has its turn between two chunks: otherwise a long replay would let it overflow.
        """
        if time.monotonic() < self._retry_at:
            return
        if self._replaying is None:
            self._replaying = self._spool.replay()
        rows = next(self._replaying, None)
        if rows is None:
            self._replaying = None
        elif not self._insert(rows):
            self._end_replay()

    def _end_replay(self) -> None:
        """Stop reading the spool; the file that was being read is replayed from its start, each row once by its key."""
        if self._replaying is not None:
            self._replaying.close()
            self._replaying = None

    def _note_failure(self, error: Exception) -> None:
        self._end_replay()
        if not self._failures:
            known = isinstance(error, LogUnavailable | ConfigError)
            logger.error("%s; rows go to the spool until it is back", error, exc_info=None if known else error)
        self._retry_at = time.monotonic() + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1


def open_writer(
    address: str,
    *,
    count: CountRows,
    keep_days: float | None = None,
    spool: Path | None = None,
    spool_bytes: int = MOST_BYTES,
    photos: PhotoKeeper | None = None,
    photo_folder: str | None = None,
) -> LogWriter:
    """Return the writer of a log at a database's address.

    ``spool`` is the folder for rows while the database is away, ``spool_bytes`` the largest size of a process's file
    there. ``photo_folder`` is the folder of kept photos, by default that beside an SQLite file.

    Raises:
        ConfigError: another database than SQLite or PostgreSQL, or a folder that can't be written.
        MissingDependency: the driver of PostgreSQL is not installed.
    """
    url = database_url(address)
    files = Spool(spool_folder(url, spool), most_bytes=spool_bytes)
    store = LogStore(connect(url), photo_folder=photos.folder if photos is not None else None)
    own = photos_folder(url, photo_folder)
    return LogWriter(store, files, count=count, keep_days=keep_days, photos=photos, photo_folder=own)

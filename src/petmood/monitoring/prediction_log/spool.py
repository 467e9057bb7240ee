"""Spool of the prediction log: rows in append-only files while the database is away."""

import contextlib
import hashlib
import logging
import os
import uuid
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from petmood.core.errors import ConfigError
from petmood.core.files import flush_folder
from petmood.core.locks import is_at, try_lock
from petmood.core.open_flags import BINARY
from petmood.core.user_cache import cache_folder
from petmood.monitoring.prediction_log.database import shown_address
from petmood.monitoring.prediction_log.rows import LogRow

__all__ = ["MOST_BYTES", "Spool", "replay_orphans", "rows_in", "spool_folder"]

logger = logging.getLogger(__name__)

SUFFIX: Final = ".rows.jsonl"
CHUNK: Final = 500
MOST_BYTES: Final = 1_000_000_000


class Spool:
    """Files of rows in a folder: one that this process appends to, and those that dead processes left.

    Each append is on the disk when it returns. The file is locked while its process lives, so its rows are replayed by
    one process. Not thread-safe.

    Raises:
        ConfigError: the folder can't be made or written.
    """

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self._handle: int | None = None
        self._path: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"The folder {folder} for rows of the prediction log can't be made: {error}") from error
        if not os.access(folder, os.W_OK):
            raise ConfigError(f"The folder {folder} for rows of the prediction log can't be written.")

    def append(self, rows: Sequence[LogRow]) -> None:
        """Append rows and wait until they are on the disk.

        Raises:
            OSError: the disk is full, or the file has reached its limit; none of the rows counts as written.
        """
        data = b"".join(row.to_json().encode() + b"\n" for row in rows)
        handle = self._opened()
        size = os.fstat(handle).st_size
        if size + len(data) > self.most_bytes:
            raise OSError(f"the spool has reached {self.most_bytes / 1e6:g} MB")
        try:
            written = 0
            while written < len(data):
                written += os.write(handle, data[written:])
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)  # a cut line would damage the next one
            raise

    def replay(self) -> Generator[list[LogRow], None, None]:
        """Yield the rows of all files in chunks; a file is removed when the chunk after its last one is requested.

        So stop iterating where a chunk can't be written: its file stays, and is replayed from the start. Damaged lines
        are passed over; the log says how many.
        """
        if self._path is not None and self._handle is not None:
            if is_at(self._handle, self._path):
                yield from _chunks(self._path)
            self._path.unlink(missing_ok=True)
            self.close()
        yield from replay_orphans(self.folder)

    def has_rows(self) -> bool:
        """Return whether rows of any process wait in the folder."""
        return next(self.folder.glob(f"*{SUFFIX}"), None) is not None

    def close(self) -> None:
        """Close the file; its rows are replayed by the next process."""
        if self._handle is not None:
            os.close(self._handle)
            self._path = self._handle = None

    def _opened(self) -> int:
        """Return the descriptor of this process's file, made and locked if there is none, or it was removed."""
        if self._handle is not None and self._path is not None and not is_at(self._handle, self._path):
            self.close()
        if self._handle is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{uuid.uuid4().hex}{SUFFIX}"
            draft = path.with_suffix(".new")  # under its name it would be replayed by others before it is locked
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | BINARY, 0o600)
            try_lock(handle)
            draft.rename(path)
            flush_folder(self.folder)
            self._path, self._handle = path, handle
        return self._handle


def spool_folder(url: URL, given: Path | None = None) -> Path:
    """Return the folder of the spool of a log at an address: the given one, or one in the user's cache."""
    name = hashlib.sha256(shown_address(url).encode()).hexdigest()[:12]
    return given or cache_folder() / "prediction-log" / name


def replay_orphans(folder: Path) -> Generator[list[LogRow], None, None]:
    """Yield the rows of the files that dead processes left in a folder, in chunks, as ``Spool.replay`` does."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with _of_a_dead_process(path) as orphaned:
            if orphaned:
                yield from _chunks(path)
                path.unlink(missing_ok=True)


def rows_in(folder: Path) -> Iterator[LogRow]:
    """Yield the rows of all files in a folder, those of running processes too; nothing is removed."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        with contextlib.suppress(FileNotFoundError):  # another process has replayed and removed it
            for chunk in _chunks(path):
                yield from chunk


@contextlib.contextmanager
def _of_a_dead_process(path: Path) -> Iterator[bool]:
    """Lock a file of another process while the block runs; yields False if that process lives, or has no locks."""
    try:
        handle = os.open(path, os.O_RDWR | BINARY)  # network drives lock only files that are open for writing
    except OSError:  # another process has replayed and removed it
        yield False
        return
    try:
        yield try_lock(handle) is True and path.exists()
    finally:
        os.close(handle)


def _chunks(path: Path) -> Iterator[list[LogRow]]:
    rows: list[LogRow] = []
    damaged = 0
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                rows.append(LogRow.from_json(line))
            except ValueError:
                damaged += 1
            if len(rows) == CHUNK:
                yield rows
                rows = []
    if rows:
        yield rows
    if damaged:
        logger.warning("prediction log: %d damaged lines of %s were passed over", damaged, path.name)

"""Append-only journal of tracking entries in the run folder, one JSON line per entry."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import TrackingError
from petmood.training.tracking.events import Entry, RunStarted, as_line, from_line

__all__ = ["JOURNAL_NAME", "LogRecord", "append", "begin_of", "read_journal"]

JOURNAL_NAME: Final = "tracking.jsonl"


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An entry and the byte offset of its end in the journal."""

    entry: Entry
    end: int


def read_journal(path: Path, *, after: int = 0) -> list[LogRecord]:
    """Return the complete entries after a byte offset; an incomplete last line is left for later.

    Raises:
        TrackingError: a complete line is not a valid entry.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(after)
        *lines, _torn = file.read().split(b"\n")
    found, end = [], after
    for line in lines:
        end += len(line) + 1
        try:
            found.append(LogRecord(from_line(line), end))
        except TrackingError as error:
            raise TrackingError(f"{path} is damaged before byte {end}. {error}") from error
    return found


def begin_of(path: Path) -> RunStarted:
    """Return the first entry of a journal.

    Raises:
        TrackingError: there is none, or the first entry is of another kind.
    """
    entries = read_journal(path)
    if not entries or not isinstance(entries[0].entry, RunStarted):
        raise TrackingError(f"{path} doesn't begin a run. The run was not tracked: train it with tracker=mlflow.")
    return entries[0].entry


def append(path: Path, entries: Sequence[Entry]) -> None:
    """Append entries after the last complete one and flush them to disk; either all or none are written.

    Raises:
        OSError: the write failed; the file is unchanged.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = _end_of_last_line(handle)
        os.ftruncate(handle, end)
        try:
            _write(handle, b"".join(map(as_line, entries)), at=end)
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)


def _write(handle: int, data: bytes, *, at: int) -> None:
    while data:
        written = os.pwrite(handle, data, at)
        data, at = data[written:], at + written


def _end_of_last_line(handle: int, *, block: int = 65_536) -> int:
    """Return the byte offset after the last line end; any data behind it was truncated by a kill or a full disk."""
    end = os.fstat(handle).st_size
    while end > 0:
        start = max(0, end - block)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0

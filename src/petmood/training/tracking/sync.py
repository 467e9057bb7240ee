"""Sync of a run's journal to its tracker, from the offset stored for the tracker's address."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from petmood.core.errors import TrackingError
from petmood.core.files import atomic_write_json
from petmood.training.tracking.base import Tracker, address_of, open_tracker
from petmood.training.tracking.spool import JOURNAL_NAME, begin_of, read_journal

__all__ = ["SENT_NAME", "Session", "exclusive_lock", "pending_entries"]

SENT_NAME: Final = "tracking.sent.json"
LOCK_NAME: Final = "tracking.lock"
_PLACES: Final = TypeAdapter(dict[str, int])
AT_ONCE: Final = 500
"""Number of entries sent per call; the offset is stored after each."""


class Session:
    """Send the entries of one run that its tracker does not have yet.

    The stored offset is only an optimization. A tracker that does not know the run gets all entries, and known entries
    have no effect.
    """

    def __init__(self, folder: Path, *, uri: str | None = None, again: bool = False) -> None:
        self._folder, self._uri, self._again = folder, uri, again
        self._begin = begin_of(folder / JOURNAL_NAME)
        self._address = address_of(self._begin, uri=uri)
        self._tracker: Tracker | None = None
        self._place: int | None = None  # offset of the open tracker; it replaces the stored one
        self.sent = 0

    @property
    def note(self) -> str:
        """The tracker's message for the user."""
        return self._tracker.note if self._tracker else ""

    def send_waiting(self) -> None:
        """Send pending entries; if there are none, no tracker is opened or imported.

        Raises:
            TrackingError: the tracker is unreachable or rejects entries; the offset of those it accepted is stored.
        """
        place = self._remembered() if self._place is None else self._place
        if not read_journal(self._folder / JOURNAL_NAME, after=place):
            return
        tracker = self._tracker or self._opened()
        entries = read_journal(self._folder / JOURNAL_NAME, after=self._place or 0)
        for start in range(0, len(entries), AT_ONCE):
            some = entries[start : start + AT_ONCE]
            tracker.send([placed.entry for placed in some])
            self._place = some[-1].end
            self.sent += len(some)
            if tracker.confirms:
                remember(self._folder, self._address, self._place)

    def close(self) -> None:
        """Close the tracker and store its offset.

        Raises:
            TrackingError: some entries were not stored.
        """
        if self._tracker is not None:
            self._tracker.close()
            remember(self._folder, self._address, self._place or 0)

    def _opened(self) -> Tracker:
        """Open the tracker; for a new run the stored offset is reset to 0, also for later sessions."""
        tracker = open_tracker(self._begin, self._folder, uri=self._uri)
        is_new = tracker.open(self._begin)
        self._tracker, self._place = tracker, 0 if is_new else self._remembered()
        if is_new:
            remember(self._folder, self._address, 0)
        return tracker

    def _remembered(self) -> int:
        return 0 if self._again else sent_up_to(self._folder, self._address)


def pending_entries(folder: Path, *, uri: str | None = None) -> int:
    """Return how many entries of a run its tracker does not have yet; 0 if the run was not tracked."""
    journal = folder / JOURNAL_NAME
    if not journal.is_file():
        return 0
    return len(read_journal(journal, after=sent_up_to(folder, address_of(begin_of(journal), uri=uri))))


def sent_up_to(folder: Path, address: str) -> int:
    """Return the journal offset up to which a tracker has all entries."""
    return _places(folder).get(address, 0)


def remember(folder: Path, address: str, place: int) -> None:
    """Store the journal offset up to which a tracker has all entries."""
    atomic_write_json(folder / SENT_NAME, {**_places(folder), address: place})


def _places(folder: Path) -> dict[str, int]:
    """Return the offset of each tracker address; if the file is missing or corrupted, entries are sent again."""
    try:
        return _PLACES.validate_json((folder / SENT_NAME).read_bytes())
    except (OSError, ValidationError):
        return {}


@contextmanager
def exclusive_lock(folder: Path, *, wait_s: float) -> Iterator[None]:
    """Lock the run, so that one process at a time sends its entries.

    Raises:
        TrackingError: another process still holds the lock after ``wait_s``.
    """
    handle = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        while not _locked(handle):
            if time.monotonic() >= deadline:
                raise TrackingError(f"{folder} is being sent by another process just now; nothing is lost.")
            time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

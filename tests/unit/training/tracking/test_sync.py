"""Sync of pending entries, the stored offset, and the lock against concurrent senders."""

import fcntl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from petmood.core.errors import TrackingError
from petmood.training.tracking.base import address_of
from petmood.training.tracking.events import Entry, Metrics, RunStarted
from petmood.training.tracking.spool import JOURNAL_NAME, append, begin_of
from petmood.training.tracking.sync import SENT_NAME, Session, exclusive_lock, pending_entries, remember, sent_up_to

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(autouse=True)
def told(folder: Path, begun: RunStarted, entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a journal that nobody has sent."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    append(folder / JOURNAL_NAME, [begun, *entries])


def send(folder: Path, *, again: bool = False) -> int:
    """Send in a session of its own; return how many entries that were."""
    session = Session(folder, again=again)
    session.send_waiting()
    session.close()
    return session.sent


def test_what_waits_is_sent_once_and_then_nothing_waits(folder: Path, entries: list[Entry]) -> None:
    assert pending_entries(folder) == len(entries) + 1
    assert send(folder) == len(entries) + 1
    assert pending_entries(folder) == 0
    assert send(folder) == 0
    append(folder / JOURNAL_NAME, [Metrics(values={"loss": 0.1}, step=9)])
    assert pending_entries(folder) == 1
    assert send(folder) == 1


def test_where_nothing_waits_nothing_is_opened_or_imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    send(folder)
    monkeypatch.setitem(sys.modules, "petmood.training.tracking.mlflow", None)
    assert send(folder) == 0


def test_again_means_everything(folder: Path, entries: list[Entry]) -> None:
    send(folder)
    assert send(folder, again=True) == len(entries) + 1


def test_a_tracker_that_does_not_know_the_run_gets_everything(
    folder: Path, tmp_path: Path, entries: list[Entry]
) -> None:
    remember(folder, f"sqlite:///{tmp_path}/mlflow.db", (folder / JOURNAL_NAME).stat().st_size)
    assert send(folder) == 0
    append(folder / JOURNAL_NAME, [Metrics(values={"loss": 0.1}, step=9)])
    assert send(folder) == len(entries) + 2


@dataclass
class NewTracker:
    """A tracker whose run is new at its first opening, and that is away for the first sending after it."""

    confirms: bool
    note: str = ""
    is_new: bool = True
    fails: int = 1
    got: list[Entry] = field(default_factory=list)

    def open(self, begin: RunStarted) -> bool:
        assert begin.name == "run"
        is_new, self.is_new = self.is_new, False
        return is_new

    def send(self, entries: Sequence[Entry]) -> None:
        if self.fails:
            self.fails -= 1
            raise TrackingError("away")
        self.got.extend(entries)

    def close(self) -> None:
        """Nothing is left open."""


@pytest.fixture(params=[True, False], ids=["confirms", "confirms_at_the_end"])
def new_tracker(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> NewTracker:
    """Let all but the last entry be remembered as sent, to a tracker that doesn't know the run any more."""
    tracker = NewTracker(confirms=request.param)
    monkeypatch.setattr("petmood.training.tracking.sync.open_tracker", lambda *_, **__: tracker)
    journal = folder / JOURNAL_NAME
    remember(folder, address_of(begin_of(journal)), journal.stat().st_size)
    append(journal, [Metrics(values={"loss": 0.1}, step=9)])
    return tracker


def test_a_new_run_whose_first_sending_fails_still_gets_everything(
    folder: Path, entries: list[Entry], new_tracker: NewTracker
) -> None:
    session = Session(folder)
    with pytest.raises(TrackingError, match="away"):
        session.send_waiting()
    session.send_waiting()
    session.close()
    assert len(new_tracker.got) == len(entries) + 2
    assert isinstance(new_tracker.got[0], RunStarted)
    assert pending_entries(folder) == 0


def test_a_session_that_ends_before_a_new_run_has_anything_leaves_all_of_it_to_the_next(
    folder: Path, entries: list[Entry], new_tracker: NewTracker
) -> None:
    with pytest.raises(TrackingError, match="away"):
        Session(folder).send_waiting()
    assert pending_entries(folder) == len(entries) + 2
    assert send(folder) == len(entries) + 2
    assert len(new_tracker.got) == len(entries) + 2


def test_each_tracker_has_its_own_place(folder: Path, tmp_path: Path, entries: list[Entry]) -> None:
    send(folder)
    other = f"sqlite:///{tmp_path}/other.db"
    assert pending_entries(folder, uri=other) == len(entries) + 1
    session = Session(folder, uri=other)
    session.send_waiting()
    assert pending_entries(folder, uri=other) == 0


def test_a_lost_memory_of_the_place_costs_time_alone(folder: Path, entries: list[Entry]) -> None:
    send(folder)
    for damage in (b"", b"[]", b'{"x": "y"}', b"\xff"):
        (folder / SENT_NAME).write_bytes(damage)
        assert sent_up_to(folder, "x") == 0
        assert send(folder) == len(entries) + 1


def test_a_tracker_that_is_away_leaves_all_waiting(folder: Path, entries: list[Entry]) -> None:
    session = Session(folder, uri="http://127.0.0.1:9")
    with pytest.raises(TrackingError):
        session.send_waiting()
    session.close()
    assert pending_entries(folder, uri="http://127.0.0.1:9") == len(entries) + 1
    assert session.note == ""


def test_a_run_that_was_not_tracked_has_nothing_waiting(tmp_path: Path) -> None:
    assert pending_entries(tmp_path) == 0
    with pytest.raises(TrackingError, match="was not tracked"):
        Session(tmp_path)


def test_one_process_at_a_time_sends(folder: Path) -> None:
    with exclusive_lock(folder, wait_s=0):
        with (folder / "tracking.lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(TrackingError, match="is being sent by another process"), exclusive_lock(folder, wait_s=0.1):
            pass
    with exclusive_lock(folder, wait_s=0):
        pass


def test_places_of_several_trackers_are_kept(folder: Path) -> None:
    remember(folder, "a", 1)
    remember(folder, "b", 2)
    assert (sent_up_to(folder, "a"), sent_up_to(folder, "b"), sent_up_to(folder, "c")) == (1, 2, 0)

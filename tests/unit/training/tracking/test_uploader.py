"""Uploader process: follows a journal until its end, retries while a tracker is unreachable, and never raises."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.training.tracking import uploader as follow_module
from petmood.training.tracking.events import Entry, Metrics, RunStarted
from petmood.training.tracking.spool import JOURNAL_NAME, append
from petmood.training.tracking.sync import Session, exclusive_lock, pending_entries
from petmood.training.tracking.uploader import Outcome, UploadJob, main, upload_until_end
from tests.support.waiting import wait_until

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return the two ends of a pipe, as of a parent and its child's standard input."""
    ends, parent = os.pipe()
    yield ends, parent
    os.close(ends)


@pytest.fixture(autouse=True)
def told(folder: Path, begun: RunStarted, entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a journal that nobody has sent."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    append(folder / JOURNAL_NAME, [begun, *entries])


def test_what_comes_is_sent_while_the_parent_lives_and_the_rest_when_it_has_ended(
    folder: Path, pipe: tuple[int, int], entries: list[Entry]
) -> None:
    ends, parent = pipe
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(upload_until_end(UploadJob(folder=folder), ends=ends)))
    thread.start()
    wait_until_sent(folder)
    append(folder / JOURNAL_NAME, [Metrics(values={"loss": 0.1}, step=10)])
    wait_until_sent(folder)
    assert thread.is_alive()
    append(folder / JOURNAL_NAME, [Metrics(values={"loss": 0.05}, step=11)])
    os.close(parent)
    thread.join(600)
    assert found == [Outcome(sent=len(entries) + 3)]


def wait_until_sent(folder: Path) -> None:
    """Wait until nothing waits."""
    wait_until(lambda: not pending_entries(folder), within_s=600, what="all is sent")


def test_a_tracker_that_is_away_is_tried_a_few_times_at_the_end_and_said_in_one_line(
    folder: Path, pipe: tuple[int, int], entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, parent = pipe
    os.close(parent)
    tried = []

    def away(session: Session) -> str:
        tried.append(session)
        return "away"

    monkeypatch.setattr(follow_module, "_try", away)
    outcome = upload_until_end(UploadJob(folder=folder), ends=ends)
    assert outcome == Outcome(pending=len(entries) + 1, problem="away")
    assert len(tried) == follow_module.LAST_TRIES


def test_the_pauses_grow_while_a_tracker_is_away(
    folder: Path, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends, parent = pipe
    os.close(parent)
    answers, paused = iter(["away"] * 8 + [""] * 9), []

    def has_ended(_: int, *, within_s: float) -> bool:
        if within_s:
            paused.append(within_s)
        return len(paused) == 10

    monkeypatch.setattr(follow_module, "_try", lambda _: next(answers))
    monkeypatch.setattr(follow_module, "_has_ended", has_ended)
    upload_until_end(UploadJob(folder=folder), ends=ends)
    assert paused == [1, 2, 4, 8, 16, 30, 30, 30, 0.5, 0.5]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nonsense://x", "sqlite:///report.html/x.db"])
def test_no_trouble_of_a_tracker_is_raised(uri: str, folder: Path, pipe: tuple[int, int], entries: list[Entry]) -> None:
    ends, parent = pipe
    os.close(parent)
    (folder.parent / "report.html").write_text("a file where a folder is wanted")
    outcome = upload_until_end(UploadJob(folder=folder, uri=uri), ends=ends)
    assert (outcome.sent, outcome.pending) == (0, len(entries) + 1)
    assert outcome.problem.startswith("MLflow at ")
    assert "\n" not in outcome.problem


def test_a_journal_that_is_being_sent_or_is_none_is_said_so(folder: Path, tmp_path: Path) -> None:
    with exclusive_lock(folder, wait_s=0):
        assert "is being sent by another process" in upload_until_end(UploadJob(folder=folder, lock_s=0)).problem
    assert "was not tracked" in upload_until_end(UploadJob(folder=tmp_path)).problem
    assert upload_until_end(UploadJob(folder=tmp_path / "nothing")).problem.startswith("FileNotFoundError: ")


def test_the_outcome_is_the_last_line_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr(os, "nice", given.append)
    main([UploadJob(folder=tmp_path).model_dump_json()])
    outcome = Outcome.model_validate_json(capsys.readouterr().out.splitlines()[-1])
    assert "was not tracked" in outcome.problem
    assert given == [follow_module.LOW_PRIORITY]

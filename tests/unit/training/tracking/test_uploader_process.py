"""Uploader process: bounded shutdown whatever the tracker does, and exit with its parent."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from petmood.training.tracking.events import Entry, RunStarted
from petmood.training.tracking.spool import JOURNAL_NAME, append
from petmood.training.tracking.sync import LOCK_NAME, pending_entries
from petmood.training.tracking.uploader import Outcome, UploadJob
from petmood.training.tracking.uploader_process import Sender, send_now
from tests.support.waiting import wait_until

pytestmark = pytest.mark.spawns


@pytest.fixture(autouse=True)
def told(folder: Path, begun: RunStarted, entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a journal that nobody has sent."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    append(folder / JOURNAL_NAME, [begun, *entries])


def test_a_run_is_sent_and_mlflow_stays_out_of_this_process(folder: Path, entries: list[Entry]) -> None:
    before = set(sys.modules), dict(os.environ)
    assert send_now(folder) == Outcome(sent=len(entries) + 1)
    assert send_now(folder) == Outcome()
    assert not {name for name in set(sys.modules) - before[0] if name.startswith(("mlflow", "sqlalchemy"))}
    assert dict(os.environ) == before[1]


def test_a_tracker_that_answers_nothing_is_left_behind_in_time(folder: Path, entries: list[Entry]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        uri = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        sender = Sender(UploadJob(folder=folder, uri=uri))
        connection, _ = deaf.accept()
        with connection:
            outcome = sender.end(within_s=0.5)  # it would wait for the answer for ever
    assert sender._process.poll() == -signal.SIGKILL
    assert outcome == Outcome(pending=len(entries) + 1, problem="it did not answer within 0.5 s")


def test_a_sender_that_was_killed_leaves_what_waits(folder: Path, entries: list[Entry]) -> None:
    sender = Sender(UploadJob(folder=folder, uri="http://127.0.0.1:9"))
    os.kill(sender._process.pid, signal.SIGKILL)
    outcome = sender.end(within_s=600)
    assert (outcome.sent, outcome.problem) == (0, "the process that sends ended with code -9")
    assert pending_entries(folder) == len(entries) + 1


PARENT = """
import sys, time
from pathlib import Path
from petmood.training.tracking.uploader import UploadJob
from petmood.training.tracking.uploader_process import Sender
print(Sender(UploadJob(folder=Path(sys.argv[1])))._process.pid, flush=True)
time.sleep(600)
"""


def test_a_parent_that_was_killed_is_noticed_and_what_it_told_is_still_sent(folder: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    wait_until(
        lambda: not pending_entries(folder) and not Path(f"/proc/{child}/cmdline").exists(),
        within_s=600,
        what="all is sent",
    )
    assert (folder / LOCK_NAME).exists()


def test_a_file_of_the_working_folder_is_not_taken_for_a_package(
    folder: Path, tmp_path: Path, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert send_now(folder) == Outcome(sent=len(entries) + 1)

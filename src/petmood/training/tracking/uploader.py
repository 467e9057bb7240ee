"""Uploader process: sends journal entries during training, until the parent process has ended.

A tracker's package brings its own logging, warnings, threads and retries, which can't affect training from here.
The end of standard input signals that the training process was killed. Run as
``python -m petmood.training.tracking.uploader '{"folder": "runs/x"}'``; the last line on standard output is an Outcome.
"""

import os
import select
import sys
import time
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from petmood.core.errors import PetmoodError
from petmood.core.redact import one_line
from petmood.training.tracking.sync import Session, exclusive_lock, pending_entries

__all__ = ["Outcome", "UploadJob", "main", "upload_until_end"]

POLL_INTERVAL_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
LOW_PRIORITY: Final = 10
LAST_TRIES: Final = 3
"""Attempts at the end, for a temporarily busy tracker; three attempts at an unreachable one take little time."""


class UploadJob(BaseModel):
    """Upload job: pending entries, or all of them with ``again``; and how long to wait for another process's lock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    uri: str | None = None
    again: bool = False
    lock_s: float = 600.0


class Outcome(BaseModel):
    """Result of an upload: entries sent and pending, the problem if any, and a message for the user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sent: int = 0
    pending: int = 0
    problem: str = ""
    note: str = ""


def upload_until_end(job: UploadJob, *, ends: int = 0) -> Outcome:
    """Send entries until the file descriptor ``ends`` reaches its end, then the remaining ones; never raise."""
    session: Session | None = None
    problem = ""
    try:
        with exclusive_lock(job.folder, wait_s=job.lock_s):
            session = Session(job.folder, uri=job.uri, again=job.again)
            problem = _send_until_end(session, ends=ends)
            session.close()
    except Exception as error:  # noqa: BLE001 - any exception of a tracker's package becomes one line
        problem = problem or _said(error)
    left = _left(job)
    return Outcome(
        sent=session.sent if session else 0, pending=left, problem=problem, note=session.note if session else ""
    )


def _send_until_end(session: Session, *, ends: int) -> str:
    """Send repeatedly, with a growing interval while the tracker is unreachable; return the last problem."""
    pause, ended, tries = POLL_INTERVAL_S, False, 0
    while True:
        ended = ended or _has_ended(ends, within_s=0)
        problem = _try(session)
        tries = tries + 1 if ended else 0
        if ended and (not problem or tries >= LAST_TRIES):
            return problem
        if ended:
            time.sleep(POLL_INTERVAL_S / 2)
        else:
            pause = min(2 * pause, LONGEST_PAUSE_S) if problem else POLL_INTERVAL_S
            ended = _has_ended(ends, within_s=pause)


def _try(session: Session) -> str:
    try:
        session.send_waiting()
    except Exception as error:  # noqa: BLE001 - as in upload_until_end
        return _said(error)
    return ""


def _has_ended(file: int, *, within_s: float) -> bool:
    readable, _, _ = select.select([file], [], [], within_s)
    return bool(readable) and os.read(file, 1) == b""


def _left(job: UploadJob) -> int:
    try:
        return pending_entries(job.folder, uri=job.uri)
    except (PetmoodError, OSError):
        return 0


def _said(error: Exception) -> str:
    return one_line(error) if isinstance(error, PetmoodError) else f"{type(error).__name__}: {one_line(error)}"


def main(arguments: list[str]) -> None:
    """Run one job at low priority."""
    os.nice(LOW_PRIORITY)
    outcome = upload_until_end(UploadJob.model_validate_json(arguments[0]))
    sys.stdout.write(outcome.model_dump_json() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # all is on disk; an orderly exit of MLflow's modules would keep training waiting for half a second

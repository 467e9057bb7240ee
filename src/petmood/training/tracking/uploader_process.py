"""Start and bounded shutdown of the uploader process."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from petmood.training.tracking.sync import pending_entries
from petmood.training.tracking.uploader import Outcome, UploadJob

__all__ = ["Sender", "send_now"]

LOCK_S: Final = 10.0
"""How long ``send_now`` waits for another process that sends the same run."""


class Sender:
    """Uploader process that sends a run's entries until ``end`` is called or this process dies."""

    def __init__(self, job: UploadJob) -> None:
        self._job = job
        command = [sys.executable, "-P", "-m", "petmood.training.tracking.uploader", job.model_dump_json()]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches training alone, which then ends this process in order
        )

    def end(self, *, within_s: float) -> Outcome:
        """Let the process send the remaining entries; after ``within_s`` it is killed, and they stay in the journal."""
        try:
            out, _ = self._process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            self._kill()
            return self._unfinished(f"it did not answer within {within_s:g} s")
        try:
            return Outcome.model_validate_json(out.decode().splitlines()[-1])
        except (ValidationError, IndexError):
            return self._unfinished(f"the process that sends ended with code {self._process.returncode}")

    def _kill(self) -> None:
        """Kill the process and its children, which a tracker's package may have started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _unfinished(self, problem: str) -> Outcome:
        return Outcome(pending=pending_entries(self._job.folder, uri=self._job.uri), problem=problem)


def send_now(folder: Path, *, uri: str | None = None, again: bool = False, within_s: float | None = None) -> Outcome:
    """Send the pending entries of one run in a separate process, and return the outcome."""
    sender = Sender(UploadJob(folder=folder, uri=uri, again=again, lock_s=LOCK_S))
    return sender.end(within_s=within_s or 24 * 3600)

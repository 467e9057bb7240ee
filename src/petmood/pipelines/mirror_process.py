"""Process that mirrors a run in its tracker, started beside a training or after an evaluation, and killed when late.

A tracker's package brings its own threads, exit hooks, retries and environment variables. In a process of its own it
can neither change the training nor hold it longer than the deadline. Each byte on its standard input means that an
epoch has ended; the end of the input means that training has. Its last output line is a ``MirrorOutcome``.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from petmood.core.errors import PetmoodError
from petmood.core.redact import one_line
from petmood.pipelines.mirror import LOCK_S, mirror_run
from petmood.training.tracking.base import open_tracker
from petmood.training.tracking.state import state_of

__all__ = ["MirrorJob", "MirrorOutcome", "MirrorProcess", "main", "mirror_now", "run_job"]

LOW_PRIORITY: Final = 10
SYNC_LOCK_S: Final = 10.0
"""How long ``mirror_now`` waits for another process that mirrors the same run."""
NO_LIMIT_S: Final = 24 * 3600.0


class MirrorJob(BaseModel):
    """A run to mirror, another MLflow than its own if given, and how long to wait for another process's lock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    uri: str | None = None
    lock_s: float = LOCK_S


class MirrorOutcome(BaseModel):
    """Number of values and files written at the end, the problem if any, and a message for the user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sent: int = 0
    problem: str = ""
    note: str = ""


class MirrorProcess:
    """A process that mirrors a run until ``end`` is called or this process dies."""

    def __init__(self, job: MirrorJob) -> None:
        command = [sys.executable, "-P", "-m", "petmood.pipelines.mirror_process", job.model_dump_json()]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches training alone, which then ends this process in order
        )
        self._input: IO[bytes] = cast("IO[bytes]", self._process.stdin)
        os.set_blocking(self._input.fileno(), False)

    def epoch_ended(self) -> None:
        """Wake the process; if it has died or hangs, nothing happens."""
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self._input.fileno(), b"\n")

    def end(self, *, within_s: float) -> MirrorOutcome:
        """Let the process mirror the rest; after ``within_s`` it is killed, and the next sync writes the rest."""
        try:
            out, _ = self._process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            self._kill()
            return MirrorOutcome(problem=f"it did not answer within {within_s:g} s")
        try:
            return MirrorOutcome.model_validate_json(out.decode().splitlines()[-1])
        except (ValidationError, IndexError):
            return MirrorOutcome(problem=f"the process that sends ended with code {self._process.returncode}")

    def _kill(self) -> None:
        """Kill the process and its children, which a tracker's package may have started."""
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


def mirror_now(folder: Path, *, uri: str | None = None, within_s: float = NO_LIMIT_S) -> MirrorOutcome:
    """Mirror one run in a process of its own, and return the outcome."""
    process = MirrorProcess(MirrorJob(folder=folder.absolute(), uri=uri, lock_s=SYNC_LOCK_S))
    return process.end(within_s=within_s)


def run_job(job: MirrorJob, *, signals: int = 0) -> MirrorOutcome:
    """Mirror a run until the file descriptor ``signals`` reaches its end, then the rest; never raise."""
    note = ""
    try:
        tracker = open_tracker(state_of(job.folder), job.folder, uri=job.uri)
        sent = mirror_run(job.folder, tracker, live=_epochs(signals), lock_s=job.lock_s)
        note = tracker.note
    except Exception as error:  # noqa: BLE001 - any exception of a tracker's package becomes one line
        is_ours = isinstance(error, PetmoodError)
        return MirrorOutcome(problem=one_line(error) if is_ours else f"{type(error).__name__}: {one_line(error)}")
    return MirrorOutcome(sent=sent, note=note)


def _epochs(signals: int) -> Iterator[bytes]:
    """Yield once for all epochs that ended since the last time, until the input ends."""
    while waiting := os.read(signals, 65_536):
        yield waiting


def main(arguments: list[str]) -> None:
    """Run one job at low priority."""
    if sys.platform != "win32":
        os.nice(LOW_PRIORITY)
    outcome = run_job(MirrorJob.model_validate_json(arguments[0]))
    sys.stdout.write(outcome.model_dump_json() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # all is on disk; an orderly exit of MLflow's modules would keep training waiting for half a second

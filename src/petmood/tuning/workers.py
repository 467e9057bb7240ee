"""Worker processes of a search: each runs `petmood sweep` on one storage and ends with its parent.

A worker reads the search from its standard input, which stays open. When it closes, the parent has ended, even on
SIGKILL, and the worker ends too. No secrets are on a command line.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from petmood.core.errors import RunError
from petmood.core.processors import processor_count

__all__ = ["COMMAND", "exit_when_stdin_closes", "run_workers", "share_of_threads"]

logger = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "petmood", "sweep", "--worker")
THREADS: Final = "OMP_NUM_THREADS"
POLL_INTERVAL_S: Final = 0.2
END_WITHIN_S: Final = 10.0


def run_workers(overrides: Sequence[str], *, count: int, logs: Path) -> Iterator[None]:
    """Run ``count`` workers, and yield at intervals until all have ended; leaving early ends them.

    Other workers resume the trial of a worker that was killed.

    Raises:
        RunError: a worker exited with an error, which the message contains, or all were killed.
    """
    logs.mkdir(parents=True, exist_ok=True)
    environment = os.environ | share_of_threads(os.environ, count=count)
    with ExitStack() as stack:
        files = [logs / f"worker-{number}.txt" for number in range(1, count + 1)]
        workers = [stack.enter_context(_worker(overrides, environment, log=file)) for file in files]
        while None in (codes := [worker.poll() for worker in workers]):
            _check_not_rejected(codes, files)
            yield
            time.sleep(POLL_INTERVAL_S)
    _check_not_rejected(codes, files)
    for code, file in zip(codes, files, strict=True):
        if code:
            logger.warning("a worker ended with %d; see %s", code, file)
    if all(codes):
        raise RunError(
            _last_line(files[0]) or "Every worker was terminated from outside. Resume with the same command."
        )


def exit_when_stdin_closes() -> None:
    """End this process when its standard input closes; called in a worker."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def share_of_threads(environment: Mapping[str, str], *, count: int) -> dict[str, str]:
    """Return the thread limit of each of ``count`` workers, so that together they use all processors once."""
    processors = processor_count()
    given = environment.get(THREADS, "")
    return {THREADS: str(max(1, (int(given) if given.isdecimal() else processors) // count))}


@contextmanager
def _worker(
    overrides: Sequence[str], environment: Mapping[str, str], *, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as errors:
        worker = subprocess.Popen(  # noqa: S603 - our own command
            COMMAND, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        )
    assert worker.stdin is not None  # noqa: S101 - PIPE was requested above
    try:
        with suppress(BrokenPipeError):  # a worker that has exited already is detected by its exit code
            worker.stdin.write(json.dumps(list(overrides)).encode() + b"\n")
            worker.stdin.flush()
        yield worker
    finally:
        worker.terminate()
        try:
            worker.wait(timeout=END_WITHIN_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        with suppress(BrokenPipeError):
            worker.stdin.close()


def _check_not_rejected(codes: Sequence[int | None], files: Sequence[Path]) -> None:
    for code, file in zip(codes, files, strict=True):
        if code is not None and code > 0:
            raise RunError(_last_line(file) or f"A worker ended with code {code}; see {file}.")


def _wait_for_the_end() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("petmood: ") if lines else ""

"""Process supervisor: several server processes share one socket, are restarted on failure and stop together."""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

from petmood.serving.metrics import MULTIPROCESS_FOLDER, forget_process

__all__ = ["Supervisor", "exit_with_parent"]

logger = logging.getLogger(__name__)

POLL_INTERVAL_S: Final = 0.2
EARLY_EXIT_S: Final = 5.0
"""Seconds; a process that exits with an error sooner than this has failed at startup."""
MAX_RESTART_DELAY_S: Final = 30.0
"""Longest delay in seconds before a restart; a dependency, such as the registry, may be unavailable meanwhile."""

PR_SET_PDEATHSIG: Final = 1


PARENT: Final = "PETMOOD_PARENT_PID"


def exit_with_parent() -> None:
    """Make Linux terminate this process when its parent dies, even on SIGKILL; call it in the child.

    Raises:
        SystemExit: the parent has died already.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        raise SystemExit(1)


class Supervisor:
    """Runs ``count`` processes of one command until a signal comes, each with the listening socket as ``--fd``.

    The processes write their metrics into one temporary folder, so that each of them can report for all.
    """

    def __init__(self, command: Sequence[str], *, listener: socket.socket, count: int, end_within_s: float) -> None:
        self._command, self._listener, self._count = list(command), listener, count
        self._end_within_s = end_within_s
        self._children: dict[subprocess.Popen[bytes], float] = {}
        self._ending = self._has_lasted = False
        self._pause_s = self._start_at = 0.0

    def run(self) -> int:
        """Keep the processes running; return 0 after a signal, or 1 if they fail at startup or don't stop cleanly."""
        before = {number: signal.signal(number, self._end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with tempfile.TemporaryDirectory(prefix="petmood-metrics-") as folder:
                environment = os.environ | {MULTIPROCESS_FOLDER: folder, PARENT: str(os.getpid())}
                os.environ[MULTIPROCESS_FOLDER] = folder
                code = self._keep(environment)
                return max(code, self._stop())
        finally:
            os.environ.pop(MULTIPROCESS_FOLDER, None)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        self._ending = True

    def _keep(self, environment: dict[str, str]) -> int:
        while not self._ending:
            now = time.monotonic()
            self._has_lasted = self._has_lasted or any(now - began >= EARLY_EXIT_S for began in self._children.values())
            for child in [child for child in self._children if child.poll() is not None]:
                if not self._may_be_replaced(child, now - self._children.pop(child)):
                    return 1
            while len(self._children) < self._count and now >= self._start_at:
                self._start(environment)
            time.sleep(POLL_INTERVAL_S)
        return 0

    def _may_be_replaced(self, child: subprocess.Popen[bytes], lived_s: float) -> bool:
        """Return whether to restart a dead process, and set the delay before the restart.

        If no process ever outlived the startup period, give up. Otherwise the cause may be temporary, such as an
        unreachable registry or a bad version, and the other processes keep serving.
        """
        forget_process(child.pid)
        ended_at_once = lived_s < EARLY_EXIT_S and bool(child.returncode)
        if ended_at_once and not self._has_lasted:
            logger.error("process %d exited at startup with status %s; no restart", child.pid, child.returncode)
            return False
        self._pause_s = min(MAX_RESTART_DELAY_S, 2 * self._pause_s or 1.0) if ended_at_once else 0.0
        self._start_at = time.monotonic() + self._pause_s
        text = "process %d exited with status %s; restart in %.0f s"
        logger.error(text, child.pid, child.returncode, self._pause_s)
        return True

    def _start(self, environment: dict[str, str]) -> None:
        handle = self._listener.fileno()
        command = [*self._command, "--fd", str(handle)]
        child = subprocess.Popen(command, env=environment, pass_fds=[handle], stdin=subprocess.DEVNULL)  # noqa: S603 - fixed command
        self._children[child] = time.monotonic()

    def _stop(self) -> int:
        """Stop all processes with SIGTERM, then SIGKILL after a timeout; return 0 if all stopped cleanly."""
        self._listener.close()
        for child in self._children:
            child.send_signal(signal.SIGTERM)
        until = time.monotonic() + self._end_within_s
        for child in self._children:
            try:
                child.wait(timeout=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("process %d did not exit in time; sending SIGKILL", child.pid)
                child.kill()
                child.wait()
        expected = {0, -signal.SIGTERM}  # -SIGTERM if the signal arrived before the handler was installed
        return 0 if all(child.returncode in expected for child in self._children) else 1

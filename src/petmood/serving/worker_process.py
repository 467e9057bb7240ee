"""One of several server processes: its start, its heartbeats, and the delay before it is started again."""

import contextlib
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from petmood.serving.heartbeat import HEARTBEAT_SOCKET
from petmood.serving.metrics import WORKER_NUMBER

__all__ = ["WorkerProcess"]

READY_WITHIN_S: Final = 600.0
"""Seconds until the first heartbeat; a registry may be slow, and a bundle is verified first."""
HEARTBEAT_WITHIN_S: Final = 60.0
"""Seconds between two heartbeats; far more than a busy machine delays one."""
STEADY_S: Final = 60.0
"""Seconds after which a process has lasted; its next failure is the first again."""
MIN_RESTART_DELAY_S: Final = 0.5
MAX_RESTART_DELAY_S: Final = 30.0


class WorkerProcess:
    """Server process number ``number`` of a service; the number stays the same when the process is replaced.

    ``failures`` is the number of ends in a row, none of them after 60 seconds of running.
    """

    def __init__(self, number: int, command: Sequence[str], *, inherited: Sequence[int]) -> None:
        self.number, self.failures, self.start_at = number, 0, 0.0
        self.status: int | None = None
        """Exit status of the last process that ended; negative for a signal."""
        self._command, self._inherited = list(command), list(inherited)
        self._child: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._started_at = 0.0
        self._heard_at: float | None = None
        self._killed = False

    @property
    def running(self) -> bool:
        """Whether there is a process that was not found to have ended."""
        return self._child is not None

    @property
    def ready(self) -> bool:
        """Whether the running process has sent a heartbeat."""
        return self.running and self._heard_at is not None

    @property
    def pid(self) -> int:
        """The running process's id, 0 without one."""
        return self._child.pid if self._child is not None else 0

    def start(self, environment: Mapping[str, str], *, now: float) -> None:
        """Start the process.

        Raises:
            OSError: the system has no room for another process.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            known = {HEARTBEAT_SOCKET: str(theirs.fileno()), WORKER_NUMBER: str(self.number)}
            try:
                self._child = subprocess.Popen(  # noqa: S603 - fixed command
                    self._command,
                    env={**environment, **known},
                    pass_fds=[*self._inherited, theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                )
            except OSError:
                ours.close()
                raise
        ours.settimeout(0)
        self._connection, self._started_at, self._heard_at = ours, now, None
        self._killed = False

    def listen(self, *, now: float) -> None:
        """Read the heartbeats that have arrived."""
        with contextlib.suppress(OSError):  # BlockingIOError: none any more
            while self._connection is not None and self._connection.recv(4096):
                self._heard_at = now

    def forgive_silence(self, *, now: float) -> None:
        """Begin the time of silence again, after the supervisor itself did not run."""
        if self._heard_at is not None:
            self._heard_at = now

    def silence(self, *, now: float) -> str:
        """Return why the process counts as hung, for the log; empty if it doesn't."""
        if not self.running or self._killed:
            return ""
        if self._heard_at is None:
            return f"not ready after {READY_WITHIN_S:g} s" if now - self._started_at > READY_WITHIN_S else ""
        silent = now - self._heard_at > HEARTBEAT_WITHIN_S
        return f"no heartbeat for {HEARTBEAT_WITHIN_S:g} s" if silent else ""

    def has_ended(self, *, now: float) -> bool:
        """Return whether the process has ended since the last call; then set the delay before the next start."""
        if self._child is None or self._child.poll() is None:
            return False
        self.status = self._child.returncode
        self._forget()
        self.delay_start(now=now, lasted=now - self._started_at >= STEADY_S)
        return True

    def delay_start(self, *, now: float, lasted: bool = False) -> None:
        """Count a failure: 0.5 seconds until the next start after the first, twice as long after each one in a row."""
        self.failures = 1 if lasted else self.failures + 1
        self.start_at = now + min(MAX_RESTART_DELAY_S, MIN_RESTART_DELAY_S * 2 ** min(self.failures - 1, 10))

    def kill(self) -> None:
        """Kill the process without waiting for its end, which ``has_ended`` reports."""
        if self._child is not None:
            self._child.kill()
            self._killed = True

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)

    def wait(self, *, timeout_s: float) -> int:
        """Wait for the end of the process, and return its exit status, 0 without one.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        if self._child is None:
            return 0
        self.status = self._child.wait(timeout=timeout_s)
        self._forget()
        return self.status

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._child = self._connection = None

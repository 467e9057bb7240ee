"""Process supervisor: several server processes share one socket, are replaced when they fail, and stop together."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Final

from petmood.serving.metrics import MULTIPROCESS_FOLDER, RestartCounter, forget_worker
from petmood.serving.metrics_folder import metrics_folder
from petmood.serving.worker_process import WorkerProcess

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

POLL_INTERVAL_S: Final = 0.2
STALLED_S: Final = 5.0
"""Seconds between two looks after which this process itself did not run, so that heartbeats may be late."""
GIVE_UP_AFTER: Final = 8
"""Failures in a row of every process, about a minute apart in all, after which the service ends."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KILLED_WITHIN_S: Final = 10.0
STOPPED: Final = {0, *(-number for number in SIGNALS)}
"""Exit statuses of a clean end; a signal is one if it arrived before the process handled signals."""


class Supervisor:
    """Runs ``count`` processes of one command until a signal comes, each with every listening socket as ``--fd``.

    A process that ends, or sends no heartbeat for a minute, is replaced after 0.5 seconds, twice as long after each
    failure in a row, at most 30 seconds. The others serve meanwhile. The first process starts alone, and the others
    when it is ready, so that an error at startup is reported once. The service ends by itself in two cases. The first
    process exited with an error before it was ready. Or none is ready after 8 failures in a row of each.

    ``on_ready`` is called once, when the first process is ready.

    The processes write their metrics into one temporary folder, so that each of them can report for all.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        listeners: Sequence[socket.socket],
        count: int,
        end_within_s: float,
        on_ready: Callable[[], object] = lambda: None,
    ) -> None:
        self._command, self._listeners, self._count = list(command), list(listeners), count
        self._end_within_s, self._on_ready = end_within_s, on_ready
        self._workers: list[WorkerProcess] = []
        self._ending = self._was_ready = False

    def run(self) -> int:
        """Keep the processes running until a signal; return 0 if they stopped cleanly, else an exit code above 0.

        If the first process can't start, that is its code.
        """
        with self._signals(), metrics_folder() as (folder, lock):
            os.environ[MULTIPROCESS_FOLDER] = str(folder)
            try:
                handles = [listener.fileno() for listener in self._listeners]
                command = [*self._command, *(word for handle in handles for word in ("--fd", str(handle)))]
                self._workers = [
                    WorkerProcess(number, command, inherited=[*handles, lock]) for number in range(self._count)
                ]
                code = self._keep(RestartCounter())
                return max(code, self._stop())
            finally:
                os.environ.pop(MULTIPROCESS_FOLDER, None)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()  # by nohup
        before = {number: signal.signal(number, self._end) for number in SIGNALS if number not in ignored}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - signal's signature
        self._ending = True

    def _keep(self, restarts: RestartCounter) -> int:
        looked_at = time.monotonic()
        while not self._ending:
            now = time.monotonic()
            for worker in self._workers:
                if now - looked_at > STALLED_S:
                    worker.forgive_silence(now=now)
                worker.listen(now=now)
                if worker.ready and not self._was_ready:
                    self._was_ready = True
                    self._on_ready()
                self._end_if_hung(worker, now=now)
                if worker.has_ended(now=now):
                    self._report(worker, now=now)
                if not worker.running and now >= worker.start_at and self._may_start(worker):
                    self._start(worker, restarts, now=now)
            if code := self._code_of_failure():
                return code
            looked_at = now
            time.sleep(POLL_INTERVAL_S)
        return 0

    def _end_if_hung(self, worker: WorkerProcess, *, now: float) -> None:
        if reason := worker.silence(now=now):
            logger.error("process %d hangs (%s); sending SIGKILL", worker.pid, reason)
            worker.kill()

    def _report(self, worker: WorkerProcess, *, now: float) -> None:
        forget_worker(worker.number)
        if not self._was_ready and (worker.status or 0) > 0:
            return  # it has printed its error, and is not started again
        logger.error(
            "process of worker %d exited with status %s; restart in %.1f s (failure %d in a row)",
            *(worker.number, worker.status, worker.start_at - now, worker.failures),
        )

    def _may_start(self, worker: WorkerProcess) -> bool:
        """Return whether to start a process; after too many failures only beside one that is ready.

        Until one was ready, only the first may start, and not after an error, which would be the same again.
        """
        if worker.failures >= GIVE_UP_AFTER:
            return any(other.ready for other in self._workers)
        return self._was_ready or (worker is self._workers[0] and (worker.status is None or worker.status < 0))

    def _start(self, worker: WorkerProcess, restarts: RestartCounter, *, now: float) -> None:
        if worker.failures:
            restarts.inc()
        try:
            worker.start(os.environ, now=now)
        except OSError as error:
            worker.delay_start(now=now)
            logger.error("worker %d can't be started: %s", worker.number, error)  # noqa: TRY400 - the trace is ours

    def _code_of_failure(self) -> int:
        """Return the exit code with which to give up, or 0 to continue."""
        if any(worker.running for worker in self._workers):
            return 0
        statuses = [worker.status or 0 for worker in self._workers]
        if not self._was_ready and statuses[0] > 0:
            return statuses[0]
        if not self._was_ready and not any(self._may_start(worker) for worker in self._workers):
            logger.error("no process could start; giving up")
            return max(1, *statuses)
        if all(worker.failures >= GIVE_UP_AFTER for worker in self._workers):
            logger.error("every process has failed %d times in a row; giving up", GIVE_UP_AFTER)
            return max(1, *statuses)
        return 0

    def _stop(self) -> int:
        """Stop all processes with SIGTERM, then SIGKILL after a timeout; return 0 if all stopped cleanly."""
        for listener in self._listeners:
            listener.close()
        running = [worker for worker in self._workers if worker.running]
        for worker in running:
            worker.terminate()
        until = time.monotonic() + self._end_within_s
        for worker in running:
            try:
                worker.wait(timeout_s=max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.warning("process %d did not exit in time; sending SIGKILL", worker.pid)
                worker.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel
                    worker.wait(timeout_s=KILLED_WITHIN_S)
        return 0 if all(worker.status in STOPPED for worker in running) else 1

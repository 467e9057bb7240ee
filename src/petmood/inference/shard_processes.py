"""Prediction of shards by several processes of one machine, which end with the process that started them."""

import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Self, cast

from petmood.inference.shard_plan import ShardPlan
from petmood.inference.shards import Attempt, after_kill, predict_shard

__all__ = ["run_in_processes"]

logger = logging.getLogger(__name__)


def run_in_processes(plan: ShardPlan, shards: Sequence[int], *, processes: int, threads: int = 1) -> Iterator[int]:
    """Predict shards with ``processes`` processes of ``threads`` threads each; yield a shard's number when it is done.

    The shard of a process that is killed is tried again, by ``after_kill``. Closing the iterator ends the processes.

    Raises:
        WorkerKilled: the processes of a shard were killed again and again.
        PetmoodError, OSError: as ``predict_shard``.
    """
    waiting = deque(Attempt(number) for number in shards)
    idle: list[_Worker] = []
    busy: dict[Connection, _Worker] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < processes:
                worker = _given(waiting[0], idle, plan.folder, threads)
                waiting.popleft()
                busy[worker.connection] = worker
            for connection in wait(list(busy)):
                worker = busy.pop(cast("Connection", connection))
                attempt = worker.attempt
                if worker.is_done():
                    idle.append(worker)
                    yield attempt.shard
                else:
                    waiting.appendleft(after_kill(plan, attempt))
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


def _given(attempt: Attempt, idle: "list[_Worker]", folder: Path, threads: int) -> "_Worker":
    """Return a worker that was given an attempt: an idle one that still runs, or a new one."""
    while True:
        worker = idle.pop() if idle else _Worker.started(folder, threads)
        if worker.take(attempt):
            return worker


@dataclass(slots=True)
class _Worker:
    """A process, and the attempt that it was given."""

    process: SpawnProcess
    connection: Connection
    attempt: Attempt

    @classmethod
    def started(cls, folder: Path, threads: int) -> Self:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, folder, threads), daemon=True)
        process.start()
        theirs.close()  # so that the end of the process closes the pipe
        return cls(process, ours, Attempt(-1))

    def take(self, attempt: Attempt) -> bool:
        """Give the process an attempt; return False if it was killed while it was idle."""
        self.attempt = attempt
        try:
            self.connection.send(attempt)
        except OSError:
            self.end()
            return False
        return True

    def is_done(self) -> bool:
        """Return whether the attempt succeeded, or the process was killed; raise the error that it met."""
        try:
            error = self.connection.recv()
        except (EOFError, OSError):
            self.end()
            logger.warning("a process that predicted shard %d ended with %s", self.attempt.shard, self.process.exitcode)
            return False
        if error is not None:
            self.end()
            raise error
        return True

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


def _work(connection: Connection, folder: Path, threads: int) -> None:
    """Predict the shards that come through the pipe; send None for each, or the error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process ends the others
    warnings.simplefilter("ignore")  # Pillow's, of odd metadata, are not lines for a user
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            attempt = connection.recv()
        except EOFError:
            return
        error: Exception | None = None
        try:
            predict_shard(folder, attempt, threads=threads)
        except Exception as found:  # noqa: BLE001 - it is raised in the first process
            error = found
        connection.send(error)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even on SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Tests of one server process: delays between starts, heartbeats and silence, by a clock that is moved by hand."""

import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from petmood.serving.worker_process import WorkerProcess
from tests.support.waiting import wait_until

BEATS = """
import os, socket, sys, time
connection = socket.socket(fileno=int(os.environ["PETMOOD_HEARTBEAT_SOCKET"]))
connection.send(b".")
connection.recv(1)  # the end of the supervisor
"""
MakeWorker = Callable[..., WorkerProcess]


@pytest.fixture
def make_worker() -> Iterator[MakeWorker]:
    """Return a function that builds a worker of Python code; what still runs at the end is killed."""
    made: list[WorkerProcess] = []

    def make(code: str) -> WorkerProcess:
        made.append(WorkerProcess(3, [sys.executable, "-c", code], inherited=[]))
        return made[-1]

    yield make
    for worker in made:
        worker.kill()
        worker.wait(timeout_s=60)


def ended(worker: WorkerProcess, *, now: float) -> None:
    """Wait until the process has ended, and report it at a given time."""
    wait_until(lambda: worker.has_ended(now=now))


def test_delays_double_with_each_failure_in_a_row_up_to_a_bound(make_worker: MakeWorker) -> None:
    worker = make_worker("")
    delays = []
    for _ in range(12):
        worker.delay_start(now=100.0)
        delays.append(worker.start_at - 100.0)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30]


def test_a_process_that_fails_after_its_startup_is_delayed_too_and_one_that_lasted_is_not_held_to_it(
    make_worker: MakeWorker,
) -> None:
    worker = make_worker("raise SystemExit(7)")
    for lasted_s, failures, delay_s in ((6.0, 1, 0.5), (6.0, 2, 1.0), (59.0, 3, 2.0), (60.0, 1, 0.5), (0.0, 2, 1.0)):
        worker.start(os.environ, now=1000.0)
        ended(worker, now=1000.0 + lasted_s)
        assert (worker.failures, worker.start_at - 1000.0 - lasted_s, worker.status) == (failures, delay_s, 7)


@pytest.mark.posix
def test_a_process_is_ready_from_its_first_heartbeat_and_hangs_a_minute_after_its_last(
    make_worker: MakeWorker,
) -> None:
    worker = make_worker(BEATS)
    assert not worker.has_ended(now=0.0)
    worker.start(os.environ, now=0.0)
    assert (worker.running, worker.ready) == (True, False)
    assert worker.silence(now=600.0) == ""
    assert worker.silence(now=601.0) == "not ready after 600 s"

    def is_ready() -> bool:
        worker.listen(now=700.0)
        return worker.ready

    wait_until(is_ready)
    assert worker.silence(now=760.0) == ""
    assert worker.silence(now=761.0) == "no heartbeat for 60 s"
    worker.forgive_silence(now=761.0)
    assert worker.silence(now=821.0) == ""
    worker.kill()
    assert worker.silence(now=10_000.0) == "", "it was killed already"
    ended(worker, now=900.0)
    assert (worker.running, worker.ready, worker.pid, worker.status) == (False, False, 0, -signal.SIGKILL)


def test_a_process_that_is_asked_to_end_does_so(make_worker: MakeWorker) -> None:
    worker = make_worker("import time; time.sleep(600)")
    worker.start(os.environ, now=0.0)
    worker.terminate()
    assert worker.wait(timeout_s=60) == -signal.SIGTERM
    assert worker.wait(timeout_s=60) == 0, "nothing runs any more"


def test_a_command_that_is_not_there_is_an_error_without_a_process() -> None:
    worker = WorkerProcess(0, ["/no/such/command"], inherited=[])
    with pytest.raises(OSError, match="No such file"):
        worker.start(os.environ, now=0.0)
    assert not worker.running

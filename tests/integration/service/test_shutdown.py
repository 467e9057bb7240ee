"""Tests of graceful shutdown under load and of immediate rejection on overload."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from tests.support import images
from tests.support.fault_table import FaultTable
from tests.support.served import END_S, Answer, Served, everything, one_answer, serving
from tests.support.traffic import steady
from tests.support.waiting import wait_until

STALLED = 12
ENDED_S = 6 * (1 + 20)
"""Seconds; six times the drain notice and ``drain_s``."""
CLIENTS = 60
QUEUE = 4
SOME = 20


def half_sent(served: Served, photo: bytes) -> socket.socket:
    """Begin an upload, and stop halfway."""
    connection = served.connect()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(photo)
    connection.sendall(head + photo[: len(photo) // 2])
    return connection


def never_listening(served: Served) -> socket.socket:
    """Request more data than all buffers hold, without reading it."""
    connection = served.connect(timeout_s=0.2)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.suppress(TimeoutError, ConnectionError):
        for _ in range(2000):
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
            time.sleep(0.001)
    return connection


def is_unready(connection: socket.socket) -> bool:
    """Return whether the service is ready, over an open connection."""
    connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    said = one_answer(connection)
    return said.startswith(b"HTTP/1.1 503 ") and b"shutting_down" in said


def test_a_signal_ends_it_with_0(bundle: Bundle, log: Path) -> None:
    with serving(bundle.folder, log, PETMOOD_DRAIN_NOTICE_S="0") as served:
        assert served.ask("/readyz").status == 200
        assert served.end() == 0


both_signals = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
one_and_two_workers = pytest.mark.parametrize("workers", [1, 2])


@pytest.mark.posix
@pytest.mark.proof
@one_and_two_workers
@both_signals
def test_after_a_signal_it_is_unready_and_answers_all_the_same(
    bundle: Bundle, good: bytes, log: Path, workers: int, number: signal.Signals
) -> None:
    """The notice period is longer than the test, so nothing waits for its end."""
    options = ["--port", "0", "--workers", str(workers)]
    with serving(bundle.folder, log, options=options, PETMOOD_DRAIN_NOTICE_S="60") as served, served.connect() as probe:
        assert not is_unready(probe)
        pids = served.pids
        served.process.send_signal(number)
        wait_until(lambda: is_unready(probe), every_s=0.1)
        assert served.ask("/livez").status == 200, "over a new connection"
        assert served.predict(good).status == 200
        for pid in {*pids, served.process.pid}:
            with contextlib.suppress(ProcessLookupError):  # ended with the others
                os.kill(pid, signal.SIGKILL)


@pytest.mark.proof
@one_and_two_workers
@both_signals
def test_what_was_begun_before_a_signal_is_answered(
    bundle: Bundle, good: bytes, log: Path, workers: int, number: signal.Signals
) -> None:
    """The service exits as soon as they complete, long before the drain timeout."""
    options = ["--port", "0", "--workers", str(workers)]
    with serving(bundle.folder, log, options=options, PETMOOD_DRAIN_NOTICE_S="0", PETMOOD_DRAIN_S="60") as served:
        begun = [half_sent(served, good) for _ in range(STALLED)]
        wait_until(lambda: served.count("petmood_requests_in_flight") == STALLED + 1, what="all of them in flight")
        served.process.send_signal(number)
        wait_until(lambda: is_closed(served), what="an end of new connections")
        for connection in begun:
            connection.sendall(good[len(good) // 2 :])
        answers = [everything(connection) for connection in begun]
        code = served.process.wait(timeout=END_S)
    for connection in begun:
        connection.close()
    assert [answer[9:12] for answer in answers] == [b"200"] * STALLED
    assert code == 0


def is_closed(served: Served) -> bool:
    """Return whether new connections are refused."""
    try:
        served.connect().close()
    except ConnectionError:
        return True
    return False


@pytest.mark.proof
@one_and_two_workers
@both_signals
def test_a_signal_under_load_loses_nothing_and_waits_for_nobody(
    bundle: Bundle, good: bytes, table: FaultTable, log: Path, workers: int, number: signal.Signals
) -> None:
    """Stalled uploads are cut after half of ``drain_s``; the other half is left for the error response."""
    options = ["--port", "0", "--workers", str(workers)]
    with serving(bundle.folder, log, options=options, PETMOOD_DRAIN_S="20") as served:
        with steady(served, good) as traffic:
            traffic.wait_for_more()
            stalled, silent = [half_sent(served, good) for _ in range(STALLED)], never_listening(served)
            traffic.wait_for_more()
            began = time.monotonic()
            served.process.send_signal(number)
            code = served.process.wait(timeout=ENDED_S)
        answers = [everything(connection) for connection in stalled]
        for connection in [*stalled, silent]:
            connection.close()
    table.add(29, f"{number.name} under requests, {STALLED} stalled uploads, {workers} process(es)", f"exit {code}")
    assert code == 0
    assert traffic.failed(ended_before=began) == []
    assert all(one.answer is None or one.answer.status in {200, 503} for one in traffic.asked)
    assert all(b"shutting_down" in answer for answer in answers)


@pytest.mark.posix
@pytest.mark.proof
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_before_it_is_ready_ends_all_of_it(bundle: Bundle, log: Path, workers: str) -> None:
    command = [sys.executable, "-m", "petmood", "serve", str(bundle.folder), "--port", "0", "--workers", workers]
    with log.open("wb") as output, subprocess.Popen(command, stderr=output, start_new_session=True) as process:
        tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        begun = log if workers == "1" else tasks  # one process prints its address; of several, the first has started
        wait_until(lambda: process.poll() is not None or begun.read_text() != "", every_s=0.01)
        process.terminate()
        process.wait(timeout=END_S)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def counts(answers: list[Answer]) -> tuple[int, int]:
    """Return the numbers of successful and of overload responses."""
    statuses = [answer.status for answer in answers]
    return statuses.count(200), statuses.count(503)


@pytest.mark.proof
def test_what_is_too_much_is_refused_and_the_rest_answered(
    bundle: Bundle, table: FaultTable, good: bytes, log: Path
) -> None:
    """Speed is measured by ``benchmarks/serving_overload.py``."""
    photo = images.png(images.photo_like(1200, 900))
    answers: list[Answer] = []
    environment = {"PETMOOD_QUEUE": str(QUEUE), "PETMOOD_THREADS": "1", "PETMOOD_HELD_MB": "30"}
    with serving(bundle.folder, log, given=environment) as served:
        before_mb = served.memory_mb()
        served.forget_peak()
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                answers.append(served.predict(photo, "image/png"))
                if answers[-1].status == 503:
                    stop.wait(0.05)

        threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: all(count >= SOME for count in counts(list(answers))), what="some answers of both kinds")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        growth_mb = served.memory_mb(peak=True) - before_mb
        numbers = served.numbers()
        assert served.predict(good).status == 200
    taken = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 503]
    given = f"{CLIENTS} clients, room for {QUEUE}"
    for name, some in (("answered", taken), ("refused", refused)):
        table.add(29, f"{given}: some are {name}", some[0].status, some[0].code, below_mb=100)
    assert len(taken) + len(refused) == len(answers)
    assert {(answer.code, answer.headers["retry-after"]) for answer in refused} == {("overloaded", "1")}
    assert numbers['petmood_errors_total{code="overloaded"}'] == len(refused)
    assert growth_mb < 100


@pytest.mark.posix
@pytest.mark.proof
def test_a_process_that_is_killed_is_replaced(bundle: Bundle, good: bytes, log: Path) -> None:
    with serving(bundle.folder, log, options=["--port", "0", "--workers", "2"]) as served:
        time.sleep(6)  # at least; an earlier exit counts as a startup failure
        first = served.pids
        os.kill(first[0], signal.SIGKILL)
        wait_until(lambda: len(served.pids) == 2 and set(served.pids) != set(first), what="another process")
        assert {served.predict(good).status for _ in range(20)} == {200}
        assert served.end() == 0

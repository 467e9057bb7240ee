"""Does the service end as it should under load, and refuse at once what it can't take?"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from petmood.core.bundle import Bundle
from tests import pictures
from tests.integration.service.served import Answer, Served, everything, one_answer, serving
from tests.integration.service.table import FaultTable
from tests.integration.service.traffic import steady

STALLED = 12
CLIENTS = 60
QUEUE = 4


def stall(served: Served) -> socket.socket:
    """Begin an upload and don't go on."""
    connection = served.connect(timeout_s=15)
    connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n\r\n" + bytes(100))
    return connection


def never_listening(served: Served) -> socket.socket:
    """Ask for more than all buffers hold, and read none of it."""
    connection = served.connect(timeout_s=0.2)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with contextlib.suppress(TimeoutError, ConnectionError):
        for _ in range(2000):
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
            time.sleep(0.001)
    return connection


def wait_for_unready(served: Served, connection: socket.socket) -> str:
    """Ask over an open connection whether it is ready until it is not; return what was said then."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        said = one_answer(connection)
        if said.startswith(b"HTTP/1.1 503 "):
            assert served.ask("/livez").status == 200, "it still answers, also over new connections"
            return said.decode()
    raise AssertionError("it stayed ready")


def test_a_signal_ends_it_with_0(bundle: Bundle, log: Path) -> None:
    with serving(bundle.folder, log, PETMOOD_DRAIN_NOTICE_S="0") as served:
        assert served.ask("/readyz").status == 200
        assert served.end() == 0


@pytest.mark.proof
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_under_load_loses_nothing_and_waits_for_nobody(
    bundle: Bundle, good: bytes, table: FaultTable, log: Path, workers: int, number: signal.Signals
) -> None:
    with serving(bundle.folder, log, options=["--port", "0", "--workers", str(workers)]) as served:
        with steady(served, good) as traffic, served.connect() as probe:
            time.sleep(1)
            stalled, silent = [stall(served) for _ in range(STALLED)], never_listening(served)
            time.sleep(0.3)
            began = time.monotonic()
            served.process.send_signal(number)
            said = wait_for_unready(served, probe)
            code = served.process.wait(timeout=15)
            seconds = time.monotonic() - began
        answers = [everything(connection) for connection in stalled]
        for connection in [*stalled, silent]:
            connection.close()
    given = f"{number.name} at 50 requests/s, {STALLED} stalled uploads, {workers} process(es)"
    table.add(29, given, f"exit {code}", seconds=seconds)
    assert "shutting_down" in said
    assert code == 0
    assert seconds < 10
    notice_s = 0.7  # of one second, in which new work is still answered
    assert len(traffic.asked) > 50
    assert traffic.failed(before=began + notice_s) == []
    assert all(one.answer is None or one.answer.status in {200, 503} for one in traffic.asked)
    assert all(b"shutting_down" in answer for answer in answers)


@pytest.mark.proof
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_before_it_is_ready_ends_all_of_it(bundle: Bundle, log: Path, workers: str) -> None:
    command = [sys.executable, "-m", "petmood", "serve", str(bundle.folder), "--port", "0", "--workers", workers]
    with log.open("wb") as output, subprocess.Popen(command, stderr=output, start_new_session=True) as process:
        while process.poll() is None and "http://" not in log.read_text():
            time.sleep(0.01)
        time.sleep(0.1)
        process.terminate()
        process.wait(timeout=12)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@pytest.mark.proof
def test_ten_times_the_load_is_refused_at_once_and_the_rest_answered(
    bundle: Bundle, table: FaultTable, good: bytes, log: Path
) -> None:
    photo = pictures.png(pictures.photo_like(1200, 900))
    answers: list[Answer] = []
    environment = {"PETMOOD_QUEUE": str(QUEUE), "PETMOOD_THREADS": "1"}
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
        time.sleep(4)
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
        p99 = float(np.quantile([answer.seconds for answer in some], 0.99))
        code = some[0].code
        table.add(29, f"{given}: {len(some)} {name}, p99", some[0].status, code, growth_mb=growth_mb, seconds=p99)
    assert len(taken) + len(refused) == len(answers)
    assert {(answer.code, answer.headers["retry-after"]) for answer in refused} == {("busy", "1")}
    assert numbers['petmood_errors_total{code="busy"}'] == len(refused)
    assert len(taken) > 10
    assert growth_mb < 100


@pytest.mark.proof
def test_a_process_that_is_killed_is_replaced(bundle: Bundle, good: bytes, log: Path) -> None:
    with serving(bundle.folder, log, options=["--port", "0", "--workers", "2"]) as served:
        time.sleep(6)  # one that ends sooner after its start is thought to do so again
        first = served.pids
        os.kill(first[0], signal.SIGKILL)
        deadline = time.monotonic() + 15
        while len(set(served.pids) - set(first)) < 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(served.pids) == 2
        assert {served.predict(good).status for _ in range(20)} == {200}
        assert served.end() == 0

"""Tests of valid clients alongside 250 slow connections, and of 2,000 mutated files."""

import http.client
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from petmood.core.bundle import Bundle
from tests.integration.service.hostile import MUTATED, mutated
from tests.support import images
from tests.support.fault_table import FaultTable
from tests.support.served import ANSWER_S, Served, exchange, serving
from tests.support.waiting import wait_until

HEADERS, BODIES = 200, 50
ASKED = 20
MUTATIONS = 2000
MUTATION_S = 0.2
"""CPU time in seconds; about 0.005 s on the development machine."""
PATIENCE_S = 20
"""Timeout in seconds; longer than the stalls of a busy machine, as each sender must start its request in that time."""
CLOSED_WITHIN_S = 6 * PATIENCE_S


class Trickle:
    """Connections that each send a byte a second, from one thread, until the server closes them."""

    def __init__(self, served: Served) -> None:
        self.open: list[socket.socket] = []
        self._stop = threading.Event()
        for number in range(HEADERS + BODIES):
            connection = served.connect()
            begin = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
            connection.sendall(begin + (b"X: " if number < HEADERS else b"Content-Length: 100000\r\n\r\n"))
            connection.setblocking(False)
            self.open.append(connection)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self.open and not self._stop.wait(1):
            self.open = [connection for connection in self.open if self._goes_on(connection)]

    def _goes_on(self, connection: socket.socket) -> bool:
        try:
            connection.send(b"a")
            closed = connection.recv(4096) == b""
        except BlockingIOError:
            return True
        except OSError:
            closed = True
        if closed:
            connection.close()
        return not closed

    def end(self) -> None:
        """Close whatever is left."""
        self._stop.set()
        self._thread.join()
        for connection in self.open:
            connection.close()


@contextmanager
def trickling(served: Served) -> Iterator[Trickle]:
    """Keep slow connections open inside the context."""
    trickle = Trickle(served)
    try:
        yield trickle
    finally:
        trickle.end()


def statuses(served: Served, photo: bytes) -> list[int]:
    """Return the status codes of two concurrent valid clients with keep-alive connections."""

    def ask(_: int) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=ANSWER_S)
        found = [exchange(connection, "/predict", method="POST", body=photo).status for _ in range(ASKED)]
        connection.close()
        return found

    with ThreadPoolExecutor(2) as threads:
        return [status for some in threads.map(ask, range(2)) for status in some]


@pytest.mark.proof
def test_while_250_trickle_everybody_else_is_answered(bundle: Bundle, log: Path) -> None:
    """Speed is measured by ``benchmarks/serving_hostile.py``."""
    photo = images.jpeg(images.photo_like(800, 600))
    with serving(bundle.folder, log) as served, trickling(served) as crowd:
        assert statuses(served, photo) == [200] * 2 * ASKED
        assert len(crowd.open) == HEADERS + BODIES, "all of them were there meanwhile"


@pytest.mark.proof
def test_250_that_trickle_are_closed_by_a_deadline(bundle: Bundle, good: bytes, table: FaultTable, log: Path) -> None:
    timeouts = {"PETMOOD_HEADER_TIMEOUT_S": str(PATIENCE_S), "PETMOOD_BODY_TIMEOUT_S": str(PATIENCE_S)}
    with serving(bundle.folder, log, given=timeouts) as served:
        with trickling(served) as crowd:
            wait_until(lambda: not crowd.open, within_s=CLOSED_WITHIN_S, what="an end of all that trickle")
        assert served.count('petmood_errors_total{code="request_timeout"}') == HEADERS + BODIES
        assert served.predict(good).status == 200
    table.add(12, f"{HEADERS} headers, {BODIES} bodies at a byte a second", 408, "request_timeout")


@pytest.mark.proof
def test_2000_mutated_files_are_answered_or_refused(
    service: Served, table: FaultTable, good: bytes, photo_pixels: NDArray[np.uint8]
) -> None:
    """Seeded, over keep-alive connections: no dropped connection, no server error, no slow request."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    originals = [images.encode(photo_pixels, kind) for kind in MUTATED]
    originals += [
        images.jpeg(photo_pixels, progressive=True),
        images.apng(frames=4),
        images.animated("GIF", frames=4),
    ]
    originals += [
        images.cmyk_jpeg(images.corners(), adobe=True),
        images.sixteen_bit_png(np.eye(64, dtype=np.uint16)),
    ]
    before_s, pids = service.processor_s(), service.pids

    def send(seed: int) -> list[tuple[int, str]]:
        rng = np.random.default_rng(seed)
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=ANSWER_S)
        answers = [
            exchange(connection, "/predict", method="POST", body=mutated(originals, rng)) for _ in range(MUTATIONS // 4)
        ]
        connection.close()
        return [(answer.status, answer.code) for answer in answers]

    with ThreadPoolExecutor(4) as threads:
        found = Counter(one for some in threads.map(send, range(4)) for one in some)
    table.add(18, f"{MUTATIONS} mutations", ", ".join(f"{status} {code}".strip() for status, code in sorted(found)))
    assert found.total() == MUTATIONS
    assert {status for status, _ in found} <= {200, 400, 413, 415, 422}
    assert len(found) > 3, f"the mutations met too few kinds of damage: {found}"
    assert service.processor_s() - before_s < MUTATIONS * MUTATION_S
    assert service.pids == pids
    assert service.ask("/readyz").status == 200
    assert service.predict(good).status == 200
    assert not [line for line in service.lines() if line["severity"] in {"ERROR", "CRITICAL"}]

"""Are connections bounded before there is a request? A real server on loopback, and senders who dawdle."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.drain import Drain
from petmood.serving.protocol import HEADER_BYTES
from petmood.serving.server import DrainingServer, bind, config_for
from petmood.serving.settings import Settings

__all__: list[str] = []

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def running(**settings: Any) -> Iterator[int]:  # noqa: ANN401 - any setting
    """Serve on a free port in a thread, and yield the port."""
    chosen = Settings(**{"threads": 1, "drain_notice_s": 0.0, **settings})
    drain, listener = Drain(), bind("127.0.0.1", 0)
    app = create_app(FakePredictor(), settings=chosen, drain=drain)
    server = DrainingServer(config_for(app, chosen), drain=drain, settings=chosen)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    port = listener.getsockname()[1]
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield port
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


def connect(port: int) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    pieces = []
    while piece := connection.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def body_of(response: bytes) -> dict[str, Any]:
    """Return the JSON of a response."""
    found: dict[str, Any] = json.loads(response.partition(b"\r\n\r\n")[2])
    return found


def test_headers_that_trickle_in_are_refused_and_the_connection_closed() -> None:
    with running(header_timeout_s=0.3) as port, connect(port) as slow:
        slow.sendall(b"GET /livez HT")
        response = everything(slow)
        assert response.startswith(b"HTTP/1.1 408 ")
        assert body_of(response)["code"] == "too_slow"


def test_a_connection_that_is_never_used_is_closed_without_a_word() -> None:
    with running(header_timeout_s=0.3) as port, connect(port) as silent:
        assert everything(silent) == b""


def test_the_deadline_holds_for_the_second_request_of_a_connection_too() -> None:
    with running(header_timeout_s=0.3, idle_timeout_s=10) as port, connect(port) as connection:
        connection.sendall(GET)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /li")
        assert everything(connection).startswith(b"HTTP/1.1 408 ")


def test_a_quick_sender_may_ask_many_times() -> None:
    with running(header_timeout_s=0.3) as port, connect(port) as connection:
        for _ in range(4):
            connection.sendall(GET)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.15)


def test_requests_sent_in_one_go_are_all_answered() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(GET * 3 + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert everything(connection).count(b"HTTP/1.1 200 ") == 4


def test_endless_headers_are_refused() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        response = b""
        try:
            for _ in range(2 * HEADER_BYTES // 1000):
                connection.sendall(b"x-filler: " + b"y" * 990 + b"\r\n")
            response = everything(connection)
        except OSError:  # closed while we were sending: refused all the same
            return
        assert response.startswith(b"HTTP/1.1 431 ")


def test_what_is_no_http_is_refused_in_the_form_of_every_refusal() -> None:
    with running() as port, connect(port) as connection:
        connection.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
        response = everything(connection)
        assert response.startswith(b"HTTP/1.1 400 ")
        assert set(body_of(response)) == {"code", "message", "request_id"}


def test_one_connection_too_many_is_closed_and_the_others_go_on() -> None:
    with running(connections=2) as port, connect(port) as first, connect(port) as second:
        for connection in (first, second):
            connection.sendall(GET)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        with connect(port) as third:
            assert everything(third).startswith(b"HTTP/1.1 503 ")
        first.sendall(GET)
        assert first.recv(65_536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("drain_s", [0.4])
def test_at_the_end_a_stalled_upload_is_told_and_cut(drain_s: float) -> None:
    with running(drain_s=drain_s) as port:
        stalled = connect(port)
        stalled.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\nhalf"
        )
        time.sleep(0.1)
    with stalled:
        response = everything(stalled)
    assert response.startswith(b"HTTP/1.1 503 ")
    assert body_of(response)["code"] == "shutting_down"

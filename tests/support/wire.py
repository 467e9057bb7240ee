"""A service in a thread, raw connections to it, and connections without a socket."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn.server import ServerState

from petmood.core.listening import bind
from petmood.inference.fake import FakePredictor
from petmood.serving.app import create_app
from petmood.serving.drain import DrainState
from petmood.serving.protocol import BoundedProtocol, protocol_for
from petmood.serving.server import DrainingServer, config_for
from petmood.serving.settings import Settings
from tests.support.generous import GENEROUS
from tests.support.waiting import wait_until


@contextmanager
def running(*, finish_s: int = 600, **settings: Any) -> Iterator[int]:  # noqa: ANN401 - any setting
    """Serve on a free port in a thread, and yield the port; what is in flight at the end has ``finish_s`` to finish."""
    chosen = Settings(**{"threads": 1, "drain_notice_s": 0.0, **GENEROUS, **settings})
    drain, listener = DrainState(), bind("127.0.0.1", 0)
    app = create_app(FakePredictor(), settings=chosen, drain=drain)
    config = config_for(app, chosen)
    config.timeout_graceful_shutdown = finish_s
    server = DrainingServer(config, drain=drain, settings=chosen)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    port = listener.getsockname()[1]
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        yield port
    finally:
        server.should_exit = True
        thread.join(timeout=120)
        assert not thread.is_alive()


def connect(port: int) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def everything(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    pieces = []
    while piece := connection.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


def until(connection: socket.socket, end: bytes) -> bytes:
    """Read until something has come."""
    found = b""
    while end not in found:
        piece = connection.recv(65_536)
        assert piece, found
        found += piece
    return found


class Wire(asyncio.Transport):
    """Transport whose peer never reads: written data stays buffered, and close waits for the flush."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closing, self.aborted = b"", False, False

    def write(self, data: Any) -> None:  # noqa: ANN401 - any kind of bytes
        """Keep what was written."""
        self.written += bytes(data)

    def is_closing(self) -> bool:
        """Return whether it was closed."""
        return self.closing

    def close(self) -> None:
        """Begin to close."""
        self.closing = True

    def abort(self) -> None:
        """Close at once."""
        self.closing = self.aborted = True


def wired() -> tuple[BoundedProtocol, Wire]:
    """Return a connection without a socket, with 10 seconds for headers; called on an event loop."""
    chosen = Settings(threads=1, header_timeout_s=10)
    config, wire = config_for(create_app(FakePredictor(), settings=chosen), chosen), Wire()
    config.load()
    protocol: BoundedProtocol = protocol_for(chosen)(config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(wire)
    return protocol, wire


def body_of(response: bytes) -> dict[str, Any]:
    """Return the JSON of a response."""
    found: dict[str, Any] = json.loads(response.partition(b"\r\n\r\n")[2])
    return found


def upgrading_post(port: int, photo: bytes, *, path: str = "/predict") -> bytes:
    """Offer h2c with a photo in a second piece, as curl and Java do; return what comes until a brace is closed."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        f"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nContent-Type: image/jpeg\r\nContent-Length: {len(photo)}\r\n\r\n"
    )
    with connect(port) as connection:
        connection.sendall(head.encode())
        connection.sendall(photo)
        return until(connection, b"}")

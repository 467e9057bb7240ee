"""HTTP server of this process on a port of loopback, for tests of what calls one."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["served_by"]


class _Server(ThreadingHTTPServer):
    """Prints nothing of clients that went away before they had their answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Print an error of a handler, unless the client is the cause."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def served_by(handler: Callable[..., BaseHTTPRequestHandler], *, port: int = 0) -> Iterator[str]:
    """Answer requests by a handler in threads during the block, by default on any free port; yield host and port."""
    server = _Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

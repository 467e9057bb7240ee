"""Small loopback servers for load tests, with a fixed delay or error status."""

import contextlib
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

from tests.support.local_server import served_by


class Answers(BaseHTTPRequestHandler):
    """Sends the same response to every photo in a single write; two writes would add 40 ms (Nagle's algorithm)."""

    protocol_version = "HTTP/1.1"
    delay_s = 0.0
    status = 200
    token = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.delay_s)
        known = not self.token or self.headers["Authorization"] == f"Bearer {self.token}"
        status = 404 if self.path != "/predict" else self.status if known and b'name="photo"' in body else 401
        with contextlib.suppress(OSError):
            self.wfile.write(f"HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\n{{}}".encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def serving(*, delay_s: float = 0.0, status: int = 200, token: str = "") -> Iterator[str]:
    """Serve until the block ends, and yield the address."""
    handler = type("Planted", (Answers,), {"delay_s": delay_s, "status": status, "token": token})
    with served_by(handler) as address:
        yield f"http://{address}"

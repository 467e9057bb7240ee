"""How long may a connection dawdle? Headers have a deadline and a size, connections a number; uvicorn has neither."""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from petmood.core.schemas import ErrorResponse
from petmood.serving.settings import Settings

__all__ = ["HEADER_BYTES", "BoundedProtocol", "protocol_for"]

HEADER_BYTES: Final = 65_536
"""For a request's headers, and for trailers and the framing of chunks as far as they outweigh the body."""
PIPELINED: Final = 32
"""Requests that may wait on one connection; uvicorn would take 14,000 from one piece of 256 kB, and then more."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on what a sender can hold open or pile up beside its requests' bodies."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        header_timeout_s: float,
        most_connections: int,
        refused: Callable[[str], object] = str,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_timeout_s, self._most_connections = header_timeout_s, most_connections
        self._refused = refused
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._heard = False
        self._begun = self._piece_bytes = self._body_bytes = self._framing_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        """Count the connection, and expect headers soon."""
        super().connection_made(transport)
        if len(self.connections) > self._most_connections:
            self._refuse(503, "overloaded", "Too many connections. Try again in a second.")
            return
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Read on; between two requests the next one's headers begin here."""
        if self._deadline is None and self._is_between_requests:
            self._expect_headers()
        self._heard, self._begun, self._piece_bytes = True, 0, 0
        super().data_received(data)
        if self._begun <= 1:  # several small requests in one piece are bounded by the piece
            self._framing_bytes += len(data) - self._piece_bytes
            if self._framing_bytes > HEADER_BYTES + self._body_bytes:
                self._refuse(431, "bad_request", f"Expected at most {HEADER_BYTES} bytes of headers, got more.")

    def on_message_begin(self) -> None:
        """Count anew for the next request."""
        self._begun += 1
        self._body_bytes = self._framing_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Go on with the request, unless a crowd of them waits on this connection."""
        self._forget_deadline()
        self._unset_keepalive_if_required()
        if len(self.pipeline) >= PIPELINED:
            self._refuse(503, "overloaded", f"Expected at most {PIPELINED} requests before the first answer, got more.")
            raise ConnectionAbortedError  # the parser stops here
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what is body, as against headers, trailers and the framing of chunks, which have their own bound."""
        self._piece_bytes += len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a body that went on after its answer; uvicorn would wait for it for ever."""
        super().on_message_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self.cycle.more_body = False
            self._forget_deadline()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Expect the end of a body that nobody reads any more, and of a connection that was closed."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_reader()
        elif self.cycle.response_complete and self.cycle.more_body:
            self._forget_deadline()
            self._deadline = self.loop.call_later(self._header_timeout_s, self._close)

    def pause_writing(self) -> None:
        """Wait for a reader, but not for ever."""
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        """Go on writing; the rest of a closed connection has its own time to be taken."""
        self._forget_reader()
        if self.transport.is_closing():
            self._expect_reader()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nobody uses."""
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget_deadline()
        self._forget_reader()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the form of every other refusal."""
        self._refuse(400, "bad_request", f"Expected an HTTP/1.1 request. {msg}")

    @property
    def _is_between_requests(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)

    def _expect_headers(self) -> None:
        self._heard = False
        self._deadline = self.loop.call_later(self._header_timeout_s, self._on_timeout)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_reader(self) -> None:
        """Cut a connection whose other side doesn't take what was written: closing it would wait for that."""
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._header_timeout_s, self.transport.abort)

    def _forget_reader(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _on_timeout(self) -> None:
        if self._heard:
            self._refuse(
                408, "request_timeout", f"Expected a request's headers within {self._header_timeout_s:g} seconds."
            )
        else:  # browsers open connections that they may never use
            self._close()

    def _close(self) -> None:
        self._forget_deadline()
        if not self.transport.is_closing():
            self.transport.close()
            self._expect_reader()

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.transport.is_closing():
            self._forget_deadline()
            return
        if self.cycle is None or self.cycle.response_complete:  # else the app notes that its sender went away
            self._refused(code)
        body = ErrorResponse(code=code, message=message, request_id=secrets.token_hex(16))
        content = body.model_dump_json(exclude_none=True).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n" % len(content)
        again = b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(STATUS_LINE[status] + head + again + b"\r\n" + content)
        self._close()


def protocol_for(settings: Settings, *, refused: Callable[[str], object] = str) -> Any:  # noqa: ANN401 - uvicorn asks for a type, and takes whatever makes one
    """Return what makes a connection's protocol with these settings; ``refused`` hears the code of each refusal."""
    return partial(
        BoundedProtocol,
        header_timeout_s=settings.header_timeout_s,
        most_connections=settings.connections,
        refused=refused,
    )

"""How long may a connection dawdle? Headers have a deadline and a size, connections a number; uvicorn has neither."""

import asyncio
import secrets
from functools import partial
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from petmood.core.wire import ErrorBody
from petmood.serving.settings import Settings

__all__ = ["HEADER_BYTES", "BoundedProtocol", "protocol_for"]

HEADER_BYTES: Final = 65_536


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with bounds on what a sender can hold open before there is a request."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        header_timeout_s: float,
        most_connections: int,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_timeout_s, self._most_connections = header_timeout_s, most_connections
        self._deadline: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn does
        """Count the connection, and expect headers soon."""
        super().connection_made(transport)
        if len(self.connections) > self._most_connections:
            self._refuse(503, "busy", "Too many connections. Try again in a second.")
            return
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Read on; between two requests the next one's headers begin here."""
        if self._deadline is None and self._is_between_requests:
            self._expect_headers()
        waiting = self._deadline is not None
        super().data_received(data)
        if waiting and self._deadline is not None:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self._refuse(431, "bad_request", f"Expected at most {HEADER_BYTES} bytes of headers, got more.")

    def on_headers_complete(self) -> None:
        """Go on with the request."""
        self._forget_deadline()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget_deadline()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in the form of every other refusal."""
        self._refuse(400, "bad_request", f"Expected an HTTP/1.1 request. {msg}")

    @property
    def _is_between_requests(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._deadline = self.loop.call_later(self._header_timeout_s, self._lose_patience)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _lose_patience(self) -> None:
        if not self._header_bytes:  # browsers open connections that they may never use
            self._forget_deadline()
            self.transport.close()
            return
        self._refuse(408, "too_slow", f"Expected a request's headers within {self._header_timeout_s:g} seconds.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._forget_deadline()
        if self.transport.is_closing():
            return
        body = ErrorBody(code=code, message=message, request_id=secrets.token_hex(16))
        content = body.model_dump_json(exclude_none=True).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(content)
        self.transport.write(STATUS_LINE[status] + head + content)
        self.transport.close()


def protocol_for(settings: Settings) -> Any:  # noqa: ANN401 - uvicorn asks for a type, and takes whatever makes one
    """Return what makes a connection's protocol with these settings."""
    return partial(
        BoundedProtocol,
        header_timeout_s=settings.header_timeout_s,
        most_connections=settings.connections,
    )

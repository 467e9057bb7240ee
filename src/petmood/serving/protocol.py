"""uvicorn protocol with a header timeout, a header size limit and a connection limit.

The names used from uvicorn are not public: tests/house/test_uvicorn.py pins them, and pyproject.toml has an upper bound
for the version.
"""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from petmood.core.schemas import ErrorResponse
from petmood.serving.connections import PROBE_WAIT_S, Admission, ConnectionTable
from petmood.serving.settings import Settings
from petmood.serving.upgrades import UpgradeIgnoringProtocol

__all__ = ["HEADER_BYTES", "BoundedProtocol", "protocol_for"]

HEADER_BYTES: Final = 65_536
"""Limit for a request's headers, and for trailers and chunk framing in excess of the body size."""
PIPELINED: Final = 32
"""Pipelined requests allowed per connection; uvicorn accepts 14,000 from one read of 256 kB, and then more."""


class BoundedProtocol(UpgradeIgnoringProtocol):
    """uvicorn's protocol with limits on headers, pipelined requests, open connections and unread output."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        header_timeout_s: float,
        table: ConnectionTable,
        probes: frozenset[bytes],
        refused: Callable[[str], object] = str,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_timeout_s, self._table, self._probes = header_timeout_s, table, probes
        self._probes_only = False
        self._refused = refused
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._received = False
        self._begun = self._piece_bytes = self._body_bytes = self._framing_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's signature
        """Check the connection limits and start the header timeout."""
        super().connection_made(transport)
        admission = self._table.admit(self, None if self.client is None else self.client[0])
        self._probes_only = admission is Admission.PROBES_ONLY
        if admission is Admission.REFUSED:
            self._refuse_as_full()
        else:
            self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Parse received data; start the header timeout if it begins a new request."""
        if self._deadline is None and self._is_between_requests:
            self._expect_headers()
        self._received, self._begun, self._piece_bytes = True, 0, 0
        super().data_received(data)
        if self._begun <= 1:  # several small requests in one read are bounded by the read size
            self._framing_bytes += len(data) - self._piece_bytes
            if self._framing_bytes > HEADER_BYTES + self._body_bytes:
                self._refuse(
                    431, "bad_request", f"Expected at most {HEADER_BYTES} bytes of headers, got more. Send fewer."
                )

    def on_message_begin(self) -> None:
        """Reset the byte counters for the next request."""
        if not self.is_replaying:
            self._begun += 1
            self._body_bytes = self._framing_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Dispatch the request, unless too many are pipelined on this connection."""
        self._clear_deadline()
        self._unset_keepalive_if_required()
        if self._probes_only and self.url.partition(b"?")[0] not in self._probes:
            self._refuse_as_full()
            raise ConnectionAbortedError  # stops the parser
        if len(self.pipeline) >= PIPELINED:
            self._refuse(
                503, "overloaded", f"Expected at most {PIPELINED} pipelined requests, got more. Read responses first."
            )
            raise ConnectionAbortedError  # stops the parser
        super().on_headers_complete()
        if self._probes_only and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Count body bytes separately from headers, trailers and chunk framing, which have their own limit."""
        self._piece_bytes += len(body)
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Handle a body that ends after its response was sent; uvicorn would never time such a connection out."""
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete and self.cycle.more_body:
            self.cycle.more_body = False
            self._clear_deadline()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Start a timeout for the unread rest of a body, or for flushing a closed connection."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_reader()
        elif self.cycle.response_complete and self.cycle.more_body:
            self._clear_deadline()
            self._deadline = self.loop.call_later(self._header_timeout_s, self._close)

    def pause_writing(self) -> None:
        """Pause writing, and abort if the client doesn't read within the timeout."""
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        """Resume writing; a closing connection gets a new timeout for flushing the rest."""
        self._clear_reader()
        if self.transport.is_closing():
            self._expect_reader()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers of the connection."""
        self._clear_deadline()
        self._clear_reader()
        self._table.release(self)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Send the common error format for input that isn't valid HTTP."""
        self._refuse(400, "bad_request", f"Expected an HTTP/1.1 request. {msg}")

    @property
    def _is_between_requests(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)

    def _expect_headers(self) -> None:
        self._received = False
        seconds = min(PROBE_WAIT_S, self._header_timeout_s) if self._probes_only else self._header_timeout_s
        self._deadline = self.loop.call_later(seconds, self._on_timeout)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_reader(self) -> None:
        """Abort the connection after a timeout if the client doesn't read; a plain close would wait for the flush."""
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._header_timeout_s, self.transport.abort)

    def _clear_reader(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _on_timeout(self) -> None:
        if self._probes_only:
            self._refuse_as_full()
        elif self._received:
            self._refuse(
                408,
                "request_timeout",
                f"Expected complete request headers within {self._header_timeout_s:g} seconds. Try again.",
            )
        else:  # browsers open speculative connections that may stay unused
            self._close()

    def _close(self) -> None:
        self._clear_deadline()
        if not self.transport.is_closing():
            self.transport.close()
            self._expect_reader()

    def _refuse_as_full(self) -> None:
        limits = f"limit {self._table.most}, {self._table.per_address} of one address"
        self._refuse(503, "overloaded", f"Too many open connections ({limits}). Try again in a second.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.transport.is_closing():
            self._clear_deadline()
            return
        if self.cycle is None or self.cycle.response_complete:  # otherwise the application records the disconnect
            self._refused(code)
        body = ErrorResponse(code=code, message=message, request_id=secrets.token_hex(16))
        content = body.model_dump_json().encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n" % len(content)
        again = b"retry-after: 1\r\n" if status == 503 else b""
        self.transport.write(STATUS_LINE[status] + head + again + b"\r\n" + content)
        self._close()


def protocol_for(settings: Settings, *, refused: Callable[[str], object] = str) -> Any:  # noqa: ANN401 - typed as a class, but any factory works
    """Return a protocol factory for these settings; ``refused`` is called with the code of each rejection.

    All connections of the factory count together.
    """
    probes = {"/livez", "/readyz", settings.vertex_health_route or "/livez"}
    return partial(
        BoundedProtocol,
        header_timeout_s=settings.header_timeout_s,
        table=ConnectionTable(settings.connections, settings.connections_per_address, settings.proxies),
        probes=frozenset(path.encode() for path in probes),
        refused=refused,
    )

"""Middleware that assigns request ids, unifies error responses, writes access logs and updates metrics."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from petmood.core.errors import (
    InternalError,
    PetmoodError,
    PhotoError,
    RequestError,
    RequestTimeout,
    UnsupportedCoding,
)
from petmood.core.schemas import error_response
from petmood.serving.drain import DrainState
from petmood.serving.metrics import ServiceMetrics
from petmood.serving.middleware.context import RequestContext, header, route_of, start_request_context

__all__ = ["QUIET", "ObservabilityMiddleware", "error_headers"]

logger = logging.getLogger(__name__)

SMALL_BYTES: Final = 65_536
"""An unread body up to this size is read after an error response, so that the connection can be reused."""
CLOSE_WAIT_S: Final = 1.0
CLOSE_WAIT_BYTES: Final = 64_000_000
"""A larger body is discarded up to these limits; a client whose connection closes early never sees the response."""
QUIET: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths polled by machines; logged only if the status is not 200, and never traced."""


class ObservabilityMiddleware:
    """Outermost ASGI middleware; every exception becomes a JSON error with a code and a message."""

    def __init__(self, app: ASGIApp, *, metrics: ServiceMetrics, drain: DrainState) -> None:
        self._app, self._metrics, self._drain = app, metrics, drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request: measure, log and convert exceptions to error responses."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = start_request_context(scope)
        scope.setdefault("state", {})["call"] = call
        began = time.perf_counter()
        self._metrics.in_flight.inc()
        watch = _Watch(
            call,
            receive,
            send,
            closing=self._drain,
            waits=header(scope, b"expect") is not None,
            counted=lambda status: self._count(scope, call, status, time.perf_counter() - began),
        )
        try:
            await self._app(scope, watch.receive, watch.send)
        except PetmoodError as error:
            await watch.refuse(error)
        except Exception:
            logger.exception("request failed with an unexpected error", extra=_extra(call))
            await watch.refuse(
                InternalError("The service failed unexpectedly, and the error was logged. Try again later.")
            )
        finally:
            watch.count()
            self._log(scope, call, watch.status, time.perf_counter() - began)
        await watch.wait_for_client_close()

    def _count(self, scope: Scope, call: RequestContext, status: int, seconds: float) -> None:
        self._metrics.in_flight.dec()
        self._metrics.finished(method=scope["method"], route=route_of(scope), status=status, seconds=seconds)
        if call.code is not None:
            self._metrics.errors.labels(call.code).inc()

    def _log(self, scope: Scope, call: RequestContext, status: int, seconds: float) -> None:
        route = route_of(scope)
        if route in QUIET and status == 200:
            return
        level = logging.ERROR if status >= 500 and status != 503 else logging.INFO
        if logger.isEnabledFor(level):
            text = f"{scope['method']} {route} {status}"
            extra = {"status": status, "code": call.code, "duration_ms": round(seconds * 1000, 2)}
            logger.log(level, text, extra=_extra(call) | extra)


class _Watch:
    """Forwards ASGI messages and tracks the response status and whether the body was read completely.

    Metrics are updated before the last byte is sent, so a client that got its response sees it counted.
    """

    def __init__(
        self,
        call: RequestContext,
        receive: Receive,
        send: Send,
        *,
        closing: DrainState,
        waits: bool,
        counted: Callable[[int], None],
    ) -> None:
        self._call, self._receive, self._send, self._drain = call, receive, send, closing
        self._waits, self._counted = waits, counted
        self.status = 499  # nginx's code for a client that disconnected before the response
        self._started = self._waits_for_client = self._is_counted = False

    def count(self) -> None:
        """Count the request, once."""
        if not self._is_counted:
            self._is_counted = True
            self._counted(self.status)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._call.body_done = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started, self.status = True, message["status"]
            headers = message["headers"] = [*message.get("headers", ()), *_plain_headers(self._call)]
            if self._drain.begun or self._call.closes or self._is_spent:
                headers.append((b"connection", b"close"))
        elif not message.get("more_body", False):
            self.count()
        await self._send(message)

    async def refuse(self, error: PetmoodError) -> None:
        """Send an error response, unless a response has begun; call ``wait_for_client_close`` afterwards."""
        self._call.code = error.code
        if self._started:
            return
        body = error_response(error, request_id=self._call.request_id).model_dump_json().encode()
        status = error.status if isinstance(error, PhotoError | RequestError) else InternalError.status
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers + error_headers(error)})
        self._waits_for_client = not self._call.body_done
        self.count()
        await self._send({"type": "http.response.body", "body": body, "more_body": self._waits_for_client})

    async def wait_for_client_close(self) -> None:
        """Discard the rest of a rejected body, up to a time and size limit."""
        if self._waits_for_client:
            await self._throw_away()
            await self._send({"type": "http.response.body", "body": b""})

    @property
    def _is_spent(self) -> bool:
        """Whether the connection can't be reused: the rest of the body is long, slow, or may never be sent.

        A rejected client that waits for ``100 Continue`` skips the body and sends its next request in its place.
        """
        call = self._call
        if call.body_done:
            return False
        return call.declared is None or call.declared > SMALL_BYTES or self._waits or call.code == RequestTimeout.code

    async def _throw_away(self) -> None:
        seen = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WAIT_S):
                while not self._call.body_done and seen < CLOSE_WAIT_BYTES:
                    seen += len((await self.receive()).get("body", b""))


def error_headers(error: PetmoodError) -> list[tuple[bytes, bytes]]:
    """Return the headers of an error: ``Retry-After``, ``WWW-Authenticate`` and ``Accept-Encoding``."""
    headers = []
    if isinstance(error, RequestError) and error.retry_after_s is not None:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    if error.code == "unauthorized":
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, UnsupportedCoding):
        headers.append((b"accept-encoding", b"identity"))
    return headers


def _plain_headers(call: RequestContext) -> list[tuple[bytes, bytes]]:
    return [(b"x-request-id", call.request_id.encode()), (b"x-content-type-options", b"nosniff")]


def _extra(call: RequestContext) -> dict[str, Any]:
    return {"request_id": call.request_id, "trace_id": call.trace_id}

"""Middleware that makes a span of each request, with OpenTelemetry's ASGI instrumentation."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, get_current_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from petmood.core.stages import TIMER
from petmood.monitoring.metric_names import NO_ROUTE
from petmood.serving.middleware.context import context_of, route_of

__all__ = ["TracingMiddleware"]

REQUEST: Final = "petmood.request"
"""Key of the complete scope in the one that the instrumentation gets."""
SHOWN: Final = ("type", "method", "scheme", "http_version", "server")
KEPT_HEADERS: Final = frozenset({b"traceparent", b"tracestate"})


class TracingMiddleware:
    r"""ASGI middleware around all others; health checks and metrics get no span.

    The instrumentation gets a scope without what a client chose: no headers but those of the trace, no address, no
    path and no query. So no span has them, and no header fails to be decoded. (FastAPI's own instrumentation answers
    500 to the User-Agent ``\xff\x``.) The name of a span is the method and the route, as in metrics and the log.
    """

    def __init__(self, app: ASGIApp, *, provider: TracerProvider, excluded: Collection[str]) -> None:
        """Trace requests but those to the excluded paths."""
        self._app, self._excluded = app, excluded
        self._tracer = provider.get_tracer("petmood")
        self._traced = OpenTelemetryMiddleware(
            self._continue,
            default_span_details=lambda scope: (scope["method"], {}),
            tracer_provider=provider,
            meter_provider=NoOpMeterProvider(),
            exclude_spans=["receive", "send"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or (scope["path"].rstrip("/") or "/") in self._excluded:
            await self._app(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] in KEPT_HEADERS and header[1].isascii()]
        plain = {name: scope[name] for name in SHOWN if name in scope}
        await self._traced({**plain, "path": "", "headers": headers, REQUEST: scope}, receive, send)

    async def _continue(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Handle the request within its span."""
        request, span = scope[REQUEST], get_current_span()
        if not span.is_recording():
            await self._app(request, receive, send)
            return
        request.setdefault("state", {})["trace_id"] = f"{span.get_span_context().trace_id:032x}"

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                _describe(span, request)
            await send(message)

        token = TIMER.set(self._stage)
        try:
            await self._app(request, receive, named)
        finally:
            TIMER.reset(token)

    def _stage(self, name: str, facts: Mapping[str, str]) -> AbstractContextManager[Span]:
        attributes = {f"petmood.{key}": value for key, value in facts.items()}
        return self._tracer.start_as_current_span(name, attributes=attributes)


def _describe(span: Span, request: Scope) -> None:
    """Name a span by the route and add the request id and the code of an error, known when the response begins."""
    call, route = context_of(request), route_of(request)
    span.set_attribute("petmood.request_id", call.request_id)
    if call.code is not None:
        span.set_attribute("petmood.code", call.code)
    if route != NO_ROUTE:
        span.update_name(f"{request['method']} {route}")
        span.set_attribute("http.route", route)

"""Per-request context: request id, trace id, declared body size and error code."""

import os
import re
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope

from petmood.monitoring.metric_names import NO_ROUTE

__all__ = ["RequestContext", "context_of", "header", "route_of", "start_request_context"]

ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
CLOUD_TRACE: Final = re.compile(r"([0-9a-f]{32})(/.*)?")
MAX_DIGITS: Final = 20
"""Digits of a Content-Length without leading zeros; Python refuses to convert more than 4,300 at all."""


@dataclass(slots=True)
class RequestContext:
    """Context of one request; ``request_id`` is the client's own if it matches ``ID``, else generated.

    ``declared`` is the Content-Length in bytes; ``closes`` is whether the response ends the connection.
    """

    request_id: str
    trace_id: str | None
    declared: int | None
    body_done: bool
    code: str | None = None
    route: str | None = None
    closes: bool = False


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first value of a header, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def start_request_context(scope: Scope) -> RequestContext:
    """Build the context from the request headers; a missing or invalid request id is replaced by a new one.

    The trace id is that of the request's span, if the request is traced.
    """
    request_id = trace = declared = parent = None
    chunked = False
    for key, value in scope["headers"]:
        if key == b"content-length":
            declared = int(value.lstrip(b"0")[:MAX_DIGITS] or b"0") if value.isdigit() else None
        elif key == b"transfer-encoding":
            chunked = True
        elif key == b"x-request-id":
            request_id = str(value, "latin-1")
        elif key == b"traceparent":
            parent = TRACEPARENT.fullmatch(str(value, "latin-1"))
        elif key == b"x-cloud-trace-context":
            trace = CLOUD_TRACE.fullmatch(str(value, "latin-1"))
    if request_id is None or not ID.fullmatch(request_id):
        request_id = os.urandom(16).hex()  # not to be guessed: feedback needs nothing else
    found = parent or trace
    trace_id = scope.get("state", {}).get("trace_id") or (found[1] if found else None)
    return RequestContext(request_id, trace_id, declared, body_done=not declared and not chunked)


def context_of(scope: Scope) -> RequestContext:
    """Return the context that ``ObservabilityMiddleware`` stored in the scope."""
    call: RequestContext = scope["state"]["call"]
    return call


def route_of(scope: Scope) -> str:
    """Return the route's pattern, or ``NO_ROUTE`` for all unmatched paths and before the path is looked up."""
    return context_of(scope).route or str(getattr(scope.get("route"), "path", NO_ROUTE))

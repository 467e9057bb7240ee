"""ASGI middleware that gives a BentoML service petmood's HTTP contract.

BentoML's own error bodies have no code or request id, and it reads forms of any size. Therefore the middleware reads
the photo and writes the response itself, with the code of ``petmood serve``. BentoML does the routing, batching,
metrics and traces in between.
"""

from functools import cached_property, partial
from typing import Final

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from petmood.core.errors import Overloaded
from petmood.inference.base import Answer, Explained
from petmood.serving.integrations.bentoml.runtime import PendingPhoto, ServiceRuntime
from petmood.serving.middleware.auth import AuthMiddleware
from petmood.serving.middleware.context import context_of, header
from petmood.serving.middleware.normalize import NormalizingMiddleware
from petmood.serving.middleware.observability import ObservabilityMiddleware
from petmood.serving.multipart import parse_content_type
from petmood.serving.routes.predict import EXPLAIN_PATH, PATH, answer_photo
from petmood.serving.routes.responses import NO_ROUTE, no_route_response
from petmood.serving.worker_pool import queue_full

__all__ = ["PENDING", "ContractMiddleware"]

PENDING: Final = "pending_photo"
"""Key of the ``PendingPhoto`` in the ASGI scope's state."""
PATHS: Final = (PATH, EXPLAIN_PATH)
"""Paths that answer one photo."""


class ContractMiddleware:
    """ASGI middleware around BentoML's app that applies the service's limits, tokens, bodies and errors."""

    def __init__(self, app: ASGIApp, *, runtime: ServiceRuntime) -> None:
        self._app, self._runtime = app, runtime
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request, or pass other scopes on."""
        if scope["type"] == "http":
            await self._guarded(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @cached_property
    def _guarded(self) -> ASGIApp:
        service = self._runtime.service
        return ObservabilityMiddleware(
            NormalizingMiddleware(AuthMiddleware(self._enter, settings=service.settings)),
            metrics=service.metrics,
            drain=service.drain,
        )

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PATHS and scope["method"] == "POST":
            response = await self._answer(scope, receive)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, _Reworded(scope, send).send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        service, call = self._runtime.service, context_of(scope)
        call.route, kind = scope["path"], parse_content_type(header(scope, b"content-type") or "")
        if self._inside >= service.settings.queue:
            raise queue_full(service.settings.queue)
        self._inside += 1
        try:
            return await answer_photo(service, scope, receive, kind=kind, answer=partial(self._run, scope))
        finally:
            self._inside -= 1

    async def _run(self, scope: Scope, photo: bytes) -> Answer | Explained:
        """Run a photo through BentoML; of its response only the status is used.

        Raises:
            Overloaded: BentoML dropped the request, as it waited longer than the maximum batching latency.
            RuntimeError: BentoML returned no result; its log has the reason.
        """
        status, pending = 200, PendingPhoto(photo, context_of(scope).request_id)

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)

        scope["state"][PENDING] = pending
        await self._app(scope, nothing, note)
        if pending.found is not None:
            return pending.found
        if status == Overloaded.status:
            raise Overloaded("The photo waited too long in the queue. Try again in a second.")
        raise RuntimeError(f"BentoML returned status {status} without a result")


class _Reworded:
    """Forwards BentoML's response, with its 404 and 405 bodies replaced by the common error format."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._body: bytes | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in NO_ROUTE:
            allow = next((value.decode("latin-1") for name, value in message["headers"] if name == b"allow"), None)
            call, method = context_of(self._scope), self._scope["method"]
            response = no_route_response(call, method=method, status=message["status"], allow=allow)
            self._body = bytes(response.body)
            message["status"], message["headers"] = response.status_code, response.raw_headers
        elif self._body is not None:
            message = {"type": "http.response.body", "body": self._body}
        await self._send(message)

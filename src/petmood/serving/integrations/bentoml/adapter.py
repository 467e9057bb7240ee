"""ASGI middleware that gives a BentoML service petmood's HTTP contract.

BentoML's own bodies have no code or request id, and it reads forms of any size. So the middleware reads the photo with
the service's limits and writes the response. BentoML does routing, batching, metrics and traces in between.
"""

from functools import cached_property
from typing import Final

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from petmood.core.errors import InternalError, Overloaded, PetmoodError
from petmood.core.prediction import prediction_response
from petmood.core.schemas import ErrorResponse
from petmood.serving.integrations.bentoml.runtime import PendingPhoto, ServiceRuntime
from petmood.serving.middleware.auth import AuthMiddleware
from petmood.serving.middleware.context import context_of, header
from petmood.serving.middleware.observability import ObservabilityMiddleware
from petmood.serving.multipart import HINT, OVERHEAD_BYTES, one_photo, parse_content_type
from petmood.serving.routes.responses import json_response

__all__ = ["PATH", "QUESTION", "ContractMiddleware"]

PATH: Final = "/predict"
QUESTION: Final = "question"
"""Key of the ``PendingPhoto`` in the ASGI scope's state."""

NOWHERE: Final = {
    404: ("not_found", f"There is nothing at this address; photos go to {PATH}. {HINT}"),
    405: ("method_not_allowed", f"This address takes another method. {HINT}"),
}


class ContractMiddleware:
    """ASGI middleware around BentoML's app that applies the service's limits, tokens, bodies and errors."""

    def __init__(self, app: ASGIApp, *, room: ServiceRuntime) -> None:
        self._app, self._room = app, room
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request, or pass other scopes on."""
        if scope["type"] == "http":
            await self._guarded(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @cached_property
    def _guarded(self) -> ASGIApp:
        service = self._room.service
        return ObservabilityMiddleware(
            AuthMiddleware(self._enter, settings=service.settings), metrics=service.metrics, drain=service.drain
        )

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == PATH and scope["method"] == "POST":
            response = await self._answer(scope, receive)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, _Reworded(scope, send).send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        service, call = self._room.service, context_of(scope)
        call.route, kind = PATH, parse_content_type(header(scope, b"content-type") or "")
        most = service.settings.queue
        if self._inside >= most:
            raise Overloaded(f"Too many photos are waiting (limit {most}). Try again in a second.")
        self._inside += 1
        try:
            limit = service.file_bytes + OVERHEAD_BYTES
            async with service.bodies.body(receive, declared=call.declared, limit=limit) as body:
                question = PendingPhoto(one_photo(body, kind, file_bytes=service.file_bytes))
                await self._ask(scope, question)
        finally:
            self._inside -= 1
        if question.found is None:
            raise InternalError("Something went wrong here, and was logged. Try again later.")
        if isinstance(question.found.answer, PetmoodError):
            raise question.found.answer
        return json_response(prediction_response(question.found.answer, request_id=call.request_id))

    async def _ask(self, scope: Scope, question: PendingPhoto) -> None:
        """Run a request through BentoML; of its response only the status is used.

        Raises:
            Overloaded: BentoML dropped the request, as it waited longer than the maximum batching latency.
        """
        status = 200

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def note(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)

        scope["state"][QUESTION] = question
        await self._app(scope, nothing, note)
        if question.found is None and status == Overloaded.status:
            raise Overloaded("The photo waited too long. Try again in a second.")


class _Reworded:
    """Forwards BentoML's response, with its 404 and 405 bodies replaced by the common error format."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._body: bytes | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in NOWHERE:
            call = context_of(self._scope)
            call.code, text = NOWHERE[message["status"]]
            response = json_response(ErrorResponse(code=call.code, message=text, request_id=call.request_id))
            self._body = bytes(response.body)
            allow = [(name, value) for name, value in message["headers"] if name == b"allow"]
            message["headers"] = [*response.raw_headers, *allow]
        elif self._body is not None:
            message = {"type": "http.response.body", "body": self._body}
        await self._send(message)

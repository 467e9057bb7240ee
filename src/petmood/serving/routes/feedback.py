"""Feedback route: whether a prediction was right, from anonymous visitors."""

import hashlib
import re
import secrets
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from petmood.core.errors import BadRequest, Forbidden, UnprocessableContent
from petmood.core.schemas import VISITOR_COOKIE, ErrorResponse, FeedbackRequest, FeedbackResponse
from petmood.core.validation import validation_message
from petmood.serving.middleware.context import context_of
from petmood.serving.routes.openapi import FEEDBACK_REQUEST, REFUSALS
from petmood.serving.routes.responses import json_response
from petmood.serving.service import service_of

__all__ = ["FEEDBACK_PATH", "router"]

FEEDBACK_PATH: Final = "/feedback"
MAX_BYTES: Final = 8192
"""A note of 500 characters, each escaped in JSON, and the other fields."""
VISITOR: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
VISITOR_AGE_S: Final = 90 * 86_400

router = APIRouter(tags=["feedback"])


@router.post(
    FEEDBACK_PATH,
    summary="Say whether a prediction was right",
    response_model=FeedbackResponse,
    openapi_extra=FEEDBACK_REQUEST,
    responses=REFUSALS | {404: {"model": ErrorResponse, "description": "no prediction of this request in the log"}},
)
async def feedback(request: Request) -> Response:
    """Store whether a prediction was right, or the right label; one for each photo and visitor, the last one wins.

    A visitor is a random cookie, set by the first response. Nothing else of a person is stored.
    """
    service, call = service_of(request), context_of(request.scope)
    if service.feedback is None:
        raise Forbidden("Feedback is disabled, as this service has no prediction log. Start it with --prediction-log.")
    service.feedback.refuse_if_spent(request.scope)
    async with service.bodies.body(request.receive, declared=call.declared, limit=MAX_BYTES) as raw:
        given = _read(raw)
    cookie = request.cookies.get(VISITOR_COOKIE, "")
    is_known = VISITOR.fullmatch(cookie) is not None
    cookie = cookie if is_known else secrets.token_urlsafe(24)
    response = json_response(await service.feedback.give(given, visitor=hashlib.sha256(cookie.encode()).hexdigest()))
    if not is_known:
        secure = request.url.scheme == "https"
        response.set_cookie(VISITOR_COOKIE, cookie, max_age=VISITOR_AGE_S, httponly=True, samesite="lax", secure=secure)
    return response


def _read(raw: bytes) -> FeedbackRequest:
    """Return the feedback in a body.

    Raises:
        BadRequest: the body is not JSON.
        UnprocessableContent: a field is missing, unknown or invalid.
    """
    try:
        return FeedbackRequest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise BadRequest(
                'Expected JSON such as {"request_id": "...", "label": "happy"}, got something else.'
            ) from error
        name = ".".join(map(str, first["loc"]))
        message = validation_message(first, with_input=bool(name))
        raise UnprocessableContent(f"{name}: {message}." if name else f"{message}.") from error

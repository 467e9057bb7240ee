"""Conversion of worker results and errors to HTTP response bodies."""

import re
from collections.abc import Sequence
from typing import Final

from fastapi import Response
from pydantic import BaseModel

from petmood.core.errors import PetmoodError
from petmood.core.prediction import prediction_response
from petmood.core.schemas import ErrorResponse, PredictionResponse, error_response
from petmood.inference.base import Answer
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.serving.middleware.context import RequestContext
from petmood.serving.service import AppState

__all__ = ["JSON", "NO_ROUTE", "answer_each", "body_of", "json_response", "no_route_response"]

JSON: Final = "application/json"
NO_ROUTE: Final = {
    404: ("not_found", "There is no such path. Send photos to POST /predict."),
    405: ("method_not_allowed", "This path does not allow the method. The Allow header lists the allowed methods."),
}
"""Codes and messages for an unknown path and a wrong method, by status."""


async def answer_each(
    service: AppState, photos: Sequence[bytes | PetmoodError], *, request_id: str
) -> list[PredictionResponse | ErrorResponse]:
    """Predict the valid photos and return one response body per item, in order; errors keep their position."""
    valid = {position: photo for position, photo in enumerate(photos) if isinstance(photo, bytes)}
    keys = [PhotoKey(request_id, position) for position in valid]
    found = iter(await service.answer(list(valid.values()), keys=keys))
    bodies: list[PredictionResponse | ErrorResponse] = []
    for photo in photos:
        if isinstance(photo, PetmoodError):
            service.metrics.count(photo)
            bodies.append(error_response(photo, request_id=request_id))
        else:
            bodies.append(body_of(next(found), request_id=request_id))
    return bodies


def body_of(answer: Answer, *, request_id: str) -> PredictionResponse | ErrorResponse:
    """Return the response body for a prediction or an error."""
    if isinstance(answer, PetmoodError):
        return error_response(answer, request_id=request_id)
    return prediction_response(answer, request_id=request_id)


def json_response(body: BaseModel, *, status: int = 200) -> Response:
    """Return a JSON response without the fields that are None."""
    return Response(body.model_dump_json(), status_code=status, media_type=JSON)


def no_route_response(
    call: RequestContext, *, method: str, status: int, message: str = "", allow: str | None = None
) -> Response:
    """Return the router's error in the common format, and note its code; ``message`` is for other statuses.

    ``allow`` is the router's Allow header; HEAD is added to GET. An OPTIONS request gets the header alone.
    """
    headers = {} if allow is None else {"allow": re.sub(r"\bGET\b(?!.*\bHEAD\b)", "GET, HEAD", allow)}
    if method == "OPTIONS" and headers:
        return Response(status_code=204, headers=headers)
    call.code, text = NO_ROUTE.get(status, ("bad_request", message))
    response = json_response(ErrorResponse(code=call.code, message=text, request_id=call.request_id), status=status)
    response.headers.update(headers)
    return response

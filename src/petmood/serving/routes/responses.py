"""Conversion of worker results and errors to HTTP response bodies."""

from collections.abc import Sequence
from typing import Final

from fastapi import Response
from pydantic import BaseModel

from petmood.core.errors import PetmoodError
from petmood.core.prediction import prediction_response
from petmood.core.schemas import ErrorResponse, PredictionResponse, error_response
from petmood.serving.service import AppState
from petmood.serving.worker_pool import WorkerResult

__all__ = ["JSON", "answer_each", "body_of", "json_response"]

JSON: Final = "application/json"


async def answer_each(
    service: AppState, photos: Sequence[bytes | PetmoodError], *, request_id: str
) -> list[PredictionResponse | ErrorResponse]:
    """Predict the valid photos and return one response body per item, in order; errors keep their position."""
    found = iter(await service.answer([photo for photo in photos if isinstance(photo, bytes)]))
    bodies: list[PredictionResponse | ErrorResponse] = []
    for photo in photos:
        if isinstance(photo, PetmoodError):
            service.metrics.count(photo)
            bodies.append(error_response(photo, request_id=request_id))
        else:
            bodies.append(body_of(next(found), request_id=request_id))
    return bodies


def body_of(found: WorkerResult, *, request_id: str) -> PredictionResponse | ErrorResponse:
    """Return the response body for one worker result: a prediction or an error."""
    if isinstance(found.answer, PetmoodError):
        return error_response(found.answer, request_id=request_id)
    return prediction_response(found.answer, request_id=request_id)


def json_response(body: BaseModel, *, status: int = 200) -> Response:
    """Return a JSON response without the fields that are None."""
    return Response(body.model_dump_json(exclude_none=True), status_code=status, media_type=JSON)

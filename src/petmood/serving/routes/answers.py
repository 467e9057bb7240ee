"""How do photos become bodies? Answered by the workers, each refusal in its photo's place."""

from collections.abc import Sequence
from typing import Final

from fastapi import Response
from pydantic import BaseModel

from petmood.core.errors import PetmoodError
from petmood.core.wire import ErrorBody, PredictionBody, error_body, prediction_body
from petmood.serving.batching import Answered
from petmood.serving.service import Service

__all__ = ["JSON", "answer_each", "body_of", "json_response"]

JSON: Final = "application/json"


async def answer_each(
    service: Service, photos: Sequence[bytes | PetmoodError], *, request_id: str
) -> list[PredictionBody | ErrorBody]:
    """Let the workers answer the photos that are some; those that were refused already keep their place."""
    found = iter(await service.answer([photo for photo in photos if isinstance(photo, bytes)]))
    bodies: list[PredictionBody | ErrorBody] = []
    for photo in photos:
        if isinstance(photo, PetmoodError):
            service.metrics.count(photo)
            bodies.append(error_body(photo, request_id=request_id))
        else:
            bodies.append(body_of(next(found), request_id=request_id))
    return bodies


def body_of(found: Answered, *, request_id: str) -> PredictionBody | ErrorBody:
    """Return a photo's answer or refusal as it is sent."""
    if isinstance(found.answer, PetmoodError):
        return error_body(found.answer, request_id=request_id)
    return prediction_body(found.answer, model=found.model, request_id=request_id)


def json_response(body: BaseModel, *, status: int = 200) -> Response:
    """Return a body as JSON, without the fields that are empty."""
    return Response(body.model_dump_json(exclude_none=True), status_code=status, media_type=JSON)

"""Prediction routes: one photo at ``/predict``, several at ``/predict/batch``."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope

from petmood.core.errors import BadForm, PetmoodError
from petmood.core.prediction import prediction_response
from petmood.core.schemas import PHOTO_FIELD, BatchResponse, PredictionResponse
from petmood.inference.base import Answer
from petmood.serving.integrations.vertex_ai import answer_instances
from petmood.serving.middleware.context import context_of, header
from petmood.serving.multipart import (
    HINT,
    OVERHEAD_BYTES,
    ContentType,
    one_photo,
    parse_content_type,
    parse_photos,
)
from petmood.serving.routes.openapi import BATCH_REQUEST, PREDICT_REQUEST, REFUSALS
from petmood.serving.routes.responses import JSON, answer_each, json_response
from petmood.serving.service import AppState, service_of

__all__ = ["PATH", "PredictPhoto", "answer_photo", "router"]

PATH: Final = "/predict"

PredictPhoto = Callable[[bytes], Awaitable[Answer]]


class DirectRoute(APIRoute):
    """Route that passes the request to its function as it is; FastAPI only documents it.

    The functions read the body with the service's limits, so there are no parameters to resolve. That saves 0.02 ms
    of processor time for each request (docs/decisions/serving.md).
    """

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the function; FastAPI's own handler would resolve parameters and build the response."""
        return self.endpoint


router = APIRouter(tags=["prediction"], route_class=DirectRoute)


@router.post(
    PATH,
    summary="Predict one photo",
    response_model=PredictionResponse,
    openapi_extra=PREDICT_REQUEST,
    responses=REFUSALS,
)
async def predict(request: Request) -> Response:
    """Predict one photo, sent as the form field `photo` or as the request body."""
    service = service_of(request)
    content_type = header(request.scope, b"content-type") or ""
    if content_type.startswith(JSON) and service.settings.vertex_predict_route == PATH:
        return await answer_instances(request)

    async def predict_photo(photo: bytes) -> Answer:
        (found,) = await service.answer([photo])
        return found

    kind = parse_content_type(content_type)
    service.workers.refuse_if_full()
    return await answer_photo(service, request.scope, request.receive, kind=kind, predict_photo=predict_photo)


@router.post(
    "/predict/batch",
    summary="Predict several photos",
    response_model=BatchResponse,
    openapi_extra=BATCH_REQUEST,
    responses=REFUSALS,
)
async def predict_batch(request: Request) -> Response:
    """Predict up to 32 photos, each a form field `photo`; return a prediction or an error for each, in order."""
    service, call = service_of(request), context_of(request.scope)
    kind = parse_content_type(header(request.scope, b"content-type") or "")
    if kind.boundary is None:
        raise BadForm(f"Expected multipart/form-data with fields '{PHOTO_FIELD}'. {HINT}")
    service.workers.refuse_if_full()
    most, limits = service.settings.batch_photos, service.settings.limits
    limit = service.settings.batch_bytes
    async with service.bodies.body(request.receive, declared=call.declared, limit=limit) as body:
        photos = parse_photos(body, kind, most=most, file_bytes=limits.file_bytes)
        results = await answer_each(service, photos, request_id=call.request_id)
    return json_response(BatchResponse(results=results, request_id=call.request_id))


async def answer_photo(
    service: AppState,
    scope: Scope,
    receive: Receive,
    *,
    kind: ContentType,
    predict_photo: PredictPhoto,
) -> Response:
    """Read the one photo of a request within the service's limits, call ``predict_photo``, and return the response.

    Raises:
        RequestError, PhotoError: the body or the photo is rejected.
    """
    call, file_bytes = context_of(scope), service.file_bytes
    limit = file_bytes + OVERHEAD_BYTES
    async with service.bodies.body(receive, declared=call.declared, limit=limit) as body:
        answer = await predict_photo(one_photo(body, kind, file_bytes=file_bytes))
    if isinstance(answer, PetmoodError):
        try:
            raise answer
        finally:
            del answer, body  # break the cycle error -> traceback -> frame, which keeps the photo in memory
    return json_response(prediction_response(answer, request_id=call.request_id))

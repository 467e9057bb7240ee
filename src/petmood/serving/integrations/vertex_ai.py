"""Vertex AI custom-container contract: JSON instances with base64 photos in, predictions out."""

import asyncio
import base64
import binascii
import json
import re
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from petmood.core.errors import BadRequest, FileTooLarge, PetmoodError, UnprocessableContent
from petmood.core.schemas import VertexResponse
from petmood.serving.middleware.context import context_of
from petmood.serving.routes.health import ready
from petmood.serving.routes.openapi import REFUSALS, VERTEX_REQUEST
from petmood.serving.routes.responses import answer_each, json_response
from petmood.serving.service import service_of
from petmood.serving.settings import Settings

__all__ = ["answer_instances", "photos_of_instances", "vertex_router"]

EXAMPLE: Final = 'Send {"instances": [{"b64": "..."}]}.'
DATA_URL: Final = re.compile(r"\s*data:[^,]{0,100};base64,", re.IGNORECASE)
LARGE_BYTES: Final = 1_000_000
PIECES: Final = 32
"""JSON brackets, braces and commas allowed per instance (base64 has none); 100 MB of them would parse to 3 GB."""


def vertex_router(settings: Settings) -> APIRouter:
    """Return routes at the paths that Vertex AI sets in ``AIP_HEALTH_ROUTE`` and ``AIP_PREDICT_ROUTE``, if any."""
    router = APIRouter(tags=["vertex"])
    predict, health = settings.vertex_predict_route, settings.vertex_health_route
    if predict is not None and predict != "/predict":
        router.add_api_route(
            predict,
            answer_instances,
            methods=["POST"],
            summary="Predict instances of Vertex AI",
            response_model=VertexResponse,
            openapi_extra=VERTEX_REQUEST,
            responses=REFUSALS,
        )
    if health is not None and health not in {"/readyz", "/livez"}:
        router.add_api_route(health, ready, methods=["GET"], summary="Ready for requests")
    return router


async def answer_instances(request: Request) -> Response:
    """Predict the instances of a Vertex AI request; return a prediction or an error for each, in order."""
    service, call = service_of(request), context_of(request.scope)
    service.workers.refuse_if_full()
    limit = service.settings.batch_bytes
    async with service.bodies.body(request.receive, declared=call.declared, limit=limit) as body:
        if len(body) > LARGE_BYTES:  # parse megabytes of JSON off the event loop
            photos = await asyncio.to_thread(photos_of_instances, body, service.settings)
        else:
            photos = photos_of_instances(body, service.settings)
        predictions = await answer_each(service, photos, request_id=call.request_id)
    return json_response(VertexResponse(predictions=predictions))


def photos_of_instances(body: bytes, settings: Settings) -> list[bytes | PetmoodError]:
    """Return the photos of a request's instances; one that can't be decoded is replaced by its error.

    Raises:
        BadRequest: the body is not JSON, or has too many elements.
        UnprocessableContent: there is no list of instances, or it is too long.
    """
    if sum(map(body.count, b"[{,")) > PIECES * (settings.batch_photos + 1):
        raise BadRequest(f"Expected 1 to {settings.batch_photos} instances, got too many JSON elements. {EXAMPLE}")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"Expected JSON, got something else. {EXAMPLE}") from error
    instances = found.get("instances") if isinstance(found, dict) else None
    if not isinstance(instances, list) or not 1 <= len(instances) <= settings.batch_photos:
        got = len(instances) if isinstance(instances, list) else "none"
        raise UnprocessableContent(f"Expected 1 to {settings.batch_photos} instances, got {got}. {EXAMPLE}")
    return [_photo(instance, file_bytes=settings.limits.file_bytes) for instance in instances]


def _photo(instance: Any, *, file_bytes: int) -> bytes | PetmoodError:  # noqa: ANN401 - any JSON value
    text = instance.get("b64") if isinstance(instance, dict) else None
    if not isinstance(text, str):
        return UnprocessableContent(f"Expected an object with a string 'b64', got something else. {EXAMPLE}")
    found = DATA_URL.match(text)
    text = "".join(text[found.end() if found else 0 :].split())  # MIME and many tools break base64 into lines
    if len(text) * 3 // 4 > file_bytes + 2:
        return FileTooLarge(f"Expected a photo of at most {file_bytes / 1e6:.0f} MB, got more. Send a smaller copy.")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return UnprocessableContent(
            "Expected base64 in 'b64', got something else. Encode the bytes of the photo file with standard base64."
        )

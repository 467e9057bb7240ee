"""Admin routes that load another bundle or roll back to the previous model; a token is required."""

import asyncio
from pathlib import Path
from typing import Final, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petmood.core.errors import BadRequest, PetmoodError, UnprocessableContent
from petmood.core.schemas import ModelInfo
from petmood.monitoring.metric_names import LoadResult
from petmood.serving.middleware.context import context_of
from petmood.serving.routes.openapi import LOAD_REQUEST, REFUSALS, ROLLBACK_REQUEST
from petmood.serving.routes.responses import json_response
from petmood.serving.service import service_of

__all__ = ["LoadBody", "ReasonBody", "router"]

MAX_BYTES: Final = 4096
Body = TypeVar("Body", bound="ReasonBody")

router = APIRouter(tags=["admin"], prefix="/models")


class ReasonBody(BaseModel):
    """Request body with the reason for a model change, which is logged with the request id."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=500)


class LoadBody(ReasonBody):
    """Request body that names the bundle to load: a folder readable by the service."""

    bundle: str = Field(min_length=1, max_length=1024)


@router.post(
    "/load",
    summary="Load another bundle",
    response_model=ModelInfo,
    openapi_extra=LOAD_REQUEST,
    responses=REFUSALS,
)
async def load(request: Request) -> Response:
    """Verify another bundle against its golden outputs, then switch to it; the active model serves until then."""
    service, call = service_of(request), context_of(request.scope)
    async with service.bodies.body(request.receive, declared=call.declared, limit=MAX_BYTES) as raw:
        body = _read(LoadBody, raw, 'Expected {"bundle": "FOLDER"} with an optional "reason", got something else.')
    fields = {"request_id": call.request_id, "reason": body.reason or None}
    try:
        predictor = await asyncio.to_thread(service.load, Path(body.bundle), result=LoadResult.LOADED, **fields)
    except PetmoodError as error:
        raise UnprocessableContent(str(error)) from error
    return json_response(predictor.model)


@router.post(
    "/rollback",
    summary="Return to the previous model",
    response_model=ModelInfo,
    openapi_extra=ROLLBACK_REQUEST,
    responses=REFUSALS,
)
async def roll_back(request: Request) -> Response:
    """Restore the previous model at once; it is still in memory."""
    service, call = service_of(request), context_of(request.scope)
    async with service.bodies.body(request.receive, declared=call.declared, limit=MAX_BYTES) as raw:
        body = _read(ReasonBody, raw or b"{}", 'Expected an empty body or {"reason": "..."}, got something else.')
    try:
        predictor = service.roll_back(request_id=call.request_id, reason=body.reason or None)
    except PetmoodError as error:
        raise UnprocessableContent(str(error)) from error
    return json_response(predictor.model)


def _read(kind: type[Body], raw: bytes, expected: str) -> Body:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise BadRequest(expected) from error

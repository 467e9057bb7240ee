"""State routes: liveness, readiness, model card and Prometheus metrics."""

from fastapi import APIRouter, Request, Response

from petmood.core.schemas import HealthStatus, ModelCardResponse
from petmood.serving.metrics import CONTENT_TYPE
from petmood.serving.routes.responses import json_response
from petmood.serving.service import service_of

__all__ = ["ready", "router"]

router = APIRouter(tags=["state"])


@router.get("/livez", response_model=HealthStatus)
async def live() -> Response:
    """Say that the process lives."""
    return json_response(HealthStatus(status="ok"))


@router.get("/readyz", response_model=HealthStatus, responses={503: {"model": HealthStatus}})
async def ready(request: Request) -> Response:
    """Say whether photos should be sent here: the golden photos were answered right, and the end is not near."""
    reason = service_of(request).readiness_failure()
    if reason is None:
        return json_response(HealthStatus(status="ok"))
    return json_response(HealthStatus(status="unready", reason=reason), status=503)


@router.get("/model", response_model=ModelCardResponse)
async def model(request: Request) -> Response:
    """Tell which model answers: its card and its manifest."""
    return json_response(service_of(request).slot.current.card())


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Give the numbers in Prometheus' text format."""
    service = service_of(request)
    service.metrics.queue.set(service.workers.waiting)
    return Response(service.metrics.render(), headers={"content-type": CONTENT_TYPE})

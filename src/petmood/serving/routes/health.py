"""State routes: liveness, readiness, model card and Prometheus metrics."""

from fastapi import APIRouter, Request, Response

from petmood.core.schemas import HealthStatus, ModelCardResponse
from petmood.serving.metrics import CONTENT_TYPE
from petmood.serving.routes.responses import json_response
from petmood.serving.service import service_of

__all__ = ["ready", "router"]

router = APIRouter(tags=["state"])


@router.get("/livez", summary="Process is running", response_model=HealthStatus)
async def live() -> Response:
    """Return 200 while the process runs."""
    return json_response(HealthStatus(status="ok"))


@router.get(
    "/readyz",
    summary="Ready for requests",
    response_model=HealthStatus,
    responses={503: {"model": HealthStatus}},
)
async def ready(request: Request) -> Response:
    """Return 200 if the process is ready for photos, or 503 with the reason: a worker died, or it is shutting down."""
    reason = service_of(request).readiness_failure()
    if reason is None:
        return json_response(HealthStatus(status="ok"))
    return json_response(HealthStatus(status="unready", reason=reason), status=503)


@router.get("/model", summary="Model card", response_model=ModelCardResponse)
async def model(request: Request) -> Response:
    """Return the active model with its card and manifest, and whether the service takes feedback and keeps photos."""
    service = service_of(request)
    facts = {
        "takes_feedback": True if service.feedback is not None else None,
        "keep_photos_days": service.settings.photo_days,
    }
    return json_response(service.slot.current.card().model_copy(update=facts))


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
async def metrics(request: Request) -> Response:
    """Return the metrics in the Prometheus text format."""
    service = service_of(request)
    service.metrics.queue.set(service.workers.waiting)
    return Response(service.metrics.render(), headers={"content-type": CONTENT_TYPE})

"""FastAPI application factory around an injected predictor; threads start with the lifespan, not at import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from petmood.core.extras import require
from petmood.inference.base import Predictor
from petmood.serving.active_model import ModelSlot
from petmood.serving.alias_watcher import WatchedAlias, watching_thread
from petmood.serving.bundle_loading import open_bundle
from petmood.serving.drain import DrainState
from petmood.serving.integrations.vertex_ai import vertex_router
from petmood.serving.metrics import ServiceMetrics
from petmood.serving.middleware.auth import AuthMiddleware
from petmood.serving.middleware.context import context_of
from petmood.serving.middleware.normalize import NormalizingMiddleware
from petmood.serving.middleware.observability import QUIET, ObservabilityMiddleware
from petmood.serving.routes import feedback, health, models, predict
from petmood.serving.routes.openapi import document_tokens
from petmood.serving.routes.pages import add_pages
from petmood.serving.routes.responses import NO_ROUTE, no_route_response
from petmood.serving.service import AppState, OpenModel
from petmood.serving.settings import Settings
from petmood.serving.uploads import BodyReader, MinUploadRate
from petmood.serving.worker_pool import WorkerPool

if TYPE_CHECKING:
    from petmood.monitoring.prediction_log.writer import LogWriter
    from petmood.serving.feedback import FeedbackService
    from petmood.serving.traces import Traces

__all__ = ["create_app"]

PROBES = frozenset({"/livez", "/readyz"})
"""Paths that probes of a platform ask for, with the address of a container as Host."""
DESCRIPTION = "Classify the facial expression of a pet in a photo, or abstain. GET /model lists the classes."


def create_app(
    predictor: Predictor,
    *,
    settings: Settings | None = None,
    drain: DrainState | None = None,
    open_model: OpenModel | None = None,
    following: WatchedAlias | None = None,
) -> FastAPI:
    """Return the FastAPI application for a predictor; its worker threads run for the application's lifespan.

    ``open_model`` loads the bundles named by ``POST /models/load``. ``following`` is the registry alias to watch.
    """
    service = _assemble(predictor, settings or Settings(), drain or DrainState(), open_model)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        with watching_thread(service, following):
            yield
        service.stop()

    app = FastAPI(
        title="petmood",
        version=version("petmood"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # add_pages serves it without other hosts
        redoc_url=None,
        redirect_slashes=False,  # NormalizingMiddleware removes the slash
    )
    app.state.service = service
    app.add_exception_handler(HTTPException, _refuse)  # type: ignore[arg-type] # only called with HTTPException
    for router in (predict.router, feedback.router, health.router, models.router, vertex_router(service.settings)):
        app.include_router(router)
    document_tokens(app, service.settings)
    add_pages(app, service.settings)
    app.add_middleware(AuthMiddleware, settings=service.settings)
    probes = PROBES | {service.settings.vertex_health_route or ""}
    app.add_middleware(NormalizingMiddleware, allowed_hosts=service.settings.allowed_hosts, probes=probes)
    app.add_middleware(ObservabilityMiddleware, metrics=service.metrics, drain=service.drain)
    _trace(app, service, excluded=QUIET | probes)
    if service.settings.origins:  # outermost, so that error responses carry CORS headers too
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After"],
        )
    return app


def _trace(app: FastAPI, service: AppState, *, excluded: frozenset[str]) -> None:
    """Make a span of each request but those to the excluded paths, if there is a collector."""
    if service.traces is not None:
        from petmood.serving.middleware.tracing import TracingMiddleware  # noqa: PLC0415 - needs the extra 'otel'

        app.add_middleware(TracingMiddleware, provider=service.traces.provider, excluded=excluded)


def _assemble(predictor: Predictor, settings: Settings, drain: DrainState, open_model: OpenModel | None) -> AppState:
    slot, metrics = ModelSlot(predictor), ServiceMetrics()
    metrics.serves(predictor.model, classes=predictor.classes)
    vertex = settings.vertex_predict_route
    metrics.expect(
        routes=dict.fromkeys((predict.PATH, predict.BATCH_PATH, predict.EXPLAIN_PATH, *filter(None, [vertex]))),
        codes=[code for code, _ in NO_ROUTE.values()],
        capacity=settings.queue,
    )
    workers = WorkerPool(
        slot,
        threads=settings.workers,
        waiting=settings.queue,
        batch=settings.batch,
        batch_wait_s=settings.batch_wait_ms / 1000,
        max_wait_s=settings.max_wait_s,
    )
    pace = MinUploadRate(grace_s=settings.body_timeout_s, bytes_per_s=settings.body_kb_s * 1000)
    bodies = BodyReader(drain, held_bytes=int(settings.held_mb * 1e6), pace=pace)

    def load(folder: Path) -> Predictor:
        return open_bundle(folder, settings)

    log = open_prediction_log(settings, metrics)
    taken = open_feedback(settings, log, metrics)
    traces = open_traces(settings, predictor)
    return AppState(slot, workers, settings, metrics, drain, bodies, open_model or load, log, taken, traces)


def open_prediction_log(settings: Settings, metrics: ServiceMetrics) -> "LogWriter | None":
    """Return the writer of the prediction log, not started, or None if there is none.

    Raises:
        ConfigError: another database, one of a newer schema, or a folder for the spool or for photos that can't be
            written.
        MissingDependency: the extra 'log' is not installed.
    """
    if settings.prediction_log is None:
        return None
    for module in ("sqlalchemy", "alembic"):
        require(module, extra="log")
    from petmood.monitoring.kept_photos import open_keeper  # noqa: PLC0415 - needs the extra 'log'
    from petmood.monitoring.prediction_log.database import database_url  # noqa: PLC0415 - as above
    from petmood.monitoring.prediction_log.writer import open_writer  # noqa: PLC0415 - as above

    address = settings.prediction_log.get_secret_value()
    photos, folder = None, settings.keep_photos_folder
    if settings.photo_days is not None:
        url, count = database_url(address), metrics.count_kept_photos
        photos = open_keeper(url, days=settings.photo_days, folder=folder, count=count)

    made = open_writer(
        address,
        count=metrics.count_log_rows,
        keep_days=settings.prediction_log_days or None,
        spool=Path(settings.prediction_log_spool) if settings.prediction_log_spool else None,
        spool_bytes=int(settings.prediction_log_spool_mb * 1e6),
        photos=photos,
        photo_folder=folder,
    )
    made.prepare()
    return made


def open_feedback(settings: Settings, log: "LogWriter | None", metrics: ServiceMetrics) -> "FeedbackService | None":
    """Return what takes feedback on the predictions in a log, or None without one."""
    if log is None or settings.prediction_log is None:
        return None
    from petmood.monitoring.feedback.store import FeedbackStore  # noqa: PLC0415 - needs the extra 'log'
    from petmood.monitoring.prediction_log.database import connect, database_url  # noqa: PLC0415 - as above
    from petmood.serving.feedback import FeedbackService  # noqa: PLC0415 - as above

    return FeedbackService(
        FeedbackStore(connect(database_url(settings.prediction_log.get_secret_value()))),
        log,
        per_minute=settings.feedback_per_minute,
        proxies=settings.proxies,
        count=metrics.count_feedback,
    )


def open_traces(settings: Settings, predictor: Predictor) -> "Traces | None":
    """Return what sends the spans of requests to a collector, not started, or None if there is no collector.

    Raises:
        MissingDependency: the extra 'otel' is not installed.
    """
    if settings.traces is None:
        return None
    for module in ("sdk.trace", "exporter.otlp.proto.http.trace_exporter", "instrumentation.asgi"):
        require(f"opentelemetry.{module}", extra="otel")
    from petmood.serving.traces import Traces  # noqa: PLC0415 - needs the extra 'otel'

    return Traces(settings.traces, share=settings.trace_sampling, model=predictor.model)


async def _refuse(request: Request, error: HTTPException) -> Response:
    """Return the router's errors (unknown path, wrong method) in the common error format, and answer OPTIONS."""
    return no_route_response(
        context_of(request.scope),
        method=request.method,
        status=error.status_code,
        message=str(error.detail),
        allow=(error.headers or {}).get("Allow"),
    )

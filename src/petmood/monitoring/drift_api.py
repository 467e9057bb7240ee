"""Drift API: an HTTP service beside the model's service that tests each new window of the prediction log."""

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any, Final

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from petmood.core.errors import LogUnavailable
from petmood.monitoring.drift.monitor import BundleMonitor, DriftMonitor
from petmood.monitoring.drift.tester import DriftTester, WindowResult
from petmood.monitoring.metric_names import DRIFT_ALERT, DRIFT_WINDOWS, DriftStatus
from petmood.monitoring.prediction_log.reader import logged_keys, rows_by_bundle

__all__ = ["EVERY_S", "DriftMetrics", "RenderReport", "create_drift_app"]

logger = logging.getLogger(__name__)

EVERY_S: Final = 10.0
"""Seconds between two readings of the log unless another time is asked for."""

RenderReport = Callable[[DriftTester, WindowResult], str]
"""Makes the HTML page of a window."""


def create_drift_app(
    monitor: DriftMonitor,
    engine: Engine,
    *,
    report: RenderReport,
    every_s: float = EVERY_S,
    testers: Callable[[], Sequence[DriftTester]] | None = None,
) -> FastAPI:
    """Return the app; while it runs, a thread tests the complete windows of the log every ``every_s`` seconds.

    ``testers`` returns the bundles to follow, which may change: it is called before each reading of the log.

    Routes: ``/drift`` (JSON), ``/drift/report`` (the last window as a page), ``/stats`` (numbers of the log),
    ``/healthz`` and ``/metrics``.
    """
    updates = _Updates(monitor, engine, every_s=every_s, testers=testers)
    registry = CollectorRegistry()
    registry.register(DriftMetrics(monitor))

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        updates.start()
        yield
        updates.stop()

    app = FastAPI(title="petmood drift", lifespan=running)

    _add_results(app, monitor, engine, report)
    _add_state(app, monitor, engine, updates, registry)
    return app


def _add_results(app: FastAPI, monitor: DriftMonitor, engine: Engine, report: RenderReport) -> None:
    """Add the routes of the windows; they name the requests alone that are in the log at the time."""

    @app.get("/drift")
    def drift() -> dict[str, Any]:
        """Return the windows of each bundle, oldest first, and whether its alert is active."""
        return {"bundles": [_state(one, engine) for one in monitor.bundles]}

    @app.get("/drift/report", response_class=HTMLResponse)
    def last_report(bundle: str | None = None) -> Response:
        """Return the page of a bundle's last window; ``bundle`` is the SHA-256 of its manifest, or its beginning."""
        known = [one for one in monitor.bundles if one.tester.bundle.sha256.startswith(bundle or "")]
        if not known:
            return JSONResponse({"detail": f"Unknown bundle {bundle!r}."}, status_code=404)
        window = known[0].last
        if window is None:
            told = f"No window yet: it needs {known[0].size} predictions of {known[0].tester.bundle.name}."
            return JSONResponse({"detail": told}, status_code=404)
        return HTMLResponse(report(known[0].tester, *_as_logged([window], engine)))


def _add_state(
    app: FastAPI, monitor: DriftMonitor, engine: Engine, updates: "_Updates", registry: CollectorRegistry
) -> None:
    """Add the routes of the log and of the service itself."""

    @app.get("/healthz")
    def healthz() -> Response:
        """Return 200, or 503 with the reason if the log could not be read the last time."""
        return JSONResponse({"status": updates.problem or "ok"}, status_code=503 if updates.problem else 200)

    @app.get("/stats")
    def stats() -> Response:
        """Return the bundles in the log with the numbers of their rows; 503 if the log can't be read."""
        try:
            found = rows_by_bundle(engine)
        except LogUnavailable as error:
            return JSONResponse({"detail": str(error)}, status_code=503)
        monitored = {one.tester.bundle.sha256 for one in monitor.bundles}
        return JSONResponse({"bundles": [asdict(one) | {"monitored": one.bundle.sha256 in monitored} for one in found]})

    @app.get("/metrics")
    def metrics() -> Response:
        """Return the metrics in Prometheus's text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Updates:
    """Thread that updates the monitor again and again; ``problem`` is why the last update failed, or None."""

    def __init__(
        self,
        monitor: DriftMonitor,
        engine: Engine,
        *,
        every_s: float,
        testers: Callable[[], Sequence[DriftTester]] | None,
    ) -> None:
        self._monitor, self._engine, self._every_s, self._testers = monitor, engine, every_s, testers
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)
        self.problem: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a test of a window that has begun is abandoned after two seconds."""
        self._stopped.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stopped.is_set():
            problems = [problem for step in (self._follow, self._update) if (problem := _problem_of(step))]
            if problems and self.problem is None:
                logger.error("drift: %s", " ".join(problems))
            self.problem = " ".join(problems) or None
            self._stopped.wait(self._every_s)

    def _follow(self) -> None:
        if self._testers is not None:
            self._monitor.follow(self._testers())

    def _update(self) -> None:
        for window in self._monitor.update(self._engine):
            level = logging.WARNING if window.result.status is DriftStatus.DRIFT else logging.INFO
            logger.log(level, "%s %s: %s", window.bundle.name, window.result.status, window.result.sentence)


def _problem_of(step: Callable[[], None]) -> str | None:
    """Return why a step failed, or None: a registry or a database that is away comes back."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 - of any kind: the thread continues
        return str(error) or type(error).__name__
    return None


class DriftMetrics(Collector):
    """Collects the state of a monitor at each scrape; every label is there from the start."""

    def __init__(self, monitor: DriftMonitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """Yield the alert of each bundle, and the windows by status."""
        alerts = GaugeMetricFamily(DRIFT_ALERT, "1 after three windows with drift in a row.", labels=["bundle"])
        for one in self._monitor.bundles:
            bundle = one.tester.bundle
            alerts.add_metric([f"{bundle.name} {bundle.version}"], float(one.alert.active))
        yield alerts
        windows = CounterMetricFamily(DRIFT_WINDOWS, "Windows that were tested, by status.", labels=["status"])
        for status in DriftStatus:
            windows.add_metric([status], self._monitor.counts[status])
        yield windows


def _as_logged(windows: Sequence[WindowResult], engine: Engine) -> list[WindowResult]:
    """Return windows without the requests that were deleted from the log since; without all if it can't be read."""
    try:
        logged = logged_keys(engine, (key for one in windows for key in one.result.typical))
    except LogUnavailable:
        logged = set()
    typical = [tuple(key for key in one.result.typical if key in logged) for one in windows]
    return [replace(one, result=replace(one.result, typical=keys)) for one, keys in zip(windows, typical, strict=True)]


def _state(one: BundleMonitor, engine: Engine) -> dict[str, Any]:
    bundle = one.tester.bundle
    return {
        "bundle": asdict(bundle),
        "reference_photos": len(one.tester.reference),
        "window_rows": one.size,
        "alert": one.alert.active,
        "in_a_row": one.alert.in_a_row,
        "windows": [window.to_json() for window in _as_logged(tuple(one.windows), engine)],
    }

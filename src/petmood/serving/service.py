"""Shared state of the running service, built by ``create_app`` and available to every request."""

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request

from petmood.core.errors import BundleError, PetmoodError, ShuttingDown
from petmood.core.prediction import Prediction
from petmood.inference.base import Answer, Explained, Predictor
from petmood.monitoring.metric_names import LoadResult
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.serving.active_model import ModelSlot
from petmood.serving.drain import DrainState
from petmood.serving.metrics import ServiceMetrics
from petmood.serving.settings import Settings
from petmood.serving.uploads import BodyReader
from petmood.serving.worker_pool import WorkerPool

if TYPE_CHECKING:
    from petmood.monitoring.prediction_log.writer import LogWriter
    from petmood.serving.feedback import FeedbackService
    from petmood.serving.traces import Traces

__all__ = ["AppState", "OpenModel", "service_of"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
OpenModel = Callable[[Path], Predictor]


@dataclass(frozen=True, slots=True)
class AppState:
    """State of a running service: active model, workers, settings, metrics, shutdown state and body reader.

    ``log`` is the writer of the prediction log, and ``feedback`` takes feedback on its predictions, if there is a log.
    ``traces`` sends the spans of requests, if there is a collector.
    """

    slot: ModelSlot
    workers: WorkerPool
    settings: Settings
    metrics: ServiceMetrics
    drain: DrainState
    bodies: BodyReader
    open_model: OpenModel
    log: "LogWriter | None" = None
    feedback: "FeedbackService | None" = None
    traces: "Traces | None" = None

    @property
    def file_bytes(self) -> int:
        """Largest allowed photo in bytes."""
        return self.settings.limits.file_bytes

    def start(self) -> None:
        """Start the worker threads, the writer of the prediction log and what sends spans."""
        self.workers.start()
        if self.traces is not None:
            self.traces.start()
        if self.log is not None:
            self.log.start()

    def stop(self) -> None:
        """Finish the queued photos, stop the threads, and write what the prediction log and the traces still hold."""
        self.workers.stop()
        with self.traces.ending() if self.traces is not None else contextlib.nullcontext():
            if self.log is not None:
                self.log.stop()
            if self.feedback is not None:
                self.feedback.close()

    async def answer(self, photos: Sequence[bytes], *, keys: Sequence[PhotoKey]) -> list[Answer]:
        """Predict photos in the worker pool, count the predictions and errors, and log the predictions.

        The photos are kept if the service keeps photos.
        """
        begun = time.perf_counter()
        found = await self._in_workers(self.workers.answer(photos))
        for one in found:
            self.metrics.count(one)
        if self.log is not None:
            latency_ms, time_us = 1000 * (time.perf_counter() - begun), time.time_ns() // 1000
            for photo, key, one in zip(photos, keys, found, strict=True):
                if isinstance(one, Prediction):
                    self.log.record(one, key, time_us=time_us, latency_ms=latency_ms, photo=photo)
        return found

    async def explain(self, photo: bytes) -> Explained:
        """Explain the prediction of one photo in the worker pool; errors are counted, but not the prediction."""
        found = await self._in_workers(self.workers.explain(photo))
        if isinstance(found, PetmoodError):
            self.metrics.count(found)
        return found

    async def _in_workers(self, work: Awaitable[T]) -> T:
        """Return what the worker pool answers, and set the gauge of the queue's length."""
        try:
            return await work
        finally:
            self.metrics.queue.set(self.workers.waiting)  # each process sets its own value; any of them may render all

    def load(self, folder: Path, *, result: LoadResult, **fields: Any) -> Predictor:  # noqa: ANN401 - arbitrary log fields
        """Verify a bundle against its golden outputs, then switch traffic to it; the old model serves until then.

        ``result`` is the label of the load counter; ``fields`` are extra log fields, such as the requester and the
        reason. Loading takes seconds, so call it from a thread.

        Raises:
            BundleError: the bundle was rejected; the old model stays active.
        """
        try:
            predictor = self.open_model(folder)
        except Exception as error:
            self.metrics.loads.labels(LoadResult.REFUSED).inc()
            logger.exception("model rejected", extra=fields)
            raise BundleError(f"The bundle was rejected, the active model is unchanged: {error}") from error
        self._log_change(self.slot.swap(predictor), predictor, result=result, **fields)
        return predictor

    def roll_back(self, **fields: Any) -> Predictor:  # noqa: ANN401 - as above
        """Restore the previous model; it is still in memory, so no loading is needed.

        Raises:
            BundleError: there is no previous model.
        """
        old = self.slot.roll_back()
        self._log_change(old, self.slot.current, result=LoadResult.ROLLED_BACK, **fields)
        return self.slot.current

    def _log_change(self, old: Predictor, new: Predictor, *, result: LoadResult, **fields: Any) -> None:  # noqa: ANN401 - as above
        self.metrics.loads.labels(result).inc()
        self.metrics.serves(new.model, classes=new.classes, instead_of=old.model)
        known = {"model": new.model.sha256, "model_before": old.model.sha256}
        logger.warning("model %s %s %s", new.model.name, new.model.version, result, extra=known | fields)

    def readiness_failure(self) -> str | None:
        """Return the code that explains why the process is not ready, or None if it is ready."""
        if self.drain.begun:
            return ShuttingDown.code
        return None if self.workers.alive else "worker_died"


def service_of(request: Request) -> AppState:
    """Return the service state of the application that received the request."""
    service: AppState = request.app.state.service
    return service

"""What do the routes share? One record of the running service, made by ``create_app`` and handed to every request."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request

from petmood.core.errors import BundleError, ShuttingDown
from petmood.inference.base import Predictor
from petmood.serving.active_model import ModelSlot
from petmood.serving.drain import DrainState
from petmood.serving.metrics import ServiceMetrics
from petmood.serving.settings import Settings
from petmood.serving.uploads import BodyReader
from petmood.serving.worker_pool import WorkerPool, WorkerResult

__all__ = ["AppState", "OpenModel", "service_of"]

logger = logging.getLogger(__name__)

OpenModel = Callable[[Path], Predictor]


@dataclass(frozen=True, slots=True)
class AppState:
    """A running service: which model answers, who works, what is counted, and when it ends."""

    slot: ModelSlot
    workers: WorkerPool
    settings: Settings
    metrics: ServiceMetrics
    drain: DrainState
    bodies: BodyReader
    open_model: OpenModel

    @property
    def file_bytes(self) -> int:
        """The largest photo."""
        return self.settings.limits.file_bytes

    async def answer(self, photos: list[bytes]) -> list[WorkerResult]:
        """Let the workers answer photos, and count the answers and refusals."""
        try:
            found = await self.workers.answer(photos)
        finally:
            self.metrics.queue.set(self.workers.waiting)  # each process its own: any of them may be asked for all
        for one in found:
            self.metrics.count(one.answer)
        return found

    def load(self, folder: Path, *, result: str, **told: Any) -> Predictor:  # noqa: ANN401 - whatever the log should hold
        """Verify a bundle, let it answer its golden photos, and then the world; the old one answers until then.

        ``result`` is what it is counted as, ``told`` what the log should hold of who asked and why. It takes seconds:
        call it from a thread.

        Raises:
            BundleError: the bundle is refused, the old model goes on.
        """
        try:
            predictor = self.open_model(folder)
        except Exception as error:
            self.metrics.loads.labels("refused").inc()
            logger.exception("a model was refused", extra=told)
            raise BundleError(f"The bundle was refused, the old model goes on: {error}") from error
        self._log_change(self.slot.swap(predictor), predictor, result=result, **told)
        return predictor

    def roll_back(self, **told: Any) -> Predictor:  # noqa: ANN401 - as above
        """Let the model before this one answer again; it is still in memory, so that takes no time.

        Raises:
            BundleError: there was none before.
        """
        old = self.slot.roll_back()
        self._log_change(old, self.slot.current, result="rolled_back", **told)
        return self.slot.current

    def _log_change(self, old: Predictor, new: Predictor, *, result: str, **told: Any) -> None:  # noqa: ANN401 - as above
        self.metrics.loads.labels(result).inc()
        self.metrics.serves(new.model, instead_of=old.model)
        known = {"model": new.model.sha256, "model_before": old.model.sha256}
        logger.warning("model %s %s %s", new.model.name, new.model.version, result, extra=known | told)

    def readiness_failure(self) -> str | None:
        """Say why no work should be sent here, or nothing if it should."""
        if self.drain.begun:
            return ShuttingDown.code
        return None if self.workers.alive else "worker_died"


def service_of(request: Request) -> AppState:
    """Return the service that a request came to."""
    service: AppState = request.app.state.service
    return service

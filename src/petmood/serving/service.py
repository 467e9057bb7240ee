"""What do the routes share? One record of the running service, made by ``create_app`` and handed to every request."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from petmood.core.errors import ShuttingDown
from petmood.inference.base import Predictor
from petmood.monitoring.metrics import ServiceMetrics
from petmood.serving.batching import Answered, Workers
from petmood.serving.body import BodyReader
from petmood.serving.drain import Drain
from petmood.serving.settings import Settings
from petmood.serving.slot import ModelSlot

__all__ = ["OpenModel", "Service", "service_of"]

OpenModel = Callable[[Path], Predictor]


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: which model answers, who works, what is counted, and when it ends."""

    slot: ModelSlot
    workers: Workers
    settings: Settings
    metrics: ServiceMetrics
    drain: Drain
    bodies: BodyReader
    open_model: OpenModel

    @property
    def file_bytes(self) -> int:
        """The largest photo."""
        return int(self.settings.file_mb * 1e6)

    async def answer(self, photos: list[bytes]) -> list[Answered]:
        """Let the workers answer photos, and count the answers and refusals."""
        found = await self.workers.answer(photos)
        for one in found:
            self.metrics.count(one.answer)
        return found

    def unready(self) -> str | None:
        """Say why no work should be sent here, or nothing if it should."""
        if self.drain.begun:
            return ShuttingDown.code
        return None if self.workers.alive else "worker_died"


def service_of(request: Request) -> Service:
    """Return the service that a request came to."""
    service: Service = request.app.state.service
    return service

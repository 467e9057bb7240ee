"""State shared by the BentoML service and its middleware: the running service and the pending photos."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from petmood.core.commands import shell_command
from petmood.core.environment import BUNDLE_VARIABLE
from petmood.core.errors import ConfigError
from petmood.inference.base import Answer, Explained, Predictor
from petmood.inference.load import load_bundle
from petmood.serving.app import create_app
from petmood.serving.bundle_loading import open_bundle
from petmood.serving.server import configure_malloc
from petmood.serving.service import AppState
from petmood.serving.settings import read_settings

__all__ = ["PendingPhoto", "ServiceRuntime", "bundle_from_environment"]


@dataclass(slots=True)
class PendingPhoto:
    """One photo in BentoML's queue, and its result once there is one."""

    photo: bytes
    request_id: str
    found: Answer | Explained | None = None


@dataclass(slots=True)
class ServiceRuntime:
    """Holds the service while it runs: between ``open`` and ``close``."""

    max_batch: int = 1
    opener: Callable[..., Predictor] = load_bundle
    _service: AppState | None = field(default=None, init=False)

    @property
    def service(self) -> AppState:
        """The running service.

        Raises:
            RuntimeError: ``open`` was not called.
        """
        if self._service is None:
            raise RuntimeError("The service is not running. Call open() first.")
        return self._service

    def open(self, bundle: Path) -> None:
        """Verify and load a bundle, and start the worker threads.

        A BentoML batch is split evenly among the threads; each thread predicts its part as one batch.
        """
        configure_malloc()
        settings = read_settings()
        share = -(-self.max_batch // settings.workers)
        settings = settings.model_copy(update={"batch": share, "queue": max(settings.queue, self.max_batch)})
        predictor = open_bundle(bundle, settings, opener=self.opener)
        self._service = create_app(predictor, settings=settings).state.service
        self.service.start()

    def close(self) -> None:
        """Finish the queued photos and stop the threads."""
        if self._service is not None:
            self._service.stop()


def bundle_from_environment() -> Path:
    """Return the bundle folder named in ``PETMOOD_BUNDLE``.

    Raises:
        ConfigError: the variable is not set.
    """
    named = os.environ.get(BUNDLE_VARIABLE)
    if not named:
        command = shell_command("bento", "BUNDLE")
        raise ConfigError(f"Expected a bundle folder in {BUNDLE_VARIABLE}, got none. Start the service with: {command}")
    return Path(named)

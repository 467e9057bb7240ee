"""Which version should answer now? The alias is looked up again and again, and the version that it names swapped in."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import BundleError
from petmood.registry.base import Version
from petmood.registry.cache import cached
from petmood.registry.registry import Registry
from petmood.registry.uri import ModelReference, open_registry, parse_reference
from petmood.serving.service import AppState

__all__ = ["RETRY_S", "AliasWatcher", "WatchedAlias", "resolve_alias", "watching_thread"]

logger = logging.getLogger(__name__)

RETRY_S: Final = 30.0
"""After this, a version that could not be had or was refused is tried once more."""

LEAVE_S: Final = 0.2
"""At the end a look that hangs in a registry is left alone: its thread dies with the process."""


@dataclass(frozen=True, slots=True)
class WatchedAlias:
    """The alias that is followed, the version that it named at the start, and where that lies on this machine."""

    registry: Registry
    reference: ModelReference
    version: Version
    folder: Path


def resolve_alias(address: str, *, registry: str | None = None) -> WatchedAlias:
    """Look an address such as ``registry://petmood@champion`` up and fetch its bundle.

    Raises:
        RegistryError: no such version, or the registry can't be reached.
    """
    reference = parse_reference(address)
    opened = open_registry(registry, model=reference.model)
    version = opened.find(reference.version)
    return WatchedAlias(opened, reference, version, cached(opened, version).folder)


class AliasWatcher:
    """Swaps in what the alias names, when it names another version than before.

    A model that an admin loaded by hand stays until the alias moves. A version that is refused leaves the old model
    answering. While the registry can't be reached, everything stays as it is.
    """

    def __init__(self, service: AppState, following: WatchedAlias) -> None:
        self._service, self._registry, self._reference = service, following.registry, following.reference
        self._settled = following.version
        self._refused: Version | None = None
        self._try_again_at = 0.0
        self._reached = True
        self._record_version(following.version)

    def poll_once(self) -> None:
        """Look the alias up once, and swap its version in where it is another one; never raises."""
        try:
            version = self._registry.find(self._reference.version)
        except Exception as error:  # noqa: BLE001 - a registry that fails in any way must not end the service
            self._record_failure(error)
            return
        self._record_version(version)
        if version == self._settled or (version == self._refused and time.monotonic() < self._try_again_at):
            return
        if self._service.drain.begun:
            return
        if self._swap_in(version):
            self._settled, self._refused = version, None
        else:
            self._refused, self._try_again_at = version, time.monotonic() + RETRY_S

    def run(self, stop: threading.Event) -> None:
        """Look the alias up until told to stop."""
        while not stop.wait(self._service.settings.follow_s):
            self.poll_once()

    def _record_version(self, version: Version) -> None:
        self._reached = True
        self._service.metrics.registry_up.set(1)
        self._service.metrics.registry_version.set(version.number)

    def _record_failure(self, error: Exception) -> None:
        if self._reached:
            logger.warning("the registry can't be reached, the model stays: %s", error)
        self._reached = False
        self._service.metrics.registry_up.set(0)

    def _swap_in(self, version: Version) -> bool:
        told = {"registry_version": version.number, "reason": str(self._reference)}
        try:
            folder = cached(self._registry, version).folder
        except Exception as error:  # noqa: BLE001 - as above
            self._service.metrics.loads.labels("refused").inc()
            logger.warning("version %s can't be had, the old model goes on: %s", version.number, error, extra=told)
            return False
        try:
            self._service.load(folder, result="followed", **told)
        except BundleError:  # counted and logged where it was refused
            return False
        return True


@contextlib.contextmanager
def watching_thread(service: AppState, following: WatchedAlias | None) -> Iterator[None]:
    """Follow meanwhile, in a thread; without anything that moves, do nothing."""
    if following is None or not following.reference.is_mutable:
        yield
        return
    stop = threading.Event()
    follower = AliasWatcher(service, following)
    thread = threading.Thread(target=follower.run, args=(stop,), name="petmood-follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=LEAVE_S)

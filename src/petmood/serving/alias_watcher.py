"""Background thread that polls a registry alias and loads the version it points to."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import BundleError
from petmood.monitoring.metric_names import LoadResult
from petmood.registry.base import Version
from petmood.registry.cache import cached
from petmood.registry.registry import Registry
from petmood.registry.uri import ModelReference, find_version, parse_reference
from petmood.serving.service import AppState

__all__ = ["RETRY_S", "AliasWatcher", "WatchedAlias", "resolve_alias", "watching_thread"]

logger = logging.getLogger(__name__)

RETRY_S: Final = 30.0
"""Seconds until a version that could not be fetched or was rejected is tried again."""

LEAVE_S: Final = 0.2
"""Seconds to wait for the thread at shutdown; a lookup that hangs is abandoned, as the thread is a daemon."""


@dataclass(frozen=True, slots=True)
class WatchedAlias:
    """The watched alias, the version it pointed to at startup, and the local folder of its bundle."""

    registry: Registry
    reference: ModelReference
    version: Version
    folder: Path


def resolve_alias(address: str, *, registry: str | None = None, with_signature: bool = False) -> WatchedAlias:
    """Resolve an address such as ``registry://petmood@champion`` and fetch its bundle, with its signature if wanted.

    Raises:
        RegistryError: the version doesn't exist, or the registry can't be reached.
    """
    reference = parse_reference(address)
    opened, version = find_version(reference, registry=registry)
    return WatchedAlias(opened, reference, version, cached(opened, version, with_signature=with_signature).folder)


class AliasWatcher:
    """Polls an alias and loads its version whenever it changes.

    A model loaded through the admin route stays until the alias moves. If a version is rejected, the old model stays
    active. While the registry can't be reached, nothing changes.
    """

    def __init__(self, service: AppState, following: WatchedAlias) -> None:
        self._service, self._registry, self._reference = service, following.registry, following.reference
        self._settled = following.version
        self._refused: Version | None = None
        self._try_again_at = 0.0
        self._reached = True
        self._record_version(following.version)

    def poll_once(self) -> None:
        """Look the alias up once and load its version if it changed; never raises."""
        try:
            version = self._registry.find(self._reference.version)
        except Exception as error:  # noqa: BLE001 - no registry failure may stop the service
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
        """Poll the alias every ``follow_s`` seconds until ``stop`` is set."""
        while not stop.wait(self._service.settings.follow_s):
            self.poll_once()

    def _record_version(self, version: Version) -> None:
        self._reached = True
        self._service.metrics.registry_up.set(1)
        self._service.metrics.registry_version.set(version.number)

    def _record_failure(self, error: Exception) -> None:
        if self._reached:
            logger.warning("registry unreachable, the active model is unchanged: %s", error)
        self._reached = False
        self._service.metrics.registry_up.set(0)

    def _swap_in(self, version: Version) -> bool:
        fields = {"registry_version": version.number, "reason": str(self._reference)}
        try:
            with_signature = self._service.settings.public_key is not None
            folder = cached(self._registry, version, with_signature=with_signature).folder
        except Exception as error:  # noqa: BLE001 - see poll_once
            self._service.metrics.loads.labels(LoadResult.REFUSED).inc()
            logger.warning(
                "version %s can't be fetched, the active model is unchanged: %s", version.number, error, extra=fields
            )
            return False
        try:
            self._service.load(folder, result=LoadResult.FOLLOWED, **fields)
        except BundleError:  # already counted and logged by AppState.load
            return False
        return True


@contextlib.contextmanager
def watching_thread(service: AppState, following: WatchedAlias | None) -> Iterator[None]:
    """Poll in a thread while the context is open; do nothing for a fixed version or without an alias."""
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

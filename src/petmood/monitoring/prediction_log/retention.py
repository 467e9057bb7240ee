"""Retention of the prediction log: rows that are too old are deleted in chunks, between the writer's batches."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from petmood.core.redact import one_line
from petmood.monitoring.prediction_log.clock import AgeClock, elapsed_s
from petmood.monitoring.prediction_log.store import LogStore, cut_us

__all__ = ["PRUNE_EVERY_S", "Retention"]

logger = logging.getLogger(__name__)

PRUNE_EVERY_S: Final = 3600.0


class Retention:
    """Deletes the rows older than some days, at the start and once an hour; None keeps all.

    Ages are computed by ``AgeClock``. Not thread-safe.
    """

    def __init__(
        self,
        store: LogStore,
        days: float | None,
        *,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed_s,
    ) -> None:
        self._store, self._days, self._elapsed, self._next = store, days, elapsed, elapsed()
        self._clock = AgeClock("rows", clock=clock, elapsed=elapsed)
        self._deleting: Iterator[int] | None = None
        self._deleted = 0

    @property
    def has_begun(self) -> bool:
        """Whether rows are being deleted, and some may be left."""
        return self._deleting is not None

    def step(self) -> None:
        """Delete one chunk of rows, if it is time; a failure is logged, and tried again in an hour."""
        if self._days is None or (self._deleting is None and self._elapsed() < self._next):
            return
        try:
            self._delete(self._days)
        except Exception as error:  # noqa: BLE001 - of any kind: rows that are too old don't stop new ones
            self._deleting = None
            logger.warning("prediction log: old rows can't be deleted; tried again in an hour: %s", one_line(error))

    def _delete(self, days: float) -> None:
        if self._deleting is None:
            self._next = self._elapsed() + PRUNE_EVERY_S
            self._deleting, self._deleted = self._store.deleting_before(cut_us(days, now_s=self._clock.now_s())), 0
        number = next(self._deleting, None)
        if number is not None:
            self._deleted += number
            return
        self._deleting = None
        if self._deleted:
            logger.info("prediction log: %d rows older than %g days deleted", self._deleted, days)

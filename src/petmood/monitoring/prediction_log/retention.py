"""Retention of the prediction log: rows that are too old are deleted in chunks, between the writer's batches."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from petmood.core.redact import one_line
from petmood.monitoring.prediction_log.store import LogStore, cut_us

__all__ = ["PRUNE_EVERY_S", "Retention", "elapsed_s"]

logger = logging.getLogger(__name__)

PRUNE_EVERY_S: Final = 3600.0
MOST_AHEAD_S: Final = 3600.0
"""Seconds that the clock may be set forward while a service runs, before ages are no longer computed by it."""


def elapsed_s() -> float:
    """Return the seconds since the machine started; setting the clock doesn't change them."""
    linux: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # counts the time in which the machine is suspended, too
    return time.monotonic() if linux is None else time.clock_gettime(linux)


class Retention:
    """Deletes the rows older than some days, at the start and once an hour; None keeps all.

    Ages are computed by the clock, unless it has been set forward by more than an hour since the start. Then they are
    computed by the time at the start and the time that has elapsed. Not thread-safe.
    """

    def __init__(
        self,
        store: LogStore,
        days: float | None,
        *,
        clock: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = elapsed_s,
    ) -> None:
        self._store, self._days, self._clock, self._elapsed = store, days, clock, elapsed
        self._started, self._next = clock() - elapsed(), elapsed()
        self._deleting: Iterator[int] | None = None
        self._deleted = 0
        self._has_warned = False

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
            self._deleting, self._deleted = self._store.deleting_before(cut_us(days, now_s=self._now())), 0
        number = next(self._deleting, None)
        if number is not None:
            self._deleted += number
            return
        self._deleting = None
        if self._deleted:
            logger.info("prediction log: %d rows older than %g days deleted", self._deleted, days)

    def _now(self) -> float:
        """Return the seconds since 1970 that ages are computed by."""
        now, expected = self._clock(), self._started + self._elapsed()
        if now - expected <= MOST_AHEAD_S:
            return now
        if not self._has_warned:
            self._has_warned = True
            logger.error(
                "prediction log: the clock was set forward by %.1f hours since the start. Old rows are deleted as if "
                "it had not been. If the clock is right now, restart the service.",
                (now - expected) / 3600,
            )
        return expected

"""Clock by which ages are computed: one that is set forward while a service runs makes nothing old."""

import logging
import time
from collections.abc import Callable
from typing import Final

__all__ = ["AgeClock", "elapsed_s"]

logger = logging.getLogger(__name__)

MOST_AHEAD_S: Final = 3600.0
"""Seconds that the clock may be set forward while a service runs, before ages are no longer computed by it."""


def elapsed_s() -> float:
    """Return the seconds since the machine started; setting the clock doesn't change them."""
    linux: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # counts the time in which the machine is suspended, too
    return time.monotonic() if linux is None else time.clock_gettime(linux)


class AgeClock:
    """The machine's clock, unless it has been set forward by more than an hour since this one was made.

    Then the time is computed by the time at the start and the time that has elapsed. ``what`` names in a message what
    is deleted by its age. Not thread-safe.
    """

    def __init__(
        self, what: str, *, clock: Callable[[], float] = time.time, elapsed: Callable[[], float] = elapsed_s
    ) -> None:
        self._what, self._clock, self._elapsed = what, clock, elapsed
        self._started = clock() - elapsed()
        self._has_warned = False

    def now_s(self) -> float:
        """Return the seconds since 1970 that ages are computed by."""
        now, expected = self._clock(), self._started + self._elapsed()
        if now - expected <= MOST_AHEAD_S:
            return now
        if not self._has_warned:
            self._has_warned = True
            logger.error(
                "prediction log: the clock was set forward by %.1f hours since the start. Old %s are deleted as if it "
                "had not been. If the clock is right now, restart the service.",
                (now - expected) / 3600,
                self._what,
            )
        return expected

"""How many users are there now? The course of a load test, kept apart from Locust."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from petmood.serving.loadtest.knee import is_past_the_knee
from petmood.serving.loadtest.steps import Sample, Step, step_of

__all__ = ["Stages", "doubling"]

SETTLE_S: Final = 1.0
SETTLE_SHARE: Final = 0.2


def doubling(users: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... and ``users`` itself at the end.

    >>> doubling(12)
    (1, 2, 4, 8, 12)
    """
    counts = [1]
    while counts[-1] * 2 < users:
        counts.append(counts[-1] * 2)
    return tuple(counts) if counts[-1] == users else (*counts, users)


@dataclass(slots=True)
class Stages:
    """Goes through numbers of users, ``duration_s`` for each, and sums each up when it is over.

    The first second of a stage (a fifth, if that is less) is for its new users to come, and doesn't count for speed.
    """

    counts: tuple[int, ...]
    duration_s: float
    to_the_knee: bool = False
    on_step: Callable[[Step], None] | None = None
    steps: list[Step] = field(default_factory=list)
    _samples: list[Sample] = field(default_factory=list)
    _began_s: float | None = None

    def add(self, sample: Sample) -> None:
        """Keep a request of the present stage."""
        self._samples.append(sample)

    def users_at(self, now_s: float) -> int | None:
        """Return how many users there are at a moment, or None when all is over; call it with rising moments."""
        if self._began_s is None:
            self._began_s = now_s
        elif len(self.steps) < len(self.counts) and now_s - self._began_s >= self.duration_s:
            self._close(now_s)
        done = len(self.steps) == len(self.counts) or (self.to_the_knee and is_past_the_knee(self.steps))
        return None if done else self.counts[len(self.steps)]

    def _close(self, now_s: float) -> None:
        began_s = self._began_s if self._began_s is not None else now_s
        settle_s = min(SETTLE_S, SETTLE_SHARE * self.duration_s)
        users = self.counts[len(self.steps)]
        step = step_of(self._samples, users=users, began_s=began_s, ended_s=now_s, settle_s=settle_s)
        self.steps.append(step)
        self._samples.clear()
        self._began_s = now_s
        if self.on_step is not None:
            self.on_step(step)

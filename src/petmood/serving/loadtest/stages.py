"""Schedule of a load test: the number of users over time, independent of Locust."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from petmood.serving.loadtest.saturation import is_past_the_knee
from petmood.serving.loadtest.steps import Sample, Step, step_of

__all__ = ["NEW_USERS_PER_S", "Stages", "doubling", "lengthened"]

NEW_USERS_PER_S: Final = 100
"""Spawn rate: up to this many users start immediately, larger increments at this many per second."""

SETTLE_S: Final = 1.0
SETTLE_SHARE: Final = 0.2


def doubling(users: int) -> tuple[int, ...]:
    """Return the user counts 1, 2, 4, ... up to and including ``users``.

    >>> doubling(12)
    (1, 2, 4, 8, 12)
    """
    counts = [1]
    while counts[-1] * 2 < users:
        counts.append(counts[-1] * 2)
    return tuple(counts) if counts[-1] == users else (*counts, users)


def coming_s(counts: Sequence[int], at: int) -> float:
    """Return the seconds needed to start the users added at step ``at``; 0 if they start immediately."""
    added = counts[at] - (counts[at - 1] if at else 0)
    return added / NEW_USERS_PER_S if added > NEW_USERS_PER_S else 0.0


def lengthened(counts: Sequence[int]) -> str:
    """Return a line on the steps extended by the spawn time, or an empty string if there are none.

    >>> lengthened((1, 2)), lengthened((1000,))
    ('', 'Users start at 100 per second; extra time per step: 10 s for 1000 users.')
    """
    longer = [(count, coming_s(counts, at)) for at, count in enumerate(counts) if coming_s(counts, at)]
    steps = ", ".join(f"{seconds:g} s for {count} users" for count, seconds in longer)
    return f"Users start at {NEW_USERS_PER_S} per second; extra time per step: {steps}." if longer else ""


@dataclass(slots=True)
class Stages:
    """Runs through the user counts, ``duration_s`` seconds each, and aggregates each stage when it ends.

    A stage is extended by the time that its new users take to start. Speed is measured after that time and a settling
    period of one second, or a fifth of the duration if that is less.
    """

    counts: tuple[int, ...]
    duration_s: float
    until_saturation: bool = False
    on_step: Callable[[Step], None] | None = None
    steps: list[Step] = field(default_factory=list)
    _samples: list[Sample] = field(default_factory=list)
    _began_s: float | None = None

    def add(self, sample: Sample) -> None:
        """Add a request to the current stage."""
        self._samples.append(sample)

    def users_at(self, now_s: float) -> int | None:
        """Return the number of users at a time in seconds, or None at the end; call it with increasing times."""
        if self._began_s is None:
            self._began_s = now_s
        elif len(self.steps) < len(self.counts) and now_s - self._began_s >= self._lasts_s():
            self._close(now_s)
        done = len(self.steps) == len(self.counts) or (self.until_saturation and is_past_the_knee(self.steps))
        return None if done else self.counts[len(self.steps)]

    def _lasts_s(self) -> float:
        return self.duration_s + coming_s(self.counts, len(self.steps))

    def _close(self, now_s: float) -> None:
        began_s = self._began_s if self._began_s is not None else now_s
        settle_s = coming_s(self.counts, len(self.steps)) + min(SETTLE_S, SETTLE_SHARE * self.duration_s)
        users = self.counts[len(self.steps)]
        step = step_of(self._samples, users=users, began_s=began_s, ended_s=now_s, settle_s=settle_s)
        self.steps.append(step)
        self._samples.clear()
        self._began_s = now_s
        if self.on_step is not None:
            self.on_step(step)

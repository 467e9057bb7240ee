"""Detection of the saturation point: the last step before throughput stalls or errors appear."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from petmood.serving.loadtest.steps import Step

__all__ = ["GROWTH", "Knee", "find_knee", "is_past_the_knee"]

GROWTH: Final = 0.05
"""Relative throughput growth between two steps below which throughput has stalled."""


@dataclass(frozen=True, slots=True)
class Knee:
    """The saturation point: the last step before saturation, and why the next one is saturated."""

    step: Step
    reason: str


def find_knee(steps: Sequence[Step]) -> Knee | None:
    """Return the first step after which throughput grew by less than 5% while p95 grew, or errors appeared.

    None if the service never saturates, or if errors occur in the first step already.
    """
    for before, after in pairwise(steps):
        if before.errors:
            return None
        if reason := _reason(before, after):
            return Knee(before, reason)
    return None


def is_past_the_knee(steps: Sequence[Step]) -> bool:
    """Return whether the ramp can stop: saturation was found, or the first step failed."""
    return bool(steps) and (bool(steps[0].errors) or not steps[0].answered or find_knee(steps) is not None)


def _reason(before: Step, after: Step) -> str:
    if after.errors:
        kinds = ", ".join(f"{count} x {status}" for status, count in after.errors.items())
        return f"at {after.users} users, requests failed ({kinds})"
    if before.p95_ms is None or after.p95_ms is None:
        return f"at {after.users} users, no request succeeded"
    growth = after.answered_per_s / before.answered_per_s - 1
    if growth < GROWTH and after.p95_ms > before.p95_ms:
        slower = after.p95_ms / before.p95_ms - 1
        return f"at {after.users} users, throughput changed by {growth:+z.0%} and p95 by {slower:+z.0%}"
    return ""

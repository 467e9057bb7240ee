"""Aggregation of requests into steps: throughput, latency percentiles and errors per number of users."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["NO_ANSWER", "Sample", "Step", "percentile", "step_from", "step_of"]

NO_ANSWER: Final = "no answer"
"""Error key of requests whose connection was refused, broken or timed out."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: end time (seconds of any one clock), duration and HTTP status; 0 means no response."""

    ended_s: float
    ms: float
    status: int


@dataclass(frozen=True, slots=True)
class Step:
    """Result for ``users`` concurrent users; errors cover all requests, speed only 2xx responses after settling."""

    users: int
    seconds: float
    requests: int
    answered: int
    answered_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    errors: dict[str, int]

    @property
    def error_share(self) -> float:
        """Fraction of requests without a 2xx response, 0 to 1; 1 if there were no requests."""
        return sum(self.errors.values()) / self.requests if self.requests else 1.0


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile (``share`` from 0 to 1), or None if there are no values.

    >>> percentile([40, 10, 20, 30], 0.5)
    20
    """
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def step_of(samples: Sequence[Sample], *, users: int, began_s: float, ended_s: float, settle_s: float = 0.0) -> Step:
    """Aggregate the requests of one step; those in the first ``settle_s`` seconds count for errors, not for speed."""
    inside = [sample for sample in samples if began_s <= sample.ended_s <= ended_s]
    bad = Counter(str(sample.status or NO_ANSWER) for sample in inside if not _is_good(sample))
    counted_s = ended_s - began_s - settle_s
    took = [sample.ms for sample in inside if _is_good(sample) and sample.ended_s >= began_s + settle_s]
    p50, p95, p99 = (None if (ms := percentile(took, share)) is None else round(ms, 1) for share in (0.50, 0.95, 0.99))
    return Step(
        users=users,
        seconds=round(ended_s - began_s, 3),
        requests=len(inside),
        answered=len(inside) - sum(bad.values()),
        answered_per_s=round(len(took) / counted_s, 2) if counted_s > 0 else 0.0,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        errors=dict(sorted(bad.items())),
    )


def step_from(fields: dict[str, Any]) -> Step:
    """Rebuild a step from the output of ``dataclasses.asdict``."""
    return Step(**fields)


def _is_good(sample: Sample) -> bool:
    return 200 <= sample.status < 300

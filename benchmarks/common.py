"""Timing and report format of benchmarks: one JSON line with a ratio; lower is better.

Both sides of a ratio are measured in turns in one run, so that load on the machine slows both alike.
"""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from petmood.core.timing import times_in_turns

__all__ = ["best_of", "medians_in_turns", "report"]


def best_of(count: int, **works: Callable[[], object]) -> dict[str, float]:
    """Run each function ``count`` times in turns and return the fastest wall time of each, in seconds.

    Each runs once beforehand, unmeasured, to fill caches.
    """
    for work in works.values():
        work()
    best = dict.fromkeys(works, float("inf"))
    for _ in range(count):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def medians_in_turns(
    works: Sequence[Callable[[], object]], *, rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Run the functions ``rounds`` times in turns, in alternating order, and return the median time of each in seconds.

    Three rounds before warm up. ``clock`` is wall time, or ``time.thread_time`` for that of the processor.
    """
    took = times_in_turns([_numbered(work) for work in works], rounds=rounds, clock=clock)
    return [statistics.median(one) for one in took]


def _numbered(work: Callable[[], object]) -> Callable[[int], object]:
    return lambda _: work()


def report(
    name: str, *, ratio: float, target: float, details: Mapping[str, Any], conditions: Mapping[str, bool] | None = None
) -> None:
    """Print a result as one JSON line; it is met if ``ratio <= target`` and all conditions hold.

    For a limit in seconds or bytes the ratio is measured / limit, with target 1.
    """
    broken = [condition for condition, holds in (conditions or {}).items() if not holds]
    result = {
        "name": name,
        "ratio": round(ratio, 4),
        "target": target,
        "met": ratio <= target and not broken,
        "details": {**details, **({"broken_conditions": broken} if broken else {})},
    }
    print(json.dumps(result), flush=True)

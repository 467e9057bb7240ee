"""CPU use by other processes during a measurement, which would invalidate a ratio of two turns.

Without this check, a service on a shared machine "reached" 1.36 times the limit of its own network and decoder, and the
ratio alone did not reveal it. So every turn reports the CPU share of other processes.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

__all__ = ["QUIET", "Turn", "quiet", "watched"]

T = TypeVar("T")
QUIET: Final = 0.05
"""Maximum CPU share of other processes."""
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """Result of one turn, the CPU share of other processes, and the CPU seconds of the watched processes."""

    found: T
    other_load: float
    cpu_s: float


def watched(work: Callable[[], T], *, pids: Sequence[int] = ()) -> Turn[T]:
    """Run a function and measure the CPU share of other processes.

    Own processes are this one, the children it waited for, and ``pids``.
    """
    began, busy, ours, theirs = time.perf_counter(), _busy_s(), _own_s(), _cpu_s(pids)
    found = work()
    available = (time.perf_counter() - began) * len(os.sched_getaffinity(0))
    used = _cpu_s(pids) - theirs
    other_load = (_busy_s() - busy) - (_own_s() - ours) - used
    return Turn(found, round(max(0.0, other_load) / available, 3), used)


def quiet(*turns: "Turn[T]") -> bool:
    """Return whether other processes stayed below the limit in these turns."""
    return all(turn.other_load <= QUIET for turn in turns)


def _busy_s() -> float:
    """Return the busy and stolen seconds of all CPUs: user, nice, system, irq, softirq, steal."""
    fields = [int(field) for field in Path("/proc/stat").read_text("utf-8").split("\n", 1)[0].split()[1:]]
    return sum(fields[:3] + fields[5:8]) / TICKS


def _own_s() -> float:
    return sum(os.times()[:4])


def _cpu_s(pids: Sequence[int]) -> float:
    fields = (Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split() for pid in pids)
    return sum(int(one[11]) + int(one[12]) for one in fields) / TICKS

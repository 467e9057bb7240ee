"""Did anyone else use the processors meanwhile? A ratio of two turns says nothing if one of them had to share.

Seen while these were written: with others at work a service "answered" 1.36 times what its own network and decoder can,
and nothing in the ratio gave that away. So every turn says how much of the machine went to strangers.
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
"""Strangers may take this share of the processors' time."""
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Turn(Generic[T]):
    """What one turn found, the share of all processors that strangers took, and what the watched processes used."""

    found: T
    strangers: float
    cpu_s: float


def watched(work: Callable[[], T], *, pids: Sequence[int] = ()) -> Turn[T]:
    """Do some work and tell whose the processors were; ours are this process, children it waited for, and ``pids``."""
    began, busy, ours, theirs = time.perf_counter(), _busy_s(), _own_s(), _cpu_s(pids)
    found = work()
    available = (time.perf_counter() - began) * len(os.sched_getaffinity(0))
    used = _cpu_s(pids) - theirs
    strangers = (_busy_s() - busy) - (_own_s() - ours) - used
    return Turn(found, round(max(0.0, strangers) / available, 3), used)


def quiet(*turns: "Turn[T]") -> bool:
    """Tell whether strangers left these turns alone."""
    return all(turn.strangers <= QUIET for turn in turns)


def _busy_s() -> float:
    """Return what all processors did and what was stolen from them: user, nice, system, irq, softirq, steal."""
    fields = [int(field) for field in Path("/proc/stat").read_text("utf-8").split("\n", 1)[0].split()[1:]]
    return sum(fields[:3] + fields[5:8]) / TICKS


def _own_s() -> float:
    return sum(os.times()[:4])


def _cpu_s(pids: Sequence[int]) -> float:
    fields = (Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split() for pid in pids)
    return sum(int(one[11]) + int(one[12]) for one in fields) / TICKS

"""Processors that this process may use, their name, and how the threads of torch wait for one another on them."""

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["WAITING", "processor_count", "processor_name"]

WAITING: Final[Mapping[str, str]] = {"GOMP_SPINCOUNT": "1000"}
"""Environment in which threads that wait spin for microseconds and then sleep; OpenMP reads it when torch is loaded.

They would spin for milliseconds otherwise: on busy cores a training step took several times as long. If they slept at
once, it would take a tenth more on quiet ones (docs/decisions/input-pipeline.md).
"""


def processor_count() -> int:
    """Return the number of processors that this process may use; of all of them where there is no affinity (macOS)."""
    affinity = getattr(os, "sched_getaffinity", None)
    try:
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    except OSError:  # some sandboxes forbid the call
        return os.cpu_count() or 1


def processor_name() -> str:
    """Return the processor's name as the system gives it, such as "AMD EPYC 9B14"; its architecture if unknown."""
    with suppress(OSError):  # there is no such file but on Linux
        for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"

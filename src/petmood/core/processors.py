"""Number of processors that this process may use."""

import os

__all__ = ["processor_count"]


def processor_count() -> int:
    """Return the number of processors that this process may use; of all of them where there is no affinity (macOS)."""
    affinity = getattr(os, "sched_getaffinity", None)
    try:
        return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    except OSError:  # some sandboxes forbid the call
        return os.cpu_count() or 1

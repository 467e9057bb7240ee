"""SIGKILL of the own process after a given number of function calls, independent of timing."""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType


def die_after(calls: int) -> None:
    """Let this process kill itself after so many calls and returns of Python and C functions in this thread.

    The calls between two system calls are counted too, so that every order of file operations can be met.
    """
    left = calls

    def count(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def count_calls(work: Callable[[], object]) -> int:
    """Return how many calls and returns a piece of work takes, counted as ``die_after`` does."""
    total = 0

    def count(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal total
        total += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return total

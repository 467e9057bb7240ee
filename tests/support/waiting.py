"""Waiting for events with long deadlines."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, within_s: float = 120, every_s: float = 0.02, what: str = "") -> T:
    """Return the first truthy value of ``condition``, asked again and again.

    The condition is asked once more after the deadline, so that a process that stood still meanwhile doesn't fail.

    Raises:
        TimeoutError: it never came true; the message is ``what``.
    """
    deadline = time.monotonic() + within_s
    while True:
        late = time.monotonic() >= deadline
        if found := condition():
            return found
        if late:
            raise TimeoutError(f"Waited {within_s:g} s in vain for: {what or condition}")
        time.sleep(every_s)

"""End of a process with its parent, such as a supervisor or torchrun."""

import contextlib
import ctypes
import signal
import sys
from typing import Final

__all__ = ["end_with_parent"]

PR_SET_PDEATHSIG: Final = 1


def end_with_parent() -> None:
    """Let the kernel send this process SIGTERM when its parent has ended, even by SIGKILL; on Linux alone.

    The signal also comes while this process is busy in C code. prctl(2).
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

"""Child processes that run step by step under a test's control."""

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Final

DEADLINE_S: Final = 300.0
"""Far more than any step takes; only a fault waits so long."""


class SteppedProcess:
    """A Python program that prints a line before each step and then waits for a line."""

    def __init__(self, program: str, *arguments: str | Path, umask: int = -1) -> None:
        """Start the program; it inherits this process' import path."""
        paths = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._child = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
            env={**os.environ, **paths},
        )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def hear(self) -> str:
        """Wait for the next line and return it, or nothing where the child has ended."""
        assert self._child.stdout
        ready, _, _ = select.select([self._child.stdout], [], [], DEADLINE_S)
        assert ready, "the child said nothing"
        return self._child.stdout.readline().strip()

    def go(self) -> None:
        """Let the child take its next step."""
        assert self._child.stdin
        self._child.stdin.write("go\n")
        self._child.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Let the child run to its end; return its exit code and what it wrote to stderr."""
        _, errors = self._child.communicate("go\n" * 1000, timeout=DEADLINE_S)
        return self._child.returncode, errors

    def kill(self) -> None:
        """Kill the child as nothing can catch, and wait until it is gone."""
        self._child.kill()
        self._child.communicate(timeout=DEADLINE_S)

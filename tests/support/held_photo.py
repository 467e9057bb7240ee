"""A photo whose reader waits, so that a test can end the process at exactly that photo."""

import os
import signal
from dataclasses import dataclass
from errno import ENXIO
from pathlib import Path

from petmood.core.locks import lock_path
from tests.support.waiting import wait_until

__all__ = ["HeldPhoto", "has_ended"]


@dataclass(frozen=True, slots=True)
class HeldPhoto:
    """A named pipe in place of a photo."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "HeldPhoto":
        """Make the pipe in place of the file at a path."""
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return cls(path)

    def reached(self) -> int:
        """Wait until a process reads it; return the open end to write to."""
        return wait_until(self._open, what=f"a reader of {self.path}")

    def kill_reader(self, result: Path) -> int:
        """Wait until a process reads it, kill the one that writes this shard's results, and return its id."""
        handle = self.reached()
        pid = int(lock_path(result).read_text("ascii"))
        os.kill(pid, signal.SIGKILL)
        os.close(handle)
        wait_until(lambda: has_ended(pid), what=f"the end of {pid}")
        return pid

    def release(self, data: bytes) -> None:
        """Give the photo to its next reader, and put a file in its place."""
        handle = self.reached()
        self.replace(data)
        os.write(handle, data)
        os.close(handle)

    def replace(self, data: bytes) -> None:
        """Put a file in its place."""
        self.path.unlink()
        self.path.write_bytes(data)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != ENXIO:
                raise
            return 0


def has_ended(pid: int) -> bool:
    """Return whether a process has ended with all its threads, and so closed its files; waited for or not."""
    found = Path(f"/proc/{pid}")
    try:
        state = (found / "stat").read_text("ascii").rpartition(")")[2].split()[0]
        return state == "Z" and len(os.listdir(found / "task")) == 1  # noqa: PTH208 - names alone
    except (FileNotFoundError, ProcessLookupError):  # ended before it was opened, or before it was read
        return True

"""Temporary folder of the metrics of several processes, removed after any end of the service."""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["metrics_folder"]

PREFIX: Final = "petmood-metrics-"
LOCK: Final = "lock"
UNLOCKED: Final = "unlocked"
"""Name of the lock file until it is locked."""
NEW_S: Final = 60.0
"""Seconds in which a folder may lack its lock file."""


@contextlib.contextmanager
def metrics_folder() -> Iterator[tuple[Path, int]]:
    """Yield a new folder and the descriptor of its lock, for processes to inherit; the folder is removed at the end.

    A killed supervisor leaves its folder. So folders are removed here whose lock no process holds any more.

    Raises:
        OSError: the folder for temporary files can't be written.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        _remove_leftovers(Path(name))
        handle = os.open(Path(name) / UNLOCKED, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(OSError):  # a file system without locks: the folder looks abandoned to others
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (Path(name) / UNLOCKED).rename(Path(name) / LOCK)  # a service that starts meanwhile finds no free lock
            yield Path(name), handle
        finally:
            os.close(handle)


def _remove_leftovers(own: Path) -> None:
    """Remove abandoned folders beside the new own one, whose time is the file system's present."""
    now = own.lstat().st_mtime
    for path in own.parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another process removes it, or it is not ours
            found = path.lstat()
            if path != own and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                _remove_if_abandoned(path, age_s=now - found.st_mtime)


def _remove_if_abandoned(path: Path, *, age_s: float) -> None:
    try:
        handle = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        if age_s > NEW_S:
            (path / UNLOCKED).unlink(missing_ok=True)
            path.rmdir()  # only if it is empty: an earlier version has no lock file, and may still run
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError if a process holds it
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)

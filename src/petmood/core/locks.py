"""Exclusive locks between processes on a file or folder that is being written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOLCK, ENOSYS, ENOTSUP
from pathlib import Path
from typing import Final

from petmood.core.errors import OutputLocked

__all__ = ["exclusive_lock", "lock_path"]

WITHOUT_LOCKS: Final = frozenset({ENOLCK, ENOSYS, ENOTSUP})
"""What a file system without locks answers, such as some network drives."""


def lock_path(target: Path) -> Path:
    """Return the hidden lock file beside a target; its name is one that nobody else gives to a file."""
    return target.with_name(f".{target.name}.petmood-lock")


@contextmanager
def exclusive_lock(target: Path, *, shown: Path | None = None) -> Iterator[bool]:
    """Hold the lock of a target, whose parent exists, while the block runs; ``shown`` is what the message calls it.

    Yields True where the lock is held. Yields False where the system or the file system has no ``flock`` (Windows,
    some network drives): then nothing keeps two writers apart, and nothing may be inferred about other processes.

    The kernel releases the lock when the process ends in any way; forked children that live on keep it. The lock file
    is removed by its holder. That is safe since a lock counts only while its file still has the name: who locked a
    file that was removed meanwhile opens the new one. So the name leads to one inode that one process has locked.

    Raises:
        OutputLocked: another process, or another thread of this one, holds it.
        OSError: the lock file can't be made.
    """
    path = lock_path(target)
    handle = _acquire(path, shown=shown or target) if _has_flock() else None
    try:
        yield handle is not None
    finally:
        if handle is not None:
            if _has_name(handle, path):
                path.unlink(missing_ok=True)
            os.close(handle)


def _has_flock() -> bool:
    try:
        import fcntl  # noqa: F401, PLC0415 - Windows has none
    except ImportError:
        return False
    return True


def _acquire(path: Path, *, shown: Path) -> int | None:
    """Return the open and locked lock file with this process' id in it, or None where there are no locks."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            _lock(handle, shown=shown)
            if _has_name(handle, path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
                return handle
        except OSError as error:
            os.close(handle)
            if error.errno not in WITHOUT_LOCKS:
                raise
            path.unlink(missing_ok=True)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, *, shown: Path) -> None:
    import fcntl  # noqa: PLC0415 - Windows has none

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(handle, 20, 0).decode("ascii", "replace")
        who = f"process {pid}" if pid.isdecimal() else "another process"
        raise OutputLocked(
            f"{shown} is being written by {who}. Nothing was changed; try again when it has ended."
        ) from None


def _has_name(handle: int, path: Path) -> bool:
    """Tell whether an open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False

"""Exclusive inter-process locks on files and folders that are being written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOLCK, ENOSYS, ENOTSUP
from pathlib import Path
from typing import Final

from petmood.core.errors import OutputLocked
from petmood.core.open_flags import NO_FOLLOW

__all__ = ["exclusive_lock", "has_locks", "is_at", "lock_path", "try_lock"]

WITHOUT_LOCKS: Final = frozenset({ENOLCK, ENOSYS, ENOTSUP})
"""Error codes of file systems without locks, such as some network drives."""


def lock_path(target: Path) -> Path:
    """Return the path of the hidden lock file beside a target."""
    return target.with_name(f".{target.name}.petmood-lock")


@contextmanager
def exclusive_lock(target: Path, *, shown: Path | None = None) -> Iterator[bool]:
    """Hold the lock of a target, whose parent must exist, while the block runs; messages show ``shown`` as its path.

    Yields True if the lock is held. Yields False if the system or the file system has no ``flock`` (Windows, some
    network drives). In that case two processes can write at the same time, and leftover files may be in use.

    The kernel releases the lock when the process ends in any way; forked children that are still running keep it. The
    holder removes the lock file. That is safe because a lock is valid only while its file still exists at the path. A
    process that locked a removed file opens the new one. So the path always refers to an inode locked by one process.

    Raises:
        OutputLocked: another process, or another thread of this one, holds the lock.
        OSError: the lock file can't be created.
    """
    path = lock_path(target)
    handle = _acquire(path, shown=shown or target) if has_locks() else None
    try:
        yield handle is not None
    finally:
        if handle is not None:
            if is_at(handle, path):
                path.unlink(missing_ok=True)
            os.close(handle)


def try_lock(handle: int) -> bool | None:
    """Lock an open file without waiting; return False if it is locked elsewhere, None if locks are not supported."""
    if not has_locks():
        return None
    import fcntl  # noqa: PLC0415 - Windows has none

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return None
    return True


def is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def has_locks() -> bool:
    """Return whether the system has ``flock``; Windows has none."""
    try:
        import fcntl  # noqa: F401, PLC0415 - Windows has none
    except ImportError:
        return False
    return True


def _acquire(path: Path, *, shown: Path) -> int | None:
    """Return the descriptor of the locked file, which holds this process's id; None if locks are not supported."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o666)
        try:
            locked = try_lock(handle)
            if locked is False:
                _refuse(handle, shown=shown)
            if locked and is_at(handle, path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if locked is None:
            path.unlink(missing_ok=True)
            return None


def _refuse(handle: int, *, shown: Path) -> None:
    pid = os.pread(handle, 20, 0).decode("ascii", "replace")
    who = f"process {pid}" if pid.isdecimal() else "another process"
    raise OutputLocked(
        f"{shown} is being written by {who}. Nothing was changed; try again when that process has ended."
    )

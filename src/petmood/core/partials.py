"""Temporary files beside their targets: locked while their writer runs, and removed by a later writer after a kill."""

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from petmood.core.locks import has_locks, is_at, try_lock
from petmood.core.open_flags import NO_FOLLOW

__all__ = ["is_leftover", "partial_file", "partial_name", "remove_dead_partials", "target_of"]

LEFTOVER: Final = re.compile(r"\.(?P<name>.+)\.[0-9a-z_]{8}\.partial", re.DOTALL)
"""The random part contains no dot, so a hidden name maps to exactly one target, even if the target's name has dots."""


def partial_name(name: str) -> str:
    """Return a new hidden name for a temporary file or folder: ``.NAME.<8 hexadecimal digits>.partial``."""
    return f".{name}.{secrets.token_hex(4)}.partial"


def target_of(name: str) -> str | None:
    """Return the name of the target that a temporary file or folder was written for; None for any other name."""
    match = LEFTOVER.fullmatch(name)
    return match["name"] if match else None


def is_leftover(name: str) -> bool:
    """Return whether a name is that of a partial file or folder left by a killed process."""
    return target_of(name) is not None


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Yield a new, empty and locked file beside ``path``, whose parent must exist; rename it to keep it.

    First, the partial files of the same target whose writers have ended are removed.

    Raises:
        OSError: the file can't be created.
    """
    remove_dead_partials(path.parent, target=path.name)
    partial, handle = _create(path)
    if not has_locks():  # Windows: there is no lock to hold, and an open file can't be renamed
        os.close(handle)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)  # after a rename there is none
        if has_locks():
            os.close(handle)


def remove_dead_partials(folder: Path, *, target: str | None = None) -> None:
    """Remove the partial files of a target in a folder (of every target by default) whose writers have ended.

    The kernel releases a writer's lock when it ends in any way. Where the file system has no locks, nothing is removed.
    """
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:
        return
    for name in names:
        found = target_of(name)
        if found is not None and target in (None, found):
            with suppress(OSError):
                _remove_if_dead(folder / name)


def _create(path: Path) -> tuple[Path, int]:
    while True:
        partial = path.with_name(partial_name(path.name))
        handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666)
        try:
            if try_lock(handle) is not False and is_at(handle, partial):
                return partial, handle
        except BaseException:
            os.close(handle)
            partial.unlink(missing_ok=True)
            raise
        os.close(handle)  # another writer took the new file for a leftover, in the moment before it was locked


def _remove_if_dead(path: Path) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    handle = os.open(path, os.O_RDWR | NO_FOLLOW)
    try:
        if try_lock(handle) and is_at(handle, path):
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)

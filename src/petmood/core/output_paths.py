"""Checks of output paths before any work: links are resolved, mount points and unwritable folders refused."""

import os
from pathlib import Path
from typing import Final

from petmood.core.errors import OutputError

__all__ = ["refuse_unwritable", "resolve_file", "resolve_folder"]

MOUNTS: Final = Path("/proc/self/mountinfo")


def resolve_folder(target: Path) -> Path:
    """Return the path of a folder to be replaced with links resolved, without writing anything.

    Raises:
        OutputError: the target is or contains a mount point, is a broken link, or its parent can't be written.
    """
    resolved = _resolved(target)
    if mount := _mount_in(resolved):
        raise OutputError(f"{target} can't be replaced: {mount} is a mount point. Choose a folder inside {target}.")
    refuse_unwritable(resolved.parent, shown=target)
    return resolved


def resolve_file(target: Path) -> Path:
    """Return the path of a file to be written or replaced with links resolved, without writing anything.

    Raises:
        OutputError: the target is a folder or a mount point, is a broken link, or its parent can't be written.
    """
    resolved = _resolved(target)
    if resolved.is_dir():
        raise OutputError(f"Expected a file to write, got the folder {target}. Give the name of a file in it.")
    if _mount_in(resolved):
        raise OutputError(f"{target} can't be replaced, since it is a mount point. Choose another file.")
    refuse_unwritable(resolved.parent, shown=target)
    return resolved


def refuse_unwritable(folder: Path, *, shown: Path | None = None) -> None:
    """Refuse a folder that files can't be added to; for one that doesn't exist its nearest parent is checked.

    Raises:
        OutputError: the folder is a file, is or is below a broken link, or can't be written; messages show ``shown`` as
            the path.
    """
    if any(_is_broken(path) for path in (folder, *folder.parents)):
        raise _broken(shown or folder)
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(
            f"{shown or folder} can't be written: {nearest} is not a writable folder. Choose another folder."
        )


def _resolved(target: Path) -> Path:
    try:
        resolved = target.resolve()
    except (OSError, RuntimeError):  # RuntimeError: Python before 3.13, for circular links
        resolved = target
    astray = any(map(_is_broken, target.parents))
    if astray or resolved.is_symlink() or (target.is_symlink() and not resolved.parent.is_dir()):
        raise _broken(target)
    return resolved


def _is_broken(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _broken(target: Path) -> OutputError:
    return OutputError(f"{target} contains a broken link. Mount the disk that it points to, or choose another folder.")


def _mount_in(resolved: Path) -> str:
    """Return the first mount point at or below a path; bind mounts in one file system are found on Linux only."""
    if resolved.is_mount():
        return str(resolved)
    own = str(resolved).translate({ord(char): f"\\{ord(char):03o}" for char in " \t\n\\"})
    try:
        lines = MOUNTS.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return ""
    points = (line.split(" ")[4] for line in lines if line)
    return next((point for point in points if point == own or point.startswith(f"{own}/")), "")

"""The user's folder for files that can be generated or fetched again."""

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["CACHE_VARIABLE", "cache_folder", "temporary_folder"]

CACHE_VARIABLE: Final = "PETMOOD_CACHE"
_fresh: Final[list[Path]] = []
"""The temporary folders that this process made; the last one is in use."""


def cache_folder() -> Path:
    """Return ``$PETMOOD_CACHE``, else a folder in the user's cache, else (if that is read-only) a temporary folder."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petmood"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: the user's home folder is unknown
        return temporary_folder()
    return folder if os.access(folder, os.W_OK) else temporary_folder()


def temporary_folder() -> Path:
    """Return this user's temporary folder; its name is predictable, so a folder of another user is not used."""
    if sys.platform == "win32":  # its folder for temporary files is of this user alone
        return _fresh_folder()
    folder = Path(tempfile.gettempdir()) / f"petmood-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return _fresh_folder()
    found = folder.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if mine else _fresh_folder()


def _fresh_folder() -> Path:
    """Return a temporary folder with an unpredictable name: one per process, and another if that was removed."""
    if not _fresh or not _fresh[-1].is_dir():
        _fresh.append(Path(tempfile.mkdtemp(prefix="petmood-")))
    return _fresh[-1]

"""Local cache of pulled bundles, keyed by SHA-256."""

import dataclasses
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from petmood.core.bundle import Bundle
from petmood.registry.base import Version
from petmood.registry.registry import Registry, bundle_at

__all__ = ["CACHE_VARIABLE", "cache_folder", "cached"]

CACHE_VARIABLE: Final = "PETMOOD_CACHE"


def cache_folder() -> Path:
    """Return ``$PETMOOD_CACHE``, else a folder in the user's cache, else (if that is read-only) a temporary folder."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "petmood"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: the user's home folder is unknown
        return _temporary_folder()
    return folder if os.access(folder, os.W_OK) else _temporary_folder()


def cached(registry: Registry, version: Version, *, folder: Path | None = None) -> Bundle:
    """Return a version's verified bundle from the cache; fetch it first if it is missing or damaged.

    Safe for concurrent processes: each fetches into its own temporary folder, and the first to finish wins.

    Raises:
        RegistryError: the version can't be fetched, or its files are not the registered ones.
    """
    target = (folder or cache_folder()) / "bundles" / version.sha256
    if (found := bundle_at(target)) is not None and found.sha256 == version.sha256:
        return found
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{version.sha256[:12]}.", suffix=".partial"))
    try:
        fetched = registry.pull(version, temporary / "bundle")
        if not _moved(fetched.folder, target) and bundle_at(target) != dataclasses.replace(fetched, folder=target):
            _moved(target, temporary / "damaged")
            _moved(fetched.folder, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dataclasses.replace(fetched, folder=target)


def _temporary_folder() -> Path:
    """Return this user's temporary folder; its name is predictable, so a folder of another user is not used."""
    folder = Path(tempfile.gettempdir()) / f"petmood-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return _fresh_folder()
    found = folder.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if mine else _fresh_folder()


@functools.cache
def _fresh_folder() -> Path:
    """Create a temporary folder with an unpredictable name, once per process."""
    return Path(tempfile.mkdtemp(prefix="petmood-"))


def _moved(folder: Path, target: Path) -> bool:
    """Move a folder to a path; return False if the path is already taken."""
    try:
        folder.rename(target)
    except OSError:
        return False
    return True

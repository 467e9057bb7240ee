"""Where are pulled bundles kept on this machine? In one folder by their SHA-256, so that each is fetched once."""

import dataclasses
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from petmood.core.bundle import Bundle
from petmood.registry.base import Version
from petmood.registry.registry import Registry, bundle_at

__all__ = ["CACHE_VARIABLE", "cache_folder", "cached"]

CACHE_VARIABLE: Final = "PETMOOD_CACHE"


def cache_folder() -> Path:
    """Return ``$PETMOOD_CACHE``, else one in the person's cache, else (where that is read-only) a passing one."""
    given = os.environ.get(CACHE_VARIABLE)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(given) if given else home / "petmood"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if writable or given:
        return folder
    passing = Path(tempfile.gettempdir()) / f"petmood-{os.getuid()}"
    passing.mkdir(mode=0o700, exist_ok=True)
    return passing


def cached(registry: Registry, version: Version, *, folder: Path | None = None) -> Bundle:
    """Return a version's bundle from the cache, verified; fetch it first where it is not there or damaged.

    Several processes may do so at once: each fetches into a folder of its own, and the first to finish wins.

    Raises:
        RegistryError: it can't be fetched, or is not what was registered.
    """
    place = (folder or cache_folder()) / "bundles" / version.sha256
    if (found := bundle_at(place)) is not None and found.sha256 == version.sha256:
        return found
    place.parent.mkdir(parents=True, exist_ok=True)
    passing = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{version.sha256[:12]}.", suffix=".partial"))
    try:
        came = registry.pull(version, passing / "bundle")
        if not _moved(came.folder, place) and bundle_at(place) != dataclasses.replace(came, folder=place):
            _moved(place, passing / "damaged")
            _moved(came.folder, place)
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    return dataclasses.replace(came, folder=place)


def _moved(folder: Path, place: Path) -> bool:
    """Move a folder to a place, unless something is there already or another process was quicker."""
    try:
        folder.rename(place)
    except OSError:
        return False
    return True

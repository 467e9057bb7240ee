"""Local cache of pulled bundles, keyed by SHA-256."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from petmood.core.atomic_directory import atomic_directory
from petmood.core.bundle import MANIFEST, Bundle
from petmood.core.errors import OutputLocked
from petmood.core.user_cache import cache_folder
from petmood.registry.base import Version
from petmood.registry.registry import Registry, bundle_at

__all__ = ["cached"]

POLL_S: Final = 0.1
MAX_WAIT_S: Final = 600.0
"""How long a fetch of the same version by another process is waited for."""


class _FetchedMeanwhileError(Exception):
    """Another process has fetched the version since it was looked for."""


def cached(registry: Registry, version: Version, *, folder: Path | None = None, with_signature: bool = False) -> Bundle:
    """Return a version's verified bundle from the cache; fetch it first if it is missing or damaged.

    With ``with_signature``, the version's signature, if it has one, is fetched to its place beside the folder.

    Safe for concurrent processes: one fetches, and the others wait for it. What a killed process has left is removed.
    On a file system without locks each fetches, the first one's bundle stays, and nothing is removed.

    Raises:
        RegistryError: the version can't be fetched, or its files are not the registered ones.
        OutputError: the cache can't be written.
        OutputLocked: another process is still fetching this version after ten minutes.
    """
    target = (folder or cache_folder()) / "bundles" / version.sha256
    until = time.monotonic() + MAX_WAIT_S
    while (found := _valid(target, version)) is None:
        try:
            _fetch(registry, version, target)
        except _FetchedMeanwhileError:
            continue
        except OutputLocked:
            if time.monotonic() > until:
                raise
            time.sleep(POLL_S)
        except OSError:
            if _valid(target, version) is None:  # otherwise another process was first, on a file system without locks
                raise
    if with_signature:
        registry.write_signature(version, target)
    return found


def _valid(target: Path, version: Version) -> Bundle | None:
    found = bundle_at(target)
    return found if found is not None and found.sha256 == version.sha256 else None


def _fetch(registry: Registry, version: Version, target: Path) -> None:
    def existing(folder: Path) -> Iterable[str]:
        if _valid(folder, version) is not None:
            raise _FetchedMeanwhileError
        return ()

    fetched: list[Bundle] = []
    with atomic_directory(target, existing=existing) as draft:
        fetched.append(registry.fetch_verified(version, draft.path))
        draft.expect([*fetched[0].manifest.files, MANIFEST])

"""Checks of a bundle's target folder, and atomic replacement of a bundle."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from petmood.core.atomic_directory import (
    DirectoryDraft,
    atomic_directory,
    files_below,
    is_system_file,
    name_some,
)
from petmood.core.bundle_files import MANIFEST, read_limited
from petmood.core.errors import BundleError
from petmood.core.output_paths import resolve_folder

__all__ = ["bundle_directory", "check_target", "is_bundle", "refuse_foreign_files"]

OWN_KEYS: Final = frozenset({"schema_version", "classes", "image", "files"})
"""Keys of every petmood manifest; they identify even a damaged one."""
ELSEWHERE: Final = (
    "Nothing was changed. Move these files, or choose another folder (run: --bundles; export and pull: --output)."
)


@contextmanager
def bundle_directory(target: Path, *, replace: bool = False) -> Iterator[DirectoryDraft]:
    """Yield the draft of a bundle's folder; with ``replace`` an existing bundle at the target is replaced.

    Raises:
        BundleError: the target exists and ``replace`` is False, or it is not a bundle or contains other files.
        OutputError: the target can't be written, or another process is writing it.
    """
    with atomic_directory(target, existing=lambda resolved: _existing(resolved, target, replace=replace)) as draft:
        yield draft


def check_target(target: Path, *, replace: bool = False) -> None:
    """Check a target early, without writing anything.

    Raises:
        BundleError: as ``bundle_directory``.
        OutputError: the target can't be written.
    """
    _existing(resolve_folder(target), target, replace=replace)


def _existing(resolved: Path, shown: Path, *, replace: bool) -> Iterable[str]:
    if not replace and resolved.exists():
        raise BundleError(f"{shown} exists, and bundles are immutable. Choose another folder with --output.")
    refuse_foreign_files(resolved, shown=shown)
    return ()


def is_bundle(folder: Path) -> bool:
    """Return whether a folder contains a petmood manifest, valid or not, of any schema version."""
    return bool(_own_names(folder))


def refuse_foreign_files(folder: Path, *, shown: Path) -> None:
    """Refuse to replace a folder that contains files outside a bundle's manifest; an empty folder is accepted.

    Raises:
        BundleError: files would be deleted; the message names them.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise BundleError(f"Expected a bundle folder at {shown}, got a file. {ELSEWHERE}")
    own = _own_names(folder)
    foreign = [
        name
        for name in files_below(folder)
        if not is_system_file(Path(name).name) and (name not in own or (folder / name).is_symlink())
    ]
    if foreign:
        what = "a bundle with other files in it" if own else "not a bundle"
        raise BundleError(f"{shown} is {what}, and replacing it would delete {name_some(foreign)}. {ELSEWHERE}")


def _own_names(folder: Path) -> set[str]:
    """Return the file names that a bundle's manifest lists; empty if there is no petmood manifest."""
    path = folder / MANIFEST
    try:
        raw = json.loads(read_limited(path)) if path.is_file() and not path.is_symlink() else None
    except (OSError, ValueError, RecursionError, BundleError):
        return set()
    if not isinstance(raw, dict) or not raw.keys() >= OWN_KEYS or not isinstance(raw["files"], dict):
        return set()
    return {MANIFEST, *raw["files"]}

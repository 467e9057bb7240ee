"""Files generated from a dataset: beside its photos, or in the user's cache if the dataset is read-only."""

import hashlib
import os
from pathlib import Path
from typing import Final

from petmood.core.user_cache import cache_folder

__all__ = ["CACHE_NAME", "CHECK_NAME", "ISSUES_NAME", "find_generated", "generated_path"]

CACHE_NAME: Final = ".cache"
CHECK_NAME: Final = "check.html"
"""The report of `petmood data check`."""
ISSUES_NAME: Final = "issues.html"
"""The page of `petmood data issues`."""


def generated_path(dataset: Path, name: str) -> Path:
    """Return the path to write a generated file to; its parent folder need not exist.

    ``name`` is the file's path in the dataset's folder.
    """
    own = dataset / name
    existing = own.parent if own.parent.exists() else dataset
    is_read_only = dataset.is_dir() and not os.access(existing, os.W_OK | os.X_OK)
    return _elsewhere(dataset) / name if is_read_only else own


def find_generated(dataset: Path, name: str) -> Path | None:
    """Return the path of a generated file that exists, beside the photos or in the user's cache; None if there is none.

    The file that would be written now is preferred, since it is the newer one.
    """
    places = (generated_path(dataset, name), dataset / name)
    return next((path for path in places if path.is_file()), None)


def _elsewhere(dataset: Path) -> Path:
    resolved = dataset.resolve()
    return cache_folder() / "datasets" / f"{resolved.name}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:12]}"

"""Detection of the kinds of folders that petmood writes, for error messages about a wrong one."""

from enum import StrEnum
from pathlib import Path
from typing import Final

from petmood.core.bundle_target import is_bundle

__all__ = ["INDEX_NAME", "RUN_NAME", "FolderKind", "folder_kind"]

INDEX_NAME: Final = "index.csv"
RUN_NAME: Final = "run.json"


class FolderKind(StrEnum):
    """A kind of folder that petmood writes."""

    BUNDLE = "bundle"
    RUN = "run"
    DATASET = "dataset"


def folder_kind(folder: Path) -> FolderKind | None:
    """Return what a folder contains; None if it is something else or doesn't exist."""
    if is_bundle(folder):
        return FolderKind.BUNDLE
    if (folder / RUN_NAME).is_file():
        return FolderKind.RUN
    return FolderKind.DATASET if (folder / INDEX_NAME).is_file() else None

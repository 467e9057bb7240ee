"""The folder that an import replaces: what of it is petmood's own, and what must not be lost."""

from collections.abc import Sequence, Set
from filecmp import cmp
from pathlib import Path

from petmood.core.atomic_directory import files_below, is_system_file, name_some
from petmood.core.errors import DataError
from petmood.core.files import sha256_of
from petmood.core.partials import is_leftover
from petmood.data.duplicates.relations import RELATIONS_NAME
from petmood.data.duplicates.shared_region_file import SHARED_REGIONS_NAME
from petmood.data.generated import CACHE_NAME, CHECK_NAME, ISSUES_NAME
from petmood.data.import_errors import REJECTED_NAME
from petmood.data.index import INDEX_NAME, PHOTOS, DataIndex, IndexRow, Role, Split, read_index
from petmood.data.sources.base import SourcePhoto
from petmood.data.wording import counted

__all__ = [
    "IMPORT_NAME",
    "WRITTEN",
    "foreign_files",
    "known_splits",
    "read_old_dataset",
    "refuse_collisions",
    "refuse_own_photos",
    "refuse_unrelated",
    "replacement_notices",
]

IMPORT_NAME = "import.json"
WRITTEN = frozenset({INDEX_NAME, REJECTED_NAME, RELATIONS_NAME, SHARED_REGIONS_NAME, IMPORT_NAME})
MADE_LATER = frozenset({CHECK_NAME, ISSUES_NAME, CACHE_NAME})
"""Files that petmood adds to a dataset after the import and can generate again."""


def foreign_files(to: Path, *, shown: Path) -> list[str]:
    """Return the files of an earlier import's folder that petmood didn't write; DataError for any other folder."""
    if not to.exists() or (to.is_dir() and all(is_system_file(path.name) for path in to.iterdir())):
        return []
    if not (to / INDEX_NAME).is_file():
        raise DataError(
            f"Expected '{shown}' to be new, empty or an earlier import (with an {INDEX_NAME}), got something else "
            "that an import would replace. Choose another folder with --output."
        )
    own = WRITTEN | {row.path for row in read_index(to)}
    return sorted(name for name in files_below(to) if not _is_own(name, folder=to, own=own, shown=shown))


def _is_own(name: str, *, folder: Path, own: Set[str], shown: Path) -> bool:
    first, path = name.partition("/")[0], folder / name
    if path.is_symlink() and (name in own or name == PHOTOS):
        raise DataError(f"'{shown / name}' is a link that an import would replace. Make '{shown}' the link.")
    if path.is_symlink():
        return False
    emptied = name.endswith("/") and first == PHOTOS
    return name in own or emptied or first in MADE_LATER or is_system_file(path.name) or is_leftover(path.name)


def refuse_collisions(found: Sequence[SourcePhoto], *, to: Path) -> None:
    """Raise DataError if a user's file with other content has the path of a new photo."""
    if not to.exists():
        return
    taken = set(foreign_files(to, shown=to))
    clashing = [
        name
        for entry in found
        if not entry.problem
        and (name := f"{PHOTOS}/{entry.name}") in taken
        and not cmp(entry.path, to / name, shallow=False)
    ]
    if clashing:
        raise DataError(
            f"'{to}' holds files of the same name as new photos, that are not from an import: {name_some(clashing)}. "
            "Nothing was changed. Move them elsewhere."
        )


def refuse_own_photos(found: Sequence[SourcePhoto], *, to: Path) -> None:
    """Raise DataError if a photo of the source is in the folder that is replaced."""
    own = to.resolve()
    if any(own in entry.path.resolve().parents for entry in found if not entry.problem):
        raise DataError(f"'{to}' is inside the source; an import can't read what it replaces. Choose another --output.")


def known_splits(to: Path) -> dict[str, Split]:
    """Return the split of each used photo of an earlier import, by SHA-256."""
    if not (to / INDEX_NAME).is_file():
        return {}
    return {row.sha256: row.split for row in read_index(to) if row.role != Role.EXCLUDED}


def read_old_dataset(to: Path) -> DataIndex | None:
    """Return the index of the dataset in the target folder; None if there is none."""
    return read_index(to) if (to / INDEX_NAME).is_file() else None


def refuse_unrelated(found: Sequence[SourcePhoto], old: DataIndex | None, *, to: Path) -> None:
    """Raise DataError if the target holds photos of which the source has none; files are read up to the first one."""
    usable = [entry for entry in found if not entry.problem]
    if old is None or len(old) == 0 or not usable:
        return
    known = {row.sha256 for row in old}
    if not any(_hash(entry.path) in known for entry in usable):
        raise DataError(
            f"'{to}' holds data version {old.hash[:12]} with {counted(len(old), 'photo')}, and the source "
            "has none of them. Nothing was changed. Choose another folder with --output, or add --replace."
        )


def _hash(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:  # the scan reports it
        return None


def replacement_notices(old: DataIndex | None, new: Sequence[IndexRow]) -> list[str]:
    """Return a line on the dataset that is replaced: its version, and how many of its photos stay and go."""
    if old is None:
        return []
    before, after = ({row.sha256 for row in rows} for rows in (old, new))
    counts = f"{len(before & after)} kept, {len(before - after)} gone, {len(after - before)} new"
    return [f"Replaces data version {old.hash[:12]} with {counted(len(old), 'photo')}: {counts}."]

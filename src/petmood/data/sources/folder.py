"""Photo source for class folders: `happy/rex.jpg`, or with splits `train/Happy/rex.jpg`, case-insensitive."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from petmood.core.errors import DataError, UnknownLabel
from petmood.core.labels import DEFAULT_CLASSES, parse_label
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.progress import ProgressBar
from petmood.data.sources.base import Source, SourcePhoto, needed_path, parse_split, printable, source

__all__ = ["FolderSource", "find_in_folder"]

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


class FolderSource:
    """Class folders on disk, with or without split folders around them."""

    name = "folder"
    skip_bad_by_default = False

    def __init__(self, root: Path) -> None:
        """Set the root folder; nothing is read before `scan`."""
        self.root = root

    def scan(self, track: ProgressBar) -> list[SourcePhoto]:
        """Return the files below the folder; raises DataError if there is no photo in a class folder."""
        return find_in_folder(self.root, track=track)

    def close(self) -> None:
        """Do nothing: the photos stay where they are."""


@source("folder")
def _open(path: Path | None) -> Source:
    root = needed_path(path, name="folder", what="a folder of class folders")
    if not root.is_dir():
        raise DataError(f"Expected a folder of class folders ({', '.join(DEFAULT_CLASSES)}), got the file '{root}'.")
    return FolderSource(root)


def find_in_folder(root: Path, *, track: ProgressBar) -> list[SourcePhoto]:
    """Return every file below a folder of class folders, sorted by name.

    Files without a photo's suffix get the code "not_a_photo", photos outside the four class folders "unknown_class",
    and names that aren't printable UTF-8 "bad_name". Hidden files and system files of file managers are skipped. Raises
    DataError if no photo is in a class folder.
    """
    names = sorted(_walk(root))
    found = [_classify_entry(root, name) for name in track(names, total=len(names), what="looking at folders")]
    if not any(entry.label for entry in found):
        shown = ", ".join(sorted(printable(p.name) for p in root.iterdir())[:8]) or "nothing"
        raise DataError(
            f"Expected class folders {', '.join(DEFAULT_CLASSES)} (any case, or inside train, valid, test) with photos "
            f"in '{root}', got: {shown}."
        )
    return found


def _walk(root: Path) -> Iterator[str]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not _is_system_file(name)]
        here = Path(folder).relative_to(root)
        yield from ((here / name).as_posix() for name in files if not _is_system_file(name))


def _is_system_file(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _SYSTEM_FILES


def _classify_entry(root: Path, name: str) -> SourcePhoto:
    parts = PurePosixPath(name).parts
    path, shown = root / name, printable(name)
    if PurePosixPath(name).suffix.casefold() not in PHOTO_SUFFIXES:
        return SourcePhoto(path, shown, None, problem="not a photo by its suffix", code="not_a_photo")
    if shown != name:
        problem = "expected a printable UTF-8 file name; rename the file"
        return SourcePhoto(path, shown, None, problem=problem, code="bad_name")
    split = parse_split(parts[0]) if len(parts) > 1 else None
    labels = parts[1:-1] if split else parts[:-1]
    try:
        label = parse_label(labels[0]) if labels else None
    except UnknownLabel:
        problem = f"unknown class folder '{labels[0]}'; known: {', '.join(DEFAULT_CLASSES)}"
        return SourcePhoto(path, name, None, split, problem=problem, code="unknown_class")
    if label is None:
        problem = f"expected to lie in a class folder: {', '.join(DEFAULT_CLASSES)}"
        return SourcePhoto(path, name, None, split, problem=problem, code="unknown_class")
    return SourcePhoto(path, name, label, split)

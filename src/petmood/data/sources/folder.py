"""Photo source for class folders: `happy/rex.jpg`, or with splits `train/Happy/rex.jpg`, case-insensitive."""

import os
from collections.abc import Iterator, Set
from pathlib import Path, PurePosixPath

from petmood.core.errors import DataError
from petmood.core.labels import normalize_label
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.progress import ProgressBar
from petmood.data.sources.base import Source, SourcePhoto, needed_path, parse_split, source
from petmood.data.wording import printable

__all__ = ["FolderSource", "find_in_folder"]

_TOOL_NAMES = frozenset(
    {
        *("thumbs.db", "desktop.ini", "__macosx", "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle"),
        *("#snapshot", "$recycle.bin", "system volume information", "lost+found", "lost.dir", "__pycache__"),
    }
)
"""Files and folders that file managers, network drives and tools add, case-folded; hidden ones are left out as well."""


class FolderSource:
    """Class folders on disk, with or without split folders around them."""

    name = "folder"
    skip_bad_by_default = False
    classes: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        """Set the root folder; nothing is read before `scan`."""
        self.root = root

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Return the files below the folder; raises DataError if there is no photo in a class folder."""
        return find_in_folder(self.root, progress=progress)

    def close(self) -> None:
        """Do nothing: the photos stay where they are."""


@source("folder")
def _open(path: Path | None) -> Source:
    root = needed_path(path, name="folder", what="a folder of class folders")
    if not root.is_dir():
        raise DataError(f"Expected a folder with one folder for each class, got the file '{root}'.")
    return FolderSource(root)


def find_in_folder(root: Path, *, progress: ProgressBar) -> list[SourcePhoto]:
    """Return every file below a folder of class folders, sorted by name.

    The label is the name of the class folder in normal form. Files without a photo's suffix get the code "not_a_photo",
    photos outside of a class folder "no_class", and names that aren't printable UTF-8 "bad_name". A class folder
    without any photo gets "empty_class". Hidden files and the files and folders of tools are skipped. Raises DataError
    if no photo is in a class folder.
    """
    names = sorted(_file_names(root))
    found = [_classify_entry(root, name) for name in progress(names, total=len(names), what="scanning folders")]
    if not any(entry.label for entry in found):
        shown = ", ".join(sorted(printable(p.name) for p in root.iterdir())[:8]) or "nothing"
        raise DataError(
            f"Expected class folders such as happy/ and sad/ with photos in '{root}', or inside train, valid and "
            f"test there; got: {shown}."
        )
    return sorted([*found, *_empty_classes(root, {entry.label for entry in found})], key=lambda entry: entry.name)


def _empty_classes(root: Path, labels: Set[str | None]) -> Iterator[SourcePhoto]:
    """Yield a problem for each class that has a folder, but no photo in any split."""
    for folder in sorted(_folders(root)):
        for class_folder in _folders(folder) if parse_split(folder.name) else [folder]:
            if normalize_label(class_folder.name) not in labels:
                name = printable(class_folder.relative_to(root).as_posix())
                yield SourcePhoto(class_folder, name, None, problem="class folder without a photo", code="empty_class")


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not _is_tool_file(path.name))


def _file_names(root: Path) -> Iterator[str]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not _is_tool_file(name)]
        here = Path(folder).relative_to(root)
        yield from ((here / name).as_posix() for name in files if not _is_tool_file(name))


def _is_tool_file(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _TOOL_NAMES


def _classify_entry(root: Path, name: str) -> SourcePhoto:
    parts = PurePosixPath(name).parts
    path, shown = root / name, printable(name)
    if PurePosixPath(name).suffix.casefold() not in PHOTO_SUFFIXES:
        return SourcePhoto(path, shown, None, problem="the suffix is not one of a photo", code="not_a_photo")
    if shown != name:
        problem = "expected a printable UTF-8 file name; rename the file"
        return SourcePhoto(path, shown, None, problem=problem, code="bad_name")
    split = parse_split(parts[0]) if len(parts) > 1 else None
    labels = parts[1:-1] if split else parts[:-1]
    if not labels:
        return SourcePhoto(path, name, None, split, problem="expected to lie in a class folder", code="no_class")
    return SourcePhoto(path, name, normalize_label(labels[0]), split)

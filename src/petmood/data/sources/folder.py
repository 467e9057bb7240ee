"""Photo source for class folders: `happy/rex.jpg`, `train/Happy/rex.jpg` or `happy/train/rex.jpg`, case-insensitive."""

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from petmood.core.errors import DataError
from petmood.core.folder_listing import FolderListing, ListedFile, list_folder
from petmood.core.labels import DEFAULT_CLASSES, normalize_label
from petmood.core.names import is_safe_name, printable
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.photo_source import is_photo_name
from petmood.core.progress import ProgressBar
from petmood.data.index import Split
from petmood.data.sources.archive import unpack
from petmood.data.sources.base import Source, SourcePhoto, TableOptions, needed_path, parse_split, source
from petmood.data.wording import counted

__all__ = ["FolderSource", "FoundPhotos", "find_in_folder"]

_NAMED = 8


class FolderSource:
    """Class folders on disk or in a zip archive, with or without split folders around or inside them."""

    name = "folder"
    skip_bad_by_default = False
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        """Set the folder or the archive; nothing is read before `scan`."""
        self.root = root
        self._unpacked: tempfile.TemporaryDirectory[str] | None = None

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Return the files below the folder; raises DataError if there is no photo in a class folder.

        An archive is unpacked into a temporary folder first; DataError if it is refused (`archive.unpack`).
        """
        self.close()
        try:
            found = find_in_folder(self._folder(progress), progress=progress, shown=self.root)
        except BaseException:
            self.close()
            raise
        self.notices = found.notices
        return list(found.entries)

    def close(self) -> None:
        """Delete unpacked files; a folder stays as it is."""
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None

    def _folder(self, progress: ProgressBar) -> Path:
        """Return the folder to look into; an archive is unpacked."""
        if not self.root.is_file():
            return self.root
        self._unpacked = tempfile.TemporaryDirectory(prefix="petmood-import-")
        unpack(self.root, to=Path(self._unpacked.name), progress=progress)
        return Path(self._unpacked.name)


@source("folder")
def _open(path: Path | None, _table: TableOptions | None) -> Source:
    root = needed_path(path, name="folder", what="a folder of class folders")
    if not root.is_dir() and not (root.is_file() and zipfile.is_zipfile(root)):
        raise DataError(
            f"Expected a folder with one folder for each class, or a zip archive of one, got the file '{root}'. Unpack "
            "other archives first."
        )
    return FolderSource(root)


@dataclass(frozen=True, slots=True)
class FoundPhotos:
    """Entries of a folder, sorted by name, and lines for the user on what was passed over, followed or unwrapped."""

    entries: tuple[SourcePhoto, ...]
    notices: tuple[str, ...]


def find_in_folder(root: Path, *, progress: ProgressBar, shown: Path | None = None) -> FoundPhotos:
    """Return every file below a folder of class folders.

    Folders whose name is a split (`parse_split`) give the split; the first other folder is the class, in normal form.
    One folder that wraps all class folders is unwrapped. Problems have these codes: "not_a_photo" (another suffix),
    "no_class", "bad_name", "empty_class", "two_splits" (folders of two splits), "no_split" (beside photos in split
    folders), and those of `core.folder_listing`. Raises DataError if no photo is in a class folder; the message names
    `shown` where the folder is that of an unpacked archive.
    """
    listing = list_folder(root)
    wrapping = _wrapping(listing)
    files = progress(listing.files, total=len(listing.files), what="scanning folders")
    found = _refuse_mixture([_classify_entry(file, wrapping=wrapping) for file in files])
    if all(entry.code in {"not_a_photo", "no_class", "link_back"} for entry in found):
        raise DataError(_no_photo(shown or root, listing))
    found += _empty_classes(root, listing, wrapping=wrapping)
    return FoundPhotos(tuple(sorted(found, key=lambda entry: entry.name)), tuple(_notices(listing, wrapping=wrapping)))


def _wrapping(listing: FolderListing) -> str:
    """Return the folder that holds all class or split folders, with a trailing slash; empty if it is the root."""
    wrapping = ""
    while True:
        tops = {name[len(wrapping) :].partition("/")[0] for name in listing.folders if name.startswith(wrapping)}
        top = min(tops - {""}, default="")
        if len(tops - {""}) != 1 or parse_split(top) or normalize_label(top) in DEFAULT_CLASSES:
            return wrapping
        depths = [_depth(file, wrapping) for file in listing.files if file.problem or is_photo_name(file.name)]
        if min(depths, default=0) < 2:
            return wrapping
        wrapping += f"{top}/"


def _depth(file: ListedFile, wrapping: str) -> int:
    """Return the number of folders around a photo, from `wrapping` on; a link may have been a folder of photos."""
    depth = file.name.removeprefix(wrapping).count("/")
    return depth + 1 if file.problem and depth else depth


def _classify_entry(file: ListedFile, *, wrapping: str) -> SourcePhoto:
    name = file.name.removeprefix(wrapping)
    shown = name if is_safe_name(name) else printable(name)
    if file.problem:
        return SourcePhoto(file.path, shown, None, problem=file.problem, code=file.code)
    if not is_photo_name(name):
        return SourcePhoto(file.path, shown, None, problem="the suffix is not one of a photo", code="not_a_photo")
    if not is_safe_name(name):
        problem = "expected a UTF-8 file name without control characters; rename the file"
        return SourcePhoto(file.path, shown, None, problem=problem, code="bad_name")
    label, splits = _label_and_splits(name.split("/")[:-1])
    if len(splits) > 1:
        problem = f"expected one split folder, got {' and '.join(splits)}"
        return SourcePhoto(file.path, name, None, problem=problem, code="two_splits")
    split = splits[0] if splits else None
    if label is None:
        return SourcePhoto(file.path, name, None, split, problem="expected to lie in a class folder", code="no_class")
    return SourcePhoto(file.path, name, label, split)


def _label_and_splits(folders: Sequence[str]) -> tuple[str | None, list[Split]]:
    """Return the class, the first folder that isn't a split, and the distinct splits that the folders name."""
    splits = [parse_split(folder) for folder in folders]
    classes = [folder for folder, split in zip(folders, splits, strict=True) if split is None]
    return (normalize_label(classes[0]) if classes else None), sorted({split for split in splits if split})


def _refuse_mixture(found: list[SourcePhoto]) -> list[SourcePhoto]:
    """Record a problem on photos without a split if others have one."""
    if not any(entry.split and not entry.problem for entry in found):
        return found
    problem = "expected to lie in a split folder (train, valid or test), as other photos do"
    return [
        entry if entry.problem or entry.split else replace(entry, problem=problem, code="no_split") for entry in found
    ]


def _empty_classes(root: Path, listing: FolderListing, *, wrapping: str) -> Iterator[SourcePhoto]:
    """Yield a problem for each class that has a folder, but no photo in any split; unusable photos have their own."""
    photos = (file.name for file in listing.files if file.problem or is_photo_name(file.name))
    labels = {_label_and_splits(name.removeprefix(wrapping).split("/")[:-1])[0] for name in photos}
    for folder in listing.folders:
        name = folder.removeprefix(wrapping)
        *above, last = name.split("/")
        if wrapping.startswith(f"{folder}/") or parse_split(last) or not all(parse_split(part) for part in above):
            continue
        if normalize_label(last) not in labels:
            problem = "class folder without a photo"
            yield SourcePhoto(root / folder, printable(name), None, problem=problem, code="empty_class")


def _no_photo(shown: Path, listing: FolderListing) -> str:
    tops = [name for name in listing.folders if "/" not in name]
    if tops and not any(is_photo_name(file.name) for file in listing.files):
        kinds = ", ".join(sorted(PHOTO_SUFFIXES))
        return f"No photo in the folders of '{shown}' ({_some(tops)}). Expected files with a suffix of {kinds}."
    there = sorted({name.partition("/")[0] for name in (*listing.folders, *(file.name for file in listing.files))})
    return (
        f"Expected class folders such as happy/ and sad/ with photos in '{shown}', or inside train, valid and test "
        f"there; got: {_some(there) or 'nothing'}."
    )


def _notices(listing: FolderListing, *, wrapping: str) -> Iterator[str]:
    if wrapping:
        yield f"'{printable(wrapping)}' is the only folder: the classes were taken from inside it."
    if listing.links:
        yield f"Followed {counted(len(listing.links), 'link')} to folders: {_some(listing.links)}."
    if listing.passed_over:
        names = [f"{name} ({count})" for name, count in listing.passed_over.items()]
        total = counted(sum(listing.passed_over.values()), "entry that is", "entries that are")
        yield f"Passed over {total} hidden or made by a tool: {_some(names)}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return printable(", ".join(names[:_NAMED])) + more

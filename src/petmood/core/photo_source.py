"""Photos as arguments: paths, bytes, binary files, and the photos below a folder."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol, TypeAlias

from petmood.core.errors import DataError, FileTooLarge, PhotoError
from petmood.core.folder_listing import ListedFile, list_folder
from petmood.core.names import printable
from petmood.core.photo import PHOTO_SUFFIXES

__all__ = [
    "BinaryFile",
    "FoundPhoto",
    "PhotoSource",
    "bytes_or_path",
    "find_each_photo",
    "find_photos",
    "is_photo_name",
    "photo_bytes",
    "photos_below",
    "several_photos",
    "unreadable",
]

logger = logging.getLogger(__name__)


class BinaryFile(Protocol):
    """A readable binary file: one opened with "rb", ``io.BytesIO``, or an uploaded file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; all if it is negative."""
        ...


PhotoSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile
"""Types of a photo argument. A string is a path; bytes are the content of the file, not pixels."""


def bytes_or_path(photo: PhotoSource, *, max_bytes: int) -> bytes | Path:
    """Return a photo's path or its bytes; from a binary file at most ``max_bytes + 1`` bytes are read.

    Raises:
        FileTooLarge: a binary file has more bytes than ``max_bytes``.
        PhotoError: a binary file can't be read.
        TypeError: the argument is not a path, bytes or a binary file.
    """
    if isinstance(photo, str | os.PathLike):
        return Path(photo)
    if isinstance(photo, bytes | bytearray | memoryview):
        return bytes(photo)
    if not callable(getattr(photo, "read", None)):
        raise TypeError(
            f"Expected a photo's path, its bytes or a binary file, got {type(photo).__name__}. "
            "For an array of pixels, encode it as PNG and pass those bytes."
        )
    try:
        return _read(photo, max_bytes)
    except OSError as error:
        raise unreadable("The photo", error) from error


def photo_bytes(photo: PhotoSource, *, max_bytes: int) -> bytes:
    """Return a photo's bytes; a path's file is read.

    Raises:
        FileTooLarge: the photo has more bytes than ``max_bytes``.
        PhotoError: the file can't be read.
        TypeError: the argument is not a path, bytes or a binary file.
    """
    found = bytes_or_path(photo, max_bytes=max_bytes)
    if isinstance(found, bytes):
        return found
    try:
        with found.open("rb") as file:
            return _read(file, max_bytes)
    except OSError as error:
        raise unreadable(found.name or str(found), error) from error


def unreadable(name: str, error: OSError) -> PhotoError:
    """Return the error for a photo whose file can't be read."""
    return PhotoError(f"{printable(name)} can't be read ({error.strerror}). Check the path and its permissions.")


def several_photos(photos: Iterable[PhotoSource]) -> Iterator[PhotoSource]:
    """Return an iterator over photos.

    Raises:
        TypeError: the argument is one photo, and iterating over it would yield its characters, bytes or lines.
    """
    if isinstance(photos, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(photos, "read"):
        raise TypeError(f"Expected several photos, such as a list of paths, got one: {type(photos).__name__}.")
    return iter(photos)


def is_photo_name(name: str) -> bool:
    """Return whether a file's name has the suffix of a photo, in any case.

    >>> is_photo_name("rex.JFIF"), is_photo_name("rex.jpg.txt")
    (True, False)
    """
    return PurePath(name).suffix.casefold() in PHOTO_SUFFIXES


def photos_below(folder: Path) -> list[ListedFile]:
    """Return the photos below a folder, sorted, and the entries that can't be read and may be photos, as problems.

    Hidden entries and those of tools are passed over; links are followed, and each folder is read once.

    Raises:
        DataError: the folder can't be read.
    """
    return [
        file
        for file in list_folder(folder).files
        if is_photo_name(file.name) or (file.problem and file.code not in {"link_back", "listed_twice"})
    ]


@dataclass(frozen=True, slots=True)
class FoundPhoto:
    """A photo's path, or a path without a photo and the reason in ``problem``."""

    path: Path
    problem: PhotoError | None = None


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """Return the given files and the photos below the given folders, each folder sorted.

    Hidden entries and those of tools are skipped, unless they are arguments themselves; links are followed. For what
    can't be read below a folder there is a warning.

    Raises:
        DataError: a path doesn't exist, or no photo was found.
    """
    found = find_each_photo(paths)
    for one in found:
        if one.problem and one.path in paths and not one.path.is_dir():
            raise DataError(str(one.problem))
        if one.problem:
            logger.warning("%s", one.problem)
    return [one.path for one in found if one.problem is None]


def find_each_photo(paths: Sequence[Path], *, also: Path | None = None) -> list[FoundPhoto]:
    """Return the given files and the photos below the given folders, and what can't be read or has none as problems.

    Folders are listed as by ``photos_below``. The path ``also``, such as "-" for standard input, is taken for a photo.

    Raises:
        DataError: no photo was found at all.
    """
    found = [one for path in paths for one in ([FoundPhoto(path)] if path == also else _at(path))]
    if any(one.problem is None for one in found):
        return found
    missing = next((one.problem for one in found if one.problem and not one.path.is_dir()), None)
    kinds = ", ".join(sorted(PHOTO_SUFFIXES))
    where = ", ".join(printable(str(path)) for path in paths)
    raise DataError(str(missing or f"No photos in {where}. Expected files with a suffix of {kinds}."))


def _at(path: Path) -> Iterator[FoundPhoto]:
    shown = printable(str(path))
    if not path.is_dir():
        problem = None if path.exists() else PhotoError(f"No such photo or folder: {shown}. Check the path.")
        yield FoundPhoto(path, problem)
        return
    try:
        below = photos_below(path)
    except DataError as error:
        yield FoundPhoto(path, PhotoError(str(error)))
        return
    for file in below:
        problem = PhotoError(f"{printable(str(file.path))} was skipped: {file.problem}.") if file.problem else None
        yield FoundPhoto(file.path, problem)
    if not below:
        yield FoundPhoto(path, PhotoError(f"No photos in {shown}."))


def _read(file: BinaryFile, max_bytes: int) -> bytes:
    data = file.read(max_bytes + 1)
    if not isinstance(data, bytes):
        raise TypeError(f"Expected a file opened with 'rb', got one whose read() returns {type(data).__name__}.")
    if len(data) > max_bytes:
        raise FileTooLarge(f"Expected at most {max_bytes / 1e6:.0f} MB, got more. Send a smaller copy.")
    return data

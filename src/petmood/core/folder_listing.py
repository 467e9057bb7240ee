"""Listing of the files below a person's folder: links are followed once, and what can't be read is listed."""

import errno
import os
import stat
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.atomic_directory import is_system_file
from petmood.core.errors import DataError

__all__ = ["FolderListing", "ListedFile", "is_passed_over", "list_folder"]

MAX_ENTRIES: Final = 1_000_000
"""A link to the root of a disk is refused at this number of entries."""

_TOOL_NAMES: Final = frozenset(
    {
        *("ehthumbs.db", "picasa.ini", "icon\r", "__macosx", "@eadir", "@tmp", "@recycle", "@recently-snapshot"),
        *("#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found", "lost.dir"),
        *("network trash folder", "temporary items", "__pycache__"),
    }
)
"""Files and folders that file managers, network drives and tools add, case-folded."""

_KINDS: Final = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One entry below a folder: its path, and its name, a POSIX path relative to the folder.

    `problem` is empty for a regular file, else a phrase that says why the entry can't be read. `code` is its kind:
    broken_link, link_loop, unreadable or not_a_file. For folders that are read under another name it is link_back or
    listed_twice.
    """

    path: Path
    name: str
    problem: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class FolderListing:
    """Everything below a folder: `files` (problems included) and `folders`, sorted by name.

    `passed_over` counts the names of hidden entries and those of tools; nothing below them is listed. `links` are the
    folders that a link leads to.
    """

    files: tuple[ListedFile, ...]
    folders: tuple[str, ...]
    passed_over: Mapping[str, int]
    links: tuple[str, ...]


def is_passed_over(name: str) -> bool:
    """Return whether an entry is hidden, or made by a file manager, a network drive or a tool."""
    return name.startswith(".") or is_system_file(name) or name.casefold() in _TOOL_NAMES


def list_folder(root: Path) -> FolderListing:
    """List everything below a folder; links to files and folders are followed.

    Each folder is read once: another link to it, or one back to a folder that contains it, is a problem. So are broken
    links, folders without permission, pipes, sockets and devices. No file is opened.

    Raises:
        DataError: the folder itself can't be read, or there are more than `MAX_ENTRIES` entries.
    """
    return _Walk(root).listing()


class _Walk:
    """State of one walk. Folders of the tree are read before those that links lead to, so these never replace them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[ListedFile] = []
        self.folders: list[str] = []
        self.links: list[str] = []
        self.passed_over: Counter[str] = Counter()
        self.seen: dict[tuple[int, int], str] = {}
        self.linked: deque[str] = deque()
        self.entries = 0

    def listing(self) -> FolderListing:
        try:
            next(self.root.iterdir(), None)
        except OSError as error:
            raise DataError(
                f"The folder '{self.root}' can't be read ({error.strerror}). Check the path and its permissions."
            ) from error
        self._read_tree("")
        while self.linked:
            self._read_tree(self.linked.popleft())
        return FolderListing(
            tuple(sorted(self.files, key=lambda file: file.name)),
            tuple(sorted(self.folders)),
            dict(sorted(self.passed_over.items())),
            tuple(sorted(self.links)),
        )

    def _read_tree(self, top: str) -> None:
        waiting = [top]
        while waiting:
            name = waiting.pop()
            if self._is_new(name, is_link=name == top != ""):
                waiting += reversed(list(self._read(name)))

    def _is_new(self, name: str, *, is_link: bool) -> bool:
        """Record a folder; one that was read already, and is reached by a link, becomes a problem."""
        try:
            found = (self.root / name).stat()
        except OSError as error:
            self._refuse(name, _reason(error), code="unreadable")
            return False
        earlier = self.seen.setdefault((found.st_dev, found.st_ino), name)
        if earlier != name:
            code, where = _repeated(name, earlier)
            self._refuse(name, where, code=code)
            return False
        if name:
            self.folders.append(name)
        if is_link:
            self.links.append(name)
        return True

    def _read(self, folder: str) -> Iterator[str]:
        """Yield the names of subfolders; links to folders wait in `linked`."""
        try:
            with os.scandir(self.root / folder) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            self._refuse(folder, _reason(error), code="unreadable")
            return
        self.entries += len(names)
        if self.entries > MAX_ENTRIES:
            raise DataError(
                f"Expected at most {MAX_ENTRIES:,} entries below '{self.root}', got more. Give a smaller folder; "
                "a link may lead to a large one."
            )
        for short in names:
            if is_passed_over(short):
                self.passed_over[short] += 1
            elif self._is_folder(name := f"{folder}/{short}".lstrip("/")):
                if (self.root / name).is_symlink():
                    self.linked.append(name)
                else:
                    yield name

    def _is_folder(self, name: str) -> bool:
        path = self.root / name
        try:
            mode = path.stat().st_mode
        except OSError as error:
            broken = error.errno == errno.ENOENT and path.is_symlink()
            self._refuse(name, _reason(error, broken=broken), code="broken_link" if broken else _code(error))
            return False
        if stat.S_ISDIR(mode):
            return True
        if stat.S_ISREG(mode):
            self.files.append(ListedFile(path, name))
        else:
            kind = next((word for test, word in _KINDS if test(mode)), "something else")
            self._refuse(name, f"expected a file, got {kind}", code="not_a_file")
        return False

    def _refuse(self, name: str, problem: str, *, code: str) -> None:
        self.files.append(ListedFile(self.root / name, name, problem, code))


def _code(error: OSError) -> str:
    return "link_loop" if error.errno == errno.ELOOP else "unreadable"


def _reason(error: OSError, *, broken: bool = False) -> str:
    if broken:
        return "expected a file or folder, got a link to something that does not exist"
    if error.errno == errno.ELOOP:
        return "expected a file or folder, got a link that leads to itself"
    return f"expected a readable file or folder: {error.strerror}"


def _repeated(name: str, earlier: str) -> tuple[str, str]:
    if not earlier or name.startswith(f"{earlier}/"):
        return "link_back", "expected a folder, got a link back to a folder that contains it"
    return "listed_twice", f"the same folder as '{earlier}', whose files are listed there"

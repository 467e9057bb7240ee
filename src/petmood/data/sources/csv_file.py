"""Photo source for a table of labels: a photo and its label in each row and, optionally, split and species."""

import errno
import os
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from petmood.core.errors import DataError
from petmood.core.folder_listing import list_folder
from petmood.core.labels import normalize_label
from petmood.core.names import is_safe_name, printable
from petmood.core.progress import ProgressBar
from petmood.data.index import INDEX_NAME, PHOTOS, Role, Split
from petmood.data.sources.base import (
    Source,
    SourcePhoto,
    TableOptions,
    needed_path,
    normalize_species,
    parse_split,
    source,
)
from petmood.data.sources.label_table import TableRow, read_label_table

__all__ = ["CsvSource"]

_SCHEMES = ("http:", "https:", "ftp:", "file:", "s3:", "gs:", "data:", "www.")


class CsvSource:
    """A table of labels; photo paths are relative to the table's folder, or absolute, and stay inside it.

    `label_table.read_label_table` describes the tables. File names may differ from those on disk in their Unicode
    normalization (NFC or NFD). In the folder of a dataset, photos keep the names that they have there.
    """

    name = "csv"
    skip_bad_by_default = False
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __init__(self, table: Path, options: TableOptions | None = None) -> None:
        """Set the table's path and what is known of it; nothing is read before `scan`."""
        self.table, self.options = table, options or TableOptions()

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Return one entry per row, sorted by name; raises DataError for a table that can't be read.

        Missing files, paths outside of the table's folder, repeated rows, empty labels, and photos under two labels or
        splits are recorded as problems of their entries, with the line. Every entry of a photo with two labels has a
        problem.
        """
        table = read_label_table(self.table, self.options)
        self.notices = table.notices
        found = [
            (row.line, self._entry(row)) for row in progress(table.rows, total=len(table.rows), what="reading labels")
        ]
        if (self._root / INDEX_NAME).is_file():
            found = _named_in_dataset(found)
        return sorted(_cross_check(found), key=lambda entry: entry.name)

    def close(self) -> None:
        """Do nothing: the photos stay where they are."""

    def _entry(self, row: TableRow) -> SourcePhoto:
        if row.problem:
            problem = f"line {row.line}: {row.problem}"
            return SourcePhoto(self.table, printable(row.photo), None, problem=problem, code="bad_line")
        name, code, problem = self._find(row.photo)
        label, split = normalize_label(row.label) or None, parse_split(row.split)
        if not problem and label is None:
            code, problem = "no_class", "expected a class name in the column label, got an empty cell"
        elif not problem and row.split and split is None:
            code, problem = "unknown_split", f"unknown split '{printable(row.split)}'; known: {', '.join(Split)}"
        path = self.table if code in {"missing_file", "bad_name"} else self._root / name
        problem = f"line {row.line}: {problem}" if problem else ""
        return SourcePhoto(path, name, label, split, normalize_species(row.species), problem, code, _role(row.role))

    @property
    def _root(self) -> Path:
        return self.table.parent

    def _find(self, text: str) -> tuple[str, str, str]:
        """Return the name as spelled on disk, and the code and the sentence of its problem, if there is one."""
        if not text:
            return "(no name)", "missing_file", "expected the path of a photo, got an empty cell"
        if text.casefold().startswith(_SCHEMES) or "://" in text:
            return printable(text), "missing_file", "expected a path below the table's folder, got a URL; download it"
        if not is_safe_name(text):
            problem = "expected a UTF-8 file name without control characters; rename the file"
            return printable(text), "bad_name", problem
        name = self._inside(text)
        if name is None:
            problem = (
                "expected a path below the table's folder, got one outside of it; give a path relative to the table"
            )
            return printable(text), "missing_file", problem
        if not (problem := _unusable(self._root / name)):
            return name, "", ""
        spelled = self._spellings.get(_composed(name))
        return (spelled, "", "") if spelled else (printable(text), "missing_file", problem)

    def _inside(self, text: str) -> str | None:
        """Return a path relative to the table's folder, without "." and ".."; None if it lies outside of it."""
        is_name = not _unusable(self._root / text)  # a name on disk can contain a backslash
        path = text if is_name else text.replace("\\", "/")
        if path.startswith("/"):
            here, path = self._root.absolute(), os.path.normpath(path)
            real = Path(os.path.realpath(Path(path).parent), Path(path).name)  # either may be given by way of a link
            names = (os.path.relpath(file, root) for file, root in ((path, here), (real, here.resolve())))
            return next((name for name in names if not _leaves(name)), None)
        if len(path) > 2 and path[1:3] == ":/":  # a drive of Windows
            return None
        inside = os.path.normpath(path)
        return None if _leaves(inside) else inside

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        files = list_folder(self._root).files
        return {_composed(file.name): file.name for file in files if not file.problem}


@source("csv")
def _open(path: Path | None, table: TableOptions | None) -> Source:
    file = needed_path(path, name="csv", what="a CSV table with the columns photo, label")
    if file.is_dir():
        raise DataError(f"Expected a CSV table, got the folder '{file}'. For class folders type: import folder")
    if not file.is_file():
        raise DataError(f"Expected a CSV table, got a pipe or device, '{file}'. Save the table in a file.")
    return CsvSource(file, table)


def _named_in_dataset(found: list[tuple[int, SourcePhoto]]) -> list[tuple[int, SourcePhoto]]:
    """Return the entries without the folder that all photos of a dataset are in, as an import adds it again."""
    prefix = f"{PHOTOS}/"
    if any(not entry.name.startswith(prefix) for _, entry in found if not entry.problem):
        return found
    return [(line, replace(entry, name=entry.name.removeprefix(prefix))) for line, entry in found]


def _role(text: str) -> Role | None:
    return Role(text) if text in {*Role} else None


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _leaves(path: str) -> bool:
    return path in {"..", "."} or path.startswith("../")


def _unusable(path: Path) -> str:
    """Return why a path has no readable file, as a phrase; empty if it has."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return "expected a file of this name below the table's folder, found none"
        return f"expected a readable file of this name: {error.strerror}"
    return "" if stat.S_ISREG(mode) else "expected a file of this name, got a folder, pipe or device"


def _cross_check(found: list[tuple[int, SourcePhoto]]) -> list[SourcePhoto]:
    """Record a problem on entries that contradict or repeat one another; existing problems are kept."""
    by_name: dict[str, list[tuple[int, SourcePhoto]]] = defaultdict(list)
    for line, entry in found:
        by_name[entry.name].append((line, entry))
    checked = []
    for same in by_name.values():
        lines = f"lines {', '.join(str(line) for line, _ in same)}"
        classes = sorted({entry.label for _, entry in same if entry.label})
        splits = sorted({entry.split for _, entry in same if entry.split})
        seen: Counter[str] = Counter()
        for line, entry in same:
            code, problem = entry.code, entry.problem
            if not problem and len(classes) > 1:
                code, problem = "two_labels", f"{lines}: one photo with two labels: {', '.join(classes)}"
            elif not problem and len(splits) > 1:
                code, problem = "two_splits", f"{lines}: one photo in two splits: {', '.join(splits)}"
            elif not problem and seen["good"]:
                code, problem = "duplicate_line", f"line {line}: listed twice; the first line is used"
            seen["good"] += not problem
            checked.append(replace(entry, code=code, problem=problem))
    return checked

"""Photo source for a CSV file with the columns photo, label and, optionally, split and species."""

import csv
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from petmood.core.errors import DataError
from petmood.core.labels import normalize_label
from petmood.core.progress import ProgressBar
from petmood.data.index import Split
from petmood.data.sources.base import (
    Source,
    SourcePhoto,
    needed_path,
    normalize_species,
    parse_split,
    source,
)
from petmood.data.wording import printable

__all__ = ["CsvSource"]

_NEEDED = ("photo", "label")
_ALLOWED = (*_NEEDED, "split", "species")


class CsvSource:
    """A CSV table of labels; photo paths are relative to the table's folder and stay inside it.

    Accepts a byte-order mark, any line ends, and the separators `,` `;` or tab. File names may differ from those on
    disk in their Unicode normalization (NFC or NFD).
    """

    name = "csv"
    skip_bad_by_default = False
    classes: tuple[str, ...] = ()

    def __init__(self, table: Path) -> None:
        """Set the table's path; nothing is read before `scan`."""
        self.table = table

    def scan(self, progress: ProgressBar) -> list[SourcePhoto]:
        """Return one entry per line, sorted by name; raises DataError for a wrong header or encoding, or no lines.

        Missing files, repeated lines, empty labels, and photos under two labels or splits are recorded as problems of
        their entries. Every entry of a photo with two labels has a problem.
        """
        lines = self._lines()
        header = _header(lines[0], table=self.table.name)
        entries = [
            self._entry(cells, header=header, line=number)
            for number, cells in enumerate(progress(lines[1:], total=len(lines) - 1, what="reading labels"), start=2)
            if any(cell.strip() for cell in cells)
        ]
        if not entries:
            raise DataError(f"Expected lines below the header of '{self.table.name}', got none.")
        return sorted(_cross_check(entries), key=lambda entry: entry.name)

    def close(self) -> None:
        """Do nothing: the photos stay where they are."""

    def _lines(self) -> list[list[str]]:
        try:
            text = self.table.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(
                f"Expected '{self.table.name}' in UTF-8, got byte {error.object[error.start]:#04x} at "
                f"{error.start}. Save the table as 'CSV UTF-8'."
            ) from error
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        try:
            lines = list(csv.reader(text.splitlines(), delimiter=delimiter, strict=True))
        except csv.Error as error:
            raise DataError(f"'{self.table.name}' isn't a CSV table: {error}.") from error
        if not lines:
            raise DataError(f"Expected the columns {', '.join(_NEEDED)} in '{self.table.name}', got an empty file.")
        return lines

    def _entry(self, cells: list[str], *, header: list[str], line: int) -> SourcePhoto:
        if len(cells) != len(header):
            shown = printable(cells[0])
            problem = f"line {line}: expected {len(header)} cells, got {len(cells)}"
            return SourcePhoto(self.table, shown, None, problem=problem, code="bad_line")
        value = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
        name, path = self._find(value["photo"])
        label = normalize_label(value["label"]) or None
        split = parse_split(value.get("split", ""))
        code, problem = "", ""
        if path is None:
            code, problem = "missing_file", "expected a file of this name below the table's folder, found none"
        elif label is None:
            code, problem = "no_class", "expected a class name in the column label, got an empty cell"
        elif value.get("split") and split is None:
            known = ", ".join(Split)
            code, problem = "unknown_split", f"unknown split '{printable(value['split'])}'; known: {known}"
        problem = f"line {line}: {problem}" if problem else ""
        species = normalize_species(value.get("species", ""))
        return SourcePhoto(path or self.table, name, label, split, species, problem, code)

    def _find(self, text: str) -> tuple[str, Path | None]:
        """Return the name as spelled on disk and the path, which is None if no such file is inside the folder."""
        name = PurePosixPath(text.replace("\\", "/"))
        if not text or name.is_absolute() or ".." in name.parts:
            return printable(text or "(no name)"), None
        root = self.table.parent
        if (root / name).is_file():
            return name.as_posix(), root / name
        spelled = self._spellings.get(_composed(name.as_posix()))
        return (spelled, root / spelled) if spelled else (printable(text), None)

    @cached_property
    def _spellings(self) -> Mapping[str, str]:
        root = self.table.parent
        names = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file())
        return {_composed(name): name for name in names}


@source("csv")
def _open(path: Path | None) -> Source:
    table = needed_path(path, name="csv", what="a CSV table with the columns photo, label")
    if not table.is_file():
        raise DataError(f"Expected a CSV table, got the folder '{table}'. For class folders type: import folder")
    return CsvSource(table)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _header(cells: list[str], *, table: str) -> list[str]:
    header = [cell.strip().casefold() for cell in cells]
    missing = [name for name in _NEEDED if name not in header]
    unknown = [name for name in header if name not in _ALLOWED]
    if missing or unknown or len(set(header)) != len(header):
        raise DataError(
            f"Expected in line 1 of '{table}' the columns photo, label and, if wanted, split, species, each once; "
            f"got: {printable(', '.join(header))}."
        )
    return header


def _cross_check(entries: list[SourcePhoto]) -> list[SourcePhoto]:
    """Record a problem on entries that contradict or repeat one another; existing problems are kept."""
    by_name: dict[str, list[SourcePhoto]] = defaultdict(list)
    for entry in entries:
        by_name[entry.name].append(entry)
    checked = []
    for same in by_name.values():
        classes = sorted({entry.label for entry in same if entry.label})
        splits = sorted({entry.split for entry in same if entry.split})
        seen: Counter[str] = Counter()
        for entry in same:
            code, problem = entry.code, entry.problem
            if not problem and len(classes) > 1:
                code, problem = "two_labels", f"one photo with two labels: {', '.join(classes)}"
            elif not problem and len(splits) > 1:
                code, problem = "two_splits", f"one photo in two splits: {', '.join(splits)}"
            elif not problem and seen["good"]:
                code, problem = "duplicate_line", "listed twice; the first line is used"
            seen["good"] += not problem
            checked.append(replace(entry, code=code, problem=problem))
    return checked

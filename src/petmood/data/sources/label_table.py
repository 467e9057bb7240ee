"""Reader of tables of labels: encoding, delimiter and columns are detected, or given."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from petmood.core.errors import DataError
from petmood.core.labels import similar_label
from petmood.core.names import printable
from petmood.data.index import Role
from petmood.data.sources.base import TableOptions, parse_split
from petmood.data.wording import counted

__all__ = ["LabelTable", "TableRow", "read_label_table"]

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_DETECTED = (",", ";", "\t", "|")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "photo": (
        *("photo", "photos", "image", "images", "img", "picture", "file", "files", "filename", "filenames", "path"),
        *("paths", "filepath", "filepaths", "imagepath", "imagefile", "imagefilename", "imagename", "imgpath"),
        *("photopath", "photofile", "photoname"),
    ),
    "label": ("label", "labels", "class", "classes", "classname", "emotion", "category", "expression", "mood"),
    "split": ("split", "subset", "set", "partition", "dataset"),
    "species": ("species",),
    "role": ("role",),
}
"""Names of columns by what they hold, as `_plain` writes them; the first is petmood's own."""

_OPTIONS = {"photo": "--photo-column", "label": "--label-column", "split": "--split-column"}
_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_INVISIBLE = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\xa0\u200b\ufeff"
"""Characters that are removed from the ends of a cell."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its first line, from 1, and its cells; `problem` is empty if there is a cell for each column."""

    line: int
    photo: str
    label: str = ""
    split: str = ""
    species: str = ""
    role: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The rows of a table, empty ones left out, and lines for the user on the columns that were taken or ignored."""

    rows: tuple[TableRow, ...]
    notices: tuple[str, ...]


def read_label_table(path: Path, options: TableOptions) -> LabelTable:
    """Read a table with a header: UTF-8 or UTF-16, any line ends, the delimiters `,` `;` `|` or tab, quoted cells.

    Columns are found by name in any case, such as photo, image or filename, and label, class or emotion; others are
    ignored. Raises DataError for another encoding, an invalid table, a missing or ambiguous column, or no rows.
    """
    name = printable(path.name)
    text = _decoded(path.read_bytes(), name=name)
    delimiter = _DELIMITERS.get(options.delimiter.casefold(), options.delimiter)
    if len(delimiter) > 1 or (delimiter and delimiter in '"\r\n\0'):
        raise DataError(f"Expected a --delimiter of one character, such as ';', '|' or 'tab', got '{delimiter}'.")
    first = text.partition("\n")[0].strip(_INVISIBLE)
    skipped = 1 if len(first) == 5 and first.casefold().startswith("sep=") else 0  # a spreadsheet program's line
    delimiter = delimiter or (first[-1] if skipped else _detected(first, options=options))
    lines = _cells(text, delimiter=delimiter, name=name)
    header_line, header = next(((line, cells) for line, cells in lines[skipped:] if any(cells)), (1, []))
    if not header:
        raise DataError(f"Expected the columns photo, label in '{name}', got an empty file.")
    below = [(line, cells) for line, cells in lines if line > header_line and any(cells)]
    columns, notices = _columns(header, below, options=options, where=f"line {header_line} of '{name}'")
    if not below:
        raise DataError(f"Expected lines below the header of '{name}', got none.")
    return LabelTable(tuple(_row(line, cells, width=len(header), columns=columns) for line, cells in below), notices)


def _decoded(data: bytes, *, name: str) -> str:
    """Return the text with LF line ends; an encoding without a mark is UTF-8, or UTF-16 if it has its zero bytes."""
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and len(data) > 3:
        even, odd = data[:200:2], data[1:200:2]
        encoding = {0: "utf-16-be", 1: "utf-16-le"}.get(
            next((k for k, half in enumerate((even, odd)) if half.count(0) > 0.7 * len(half)), -1), encoding
        )
    try:
        return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"Expected '{name}' in UTF-8, got byte {data[error.start]:#04x} at {error.start}. Save the table as "
            "'CSV UTF-8'."
        ) from error


def _cells(text: str, *, delimiter: str, name: str) -> list[tuple[int, list[str]]]:
    """Return (line, cells) of each record; a quoted cell can hold line ends."""
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, skipinitialspace=True, strict=True)
    found, line = [], 1
    try:
        for cells in reader:
            found.append((line, [cell.strip(_INVISIBLE) for cell in cells]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"'{name}' isn't a CSV table: {error} (line {line}). Quote cells that contain a quote."
        ) from error
    return found


def _detected(header: str, *, options: TableOptions) -> str:
    """Return the delimiter by which the header has the columns that are needed, else the most frequent one."""
    needed = [
        {_plain(option)} if option else set(_NAMES[role])
        for role, option in (("photo", options.photo_column), ("label", options.label_column))
    ]

    def fitness(delimiter: str) -> tuple[int, int]:
        names = {_plain(cell.strip(f'{_INVISIBLE}"')) for cell in header.split(delimiter)}
        return sum(bool(names & known) for known in needed), header.count(delimiter)

    return max(_DETECTED, key=fitness)


def _plain(name: str) -> str:
    """Return a column's name in lower case, without spaces, hyphens and underscores."""
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _columns(
    header: Sequence[str], rows: Sequence[tuple[int, list[str]]], *, options: TableOptions, where: str
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the position of the column of each role, and lines on the other names and columns."""
    given = {"photo": options.photo_column, "label": options.label_column, "split": options.split_column}
    columns = {role: _named(header, name, role=role, where=where) for role, name in given.items() if name}
    if len(set(columns.values())) < len(columns):
        raise DataError(f"Expected a column of its own for each option, got one of {where} twice. Correct the options.")
    for role in (role for role in _NAMES if role not in columns):
        found = [k for k, cell in enumerate(header) if k not in columns.values() and _plain(cell) in _NAMES[role]]
        if role == "split":
            found = [k for k in found if _plain(header[k]) == role or _holds_splits(rows, k, width=len(header))]
        if role == "role":  # in tables of others the name can mean anything
            found = [k for k in found if _cells_of(rows, k, width=len(header)) <= {*Role}]
        if len(found) > 1:
            raise DataError(_ambiguous([header[k] for k in found], role=role, where=where))
        columns |= {role: found[0]} if found else {}
    if missing := [role for role in ("photo", "label") if role not in columns]:
        raise DataError(
            f"Expected in {where} the columns photo, label and, if wanted, split, species; "
            f"{' and '.join(missing)} not found among: {_listed(header)}. "
            f"Name {'it' if len(missing) == 1 else 'them'} with {' and '.join(_OPTIONS[role] for role in missing)}."
        )
    ignored = [header[k] for k in range(len(header)) if k not in columns.values()]
    if not given["split"]:
        _refuse_typo(ignored, where=where)
    return columns, tuple(_notices(header, columns, ignored=ignored))


def _named(header: Sequence[str], name: str, *, role: str, where: str) -> int:
    exact = [k for k, cell in enumerate(header) if cell == name.strip()]
    found = exact or [k for k, cell in enumerate(header) if _plain(cell) == _plain(name)]
    if len(found) != 1:
        many = "no column" if not found else counted(len(found), "column")
        raise DataError(
            f"Expected one column '{printable(name)}' ({_OPTIONS[role]}) in {where}, got {many}; the table has: "
            f"{_listed(header)}."
        )
    return found[0]


def _holds_splits(rows: Sequence[tuple[int, list[str]]], column: int, *, width: int) -> bool:
    cells = _cells_of(rows, column, width=width)
    return bool(cells) and all(parse_split(cell) for cell in cells)


def _cells_of(rows: Sequence[tuple[int, list[str]]], column: int, *, width: int) -> set[str]:
    """Return the different cells of a column that are not empty."""
    return {cells[column] for _, cells in rows if len(cells) == width} - {""}


def _ambiguous(names: Sequence[str], *, role: str, where: str) -> str:
    advice = f"Choose one with {_OPTIONS[role]}." if role in _OPTIONS else "Remove one."
    return f"Expected one column for the {role} in {where}, got {len(names)}: {_listed(names)}. {advice}"


def _refuse_typo(ignored: Sequence[str], *, where: str) -> None:
    for name in ignored:
        if near := similar_label(_plain(name), ["split", "species"]):
            option = " Name it with --split-column, if it is." if near == "split" else ""
            raise DataError(f"The column '{printable(name)}' in {where} looks like '{near}'. Rename it.{option}")


def _notices(header: Sequence[str], columns: Mapping[str, int], *, ignored: Sequence[str]) -> Iterator[str]:
    taken = [f"{role} from '{printable(header[k])}'" for role, k in columns.items() if _plain(header[k]) != role]
    if taken:
        yield f"Columns: {', '.join(sorted(taken))}."
    if ignored:
        yield f"Ignored {counted(len(ignored), 'column')}: {_listed(ignored)}."


def _listed(names: Sequence[str]) -> str:
    shown = [printable(name) or "(no name)" for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _row(line: int, cells: Sequence[str], *, width: int, columns: Mapping[str, int]) -> TableRow:
    kept = list(cells)
    while len(kept) > width and not kept[-1]:
        kept.pop()
    if len(kept) != width:
        shown = kept[columns["photo"]] if columns["photo"] < len(kept) else kept[0]
        return TableRow(line, shown, problem=f"expected {width} cells, got {len(kept)}")
    return TableRow(line, **{role: kept[position] for role, position in columns.items()})

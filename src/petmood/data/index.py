"""Dataset index: one row per photo in index.csv.

A dataset is a folder: `index.csv`, `rejected.csv`, `relations.csv`, `shared_regions.json`, `import.json` and
`photos/`. The index is deterministic: rows sorted by path, LF line ends, no timestamps, no absolute paths. Its hash
therefore identifies a data version.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TypeVar

from petmood.core.commands import shell_command
from petmood.core.errors import DataError
from petmood.core.files import atomic_write_text
from petmood.core.folder_kind import INDEX_NAME, folder_kind
from petmood.core.labels import is_label

__all__ = [
    "EVALUATION_SPLITS",
    "INDEX_FORMAT",
    "INDEX_NAME",
    "PHOTOS",
    "DataIndex",
    "IndexRow",
    "Role",
    "Split",
    "data_hash",
    "index_text",
    "labels_in",
    "parse_index",
    "read_index",
    "write_index",
]

INDEX_FORMAT = 2
"""Version of the columns of the index, as `schema_version` of import.json says it."""
PHOTOS = "photos"
"""Subfolder of a dataset that holds the photos, under their names in the source."""


class Split(StrEnum):
    """The part of a dataset that a photo belongs to."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


EVALUATION_SPLITS = (Split.VALID, Split.TEST)
"""The splits that a model is not trained on."""


class Role(StrEnum):
    """The part that a photo plays in its group."""

    ORIGINAL = "original"
    NEAR_DUPLICATE = "near_duplicate"
    """An augmented or re-encoded copy of its group's original."""
    EXCLUDED = "excluded"
    """Kept on disk, used nowhere; ``note`` gives the reason."""


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One photo of a dataset.

    `path` is POSIX and relative to the dataset's folder. `group_id` is equal for near-duplicates and photos of one
    animal. Width and height are in pixels, after EXIF rotation.
    """

    path: str
    sha256: str
    label: str
    split: Split
    group_id: str
    role: Role
    width: int
    height: int
    format: str
    species: str = ""
    note: str = ""


Member = TypeVar("Member", Split, Role)
COLUMNS = tuple(field.name for field in fields(IndexRow))


@dataclass(frozen=True, slots=True)
class DataIndex:
    """The rows of one dataset, sorted by path."""

    rows: tuple[IndexRow, ...]

    def __len__(self) -> int:
        """Return the number of rows, excluded ones included."""
        return len(self.rows)

    def __iter__(self) -> Iterator[IndexRow]:
        """Iterate over the rows in path order."""
        return iter(self.rows)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the dataset, sorted: the labels of its photos in use."""
        return tuple(sorted({row.label for row in self.rows if row.role != Role.EXCLUDED}))

    @property
    def hash(self) -> str:
        """The data version: the hex SHA-256 of the index."""
        return data_hash(self.rows)


def index_text(rows: Iterable[IndexRow]) -> str:
    """Return rows as the text of index.csv: a header, then one line per row, sorted by path."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in sorted(rows, key=lambda row: row.path))
    return buffer.getvalue()


def data_hash(rows: Iterable[IndexRow]) -> str:
    """Return the hex SHA-256 of the index text of these rows, independent of their order."""
    return hashlib.sha256(index_text(rows).encode()).hexdigest()


def write_index(folder: Path, rows: Iterable[IndexRow]) -> DataIndex:
    """Check the rows and write them to index.csv atomically.

    Raises DataError for an invalid label, an unknown split or role, an invalid hash, a path outside the folder, or a
    repeated path.
    """
    kept = tuple(sorted(rows, key=lambda row: row.path))
    seen: set[str] = set()
    for row in kept:
        where = f"row '{row.path}'"
        _member(Split, row.split, name="split", where=where)
        _member(Role, row.role, name="role", where=where)
        _check(row, where=where, seen=seen)
    atomic_write_text(folder / INDEX_NAME, index_text(kept))
    return DataIndex(kept)


def labels_in(*indexes: DataIndex | None) -> tuple[str, ...]:
    """Return every label of one or more indexes, sorted; labels of excluded photos count as well."""
    return tuple(sorted({row.label for index in indexes if index is not None for row in index}))


def read_index(folder: Path) -> DataIndex:
    """Read index.csv of a dataset's folder.

    Raises DataError if the file is missing or isn't an index, with the line number of an invalid row.
    """
    path = folder / INDEX_NAME
    if folder.is_file():
        raise DataError(f"Expected a dataset with an {INDEX_NAME}, got the file '{folder}'. Give the dataset's folder.")
    if not path.is_file():
        kind = folder_kind(folder)
        make = f"Make one with: {shell_command('data', 'import', 'folder', 'PHOTOS', '--output', folder)}"
        got = f"got a {kind}. Give the dataset's folder." if kind else f"got none. {make}"
        raise DataError(f"Expected a dataset with an {INDEX_NAME} in '{folder}', {got}")
    return parse_index(path.read_bytes(), name=str(path))


def parse_index(data: bytes, *, name: str) -> DataIndex:
    """Parse the bytes of an index from any source; `name` is its name in error messages.

    Raises DataError if they aren't an index, with the line number of an invalid row.
    """
    try:
        lines = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{name}' isn't an index: expected UTF-8 CSV. Import the photos again.") from error
    if lines and is_format_1(lines[0]):
        command = shell_command("data", "upgrade", "FOLDER", "--output", "FOLDER-v2")
        raise DataError(f"'{name}' has format 1, expected format 2. Convert its dataset with: {command}")
    if not lines or tuple(lines[0]) != COLUMNS:
        got = ",".join(lines[0]) if lines else "an empty file"
        raise DataError(f"'{name}' isn't an index: expected the header {','.join(COLUMNS)}; got {got}")
    seen: set[str] = set()
    rows = tuple(
        _parse(cells, where=f"{INDEX_NAME} line {number}", seen=seen) for number, cells in enumerate(lines[1:], start=2)
    )
    return DataIndex(tuple(sorted(rows, key=lambda row: row.path)))


def is_format_1(header: Sequence[str]) -> bool:
    """Return whether a header line is that of an index of format 1, which had other column names."""
    renamed = {"mood": "label", "family": "group_id"}
    return tuple(header) != COLUMNS and tuple(renamed.get(name, name) for name in header) == COLUMNS


def _parse(cells: list[str], *, where: str, seen: set[str]) -> IndexRow:
    if len(cells) != len(COLUMNS):
        raise DataError(f"{where}: expected {len(COLUMNS)} cells, got {len(cells)}")
    values = dict(zip(COLUMNS, cells, strict=True))
    width, height = values.pop("width"), values.pop("height")
    if not (width.isdecimal() and height.isdecimal()):
        raise DataError(f"{where}: expected width and height in pixels, got '{width}' and '{height}'")
    split = _member(Split, values.pop("split"), name="split", where=where)
    role = _member(Role, values.pop("role"), name="role", where=where)
    row = IndexRow(**values, split=split, role=role, width=int(width), height=int(height))
    _check(row, where=where, seen=seen)
    return row


def _member(kind: type[Member], value: str, *, name: str, where: str) -> Member:
    if value not in tuple(kind):
        raise DataError(f"{where}: unknown {name} '{value}'. Known: {', '.join(kind)}")
    return kind(value)


def _check(row: IndexRow, *, where: str, seen: set[str]) -> None:
    if not is_label(row.label):
        raise DataError(f"{where}: expected a class name in lower case, got '{row.label}'")
    path = PurePosixPath(row.path)
    if not row.path or path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: expected a path inside the dataset's folder, got '{row.path}'")
    if row.path in seen:
        raise DataError(f"{where}: duplicate photo '{row.path}'")
    if len(row.sha256) != 64:
        raise DataError(f"{where}: expected a SHA-256 of 64 hex digits, got '{row.sha256}'")
    seen.add(row.path)

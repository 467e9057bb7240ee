"""Conversion of dataset files of format 1 to format 2: column names, roles and kinds of relations."""

import csv
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from petmood.core.atomic_directory import atomic_directory, files_below
from petmood.core.errors import DataError
from petmood.core.files import atomic_write_bytes
from petmood.data.duplicates.relations import RELATIONS_NAME, RelationKind
from petmood.data.generated import CACHE_NAME, CHECK_NAME, ISSUES_NAME
from petmood.data.index import COLUMNS, INDEX_FORMAT, INDEX_NAME, DataIndex, Role, is_format_1, parse_index

__all__ = ["upgrade_dataset", "upgrade_index_bytes"]

ROLES: Final = {"copy": Role.NEAR_DUPLICATE, "dropped": Role.EXCLUDED}
KINDS: Final = {
    "same": RelationKind.EXACT_DUPLICATE,
    "copy": RelationKind.NEAR_DUPLICATE,
    "relative": RelationKind.RELATED,
}
IMPORT_NAME: Final = "import.json"


def upgrade_index_bytes(data: bytes, *, name: str) -> bytes:
    """Return the bytes of an index in format 2; ``name`` is its name in error messages.

    Raises:
        DataError: the bytes are not an index of format 1.
    """
    lines = list(csv.reader(io.StringIO(data.decode("utf-8", errors="replace"), newline="")))
    if not lines or not is_format_1(lines[0]):
        raise DataError(f"'{name}' isn't an index of format 1. Only such an index needs an upgrade.")
    upgraded = _text([list(COLUMNS), *_renamed(lines[1:], column=COLUMNS.index("role"), names=ROLES)])
    parse_index(upgraded, name=name)
    return upgraded


def upgrade_dataset(folder: Path, *, to: Path) -> DataIndex:
    """Write a copy of a dataset of format 1 in format 2 beside it; the photos are copied byte for byte.

    Caches and check reports are left out.

    Raises:
        DataError: the folder holds no dataset of format 1.
        OutputError: the target exists, or can't be written.
    """
    path = folder / INDEX_NAME
    if not path.is_file():
        raise DataError(f"Expected a dataset with an {INDEX_NAME} in '{folder}', got none.")
    index = upgrade_index_bytes(path.read_bytes(), name=str(path))
    found = parse_index(index, name=str(path))
    with atomic_directory(to) as draft:
        made = {CHECK_NAME, ISSUES_NAME}
        names = [name for name in files_below(folder) if not name.startswith(f"{CACHE_NAME}/") and name not in made]
        for name in names:
            target = draft.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target)
        atomic_write_bytes(draft.path / INDEX_NAME, index)
        if (relations := folder / RELATIONS_NAME).is_file():
            lines = list(csv.reader(io.StringIO(relations.read_text("utf-8"), newline="")))
            atomic_write_bytes(draft.path / RELATIONS_NAME, _text([*lines[:1], *_renamed(lines[1:], 2, KINDS)]))
        if (imported := folder / IMPORT_NAME).is_file():
            facts = json.loads(imported.read_bytes()) | _changed_facts(found)
            atomic_write_bytes(draft.path / IMPORT_NAME, json.dumps(facts, indent=2).encode() + b"\n")
        draft.expect(names)
    return found


def _changed_facts(index: DataIndex) -> dict[str, object]:
    return {"schema_version": INDEX_FORMAT, "classes": index.classes, "data_hash": index.hash}


def _renamed(lines: list[list[str]], column: int, names: Mapping[str, str]) -> list[list[str]]:
    return [[names.get(cell, cell) if at == column else cell for at, cell in enumerate(cells)] for cells in lines]


def _text(lines: list[list[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue().encode()

"""Related pairs of photos with their evidence: one line per pair in relations.csv."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path

from petmood.core.errors import DataError

__all__ = ["RELATIONS_NAME", "RelationKind", "RelationRow", "read_relations", "relations_text"]

RELATIONS_NAME = "relations.csv"
_HEADER = ("first", "second", "kind", "evidence")


class RelationKind(StrEnum):
    """How two photos of one group are related."""

    EXACT_DUPLICATE = "exact_duplicate"
    """Equal bytes."""
    NEAR_DUPLICATE = "near_duplicate"
    """One image, edited."""
    RELATED = "related"
    """One animal or scene, photographed again."""


@dataclass(frozen=True, slots=True)
class RelationRow:
    """Two photos of one group, by path, the first before the second."""

    first: str
    second: str
    kind: RelationKind
    evidence: str


def relations_text(links: Iterable[RelationRow]) -> str:
    """Return relations as CSV text with LF line ends, sorted."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows(sorted(astuple(link) for link in links))
    return buffer.getvalue()


def read_relations(folder: Path) -> tuple[RelationRow, ...]:
    """Read relations.csv of a dataset; a missing file gives (). Raises DataError for any other content."""
    path = folder / RELATIONS_NAME
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.reader(stream))
    if not lines or tuple(lines[0]) != _HEADER or any(len(cells) != len(_HEADER) for cells in lines):
        raise DataError(f"'{path.name}' isn't a table of relations: expected the columns {','.join(_HEADER)}.")
    rows = []
    for number, (first, second, kind, evidence) in enumerate(lines[1:], start=2):
        if kind not in tuple(RelationKind):
            raise DataError(
                f"{path.name} line {number}: unknown kind '{kind}'. Known: {', '.join(RelationKind)}. "
                "Import the photos again."
            )
        rows.append(RelationRow(first, second, RelationKind(kind), evidence))
    return tuple(rows)

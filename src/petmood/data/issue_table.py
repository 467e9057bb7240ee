"""Table of a dataset's photos with their issues, to be edited and imported again: issues.csv."""

import csv
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import DataError, OutputError
from petmood.core.files import atomic_write_text
from petmood.core.output_paths import resolve_file
from petmood.data.generated import generated_path
from petmood.data.index import DataIndex, IndexRow, Role
from petmood.data.sources.base import TableOptions
from petmood.data.sources.label_table import read_label_table
from petmood.data.validation.photo_issues import IssueReport, in_review
from petmood.data.wording import counted

__all__ = ["ISSUES_TABLE_NAME", "default_table", "issue_table_text", "refuse_target", "write_issue_table"]

ISSUES_TABLE_NAME: Final = "issues.csv"
COLUMNS: Final = ("photo", "label", "suggested_label", "issues", "label_score", "split", "species", "group_id")


@dataclass(frozen=True, slots=True)
class _Notes:
    """What the issues say of one photo."""

    kinds: tuple[str, ...] = ()
    suggested: str = ""


def issue_table_text(report: IssueReport, *, prefix: str = "") -> str:
    """Return the table as CSV text: a row for each photo, those with issues first, in the order of review.

    ``prefix`` stands before each path: the way from the table's folder to the dataset. Photos that were excluded as
    exact duplicates have no split of their own: an import lets them follow their group.
    """
    notes = _notes(report)
    order: dict[str, int] = {}
    for issue in report.issues:
        for path in issue.paths:
            order.setdefault(path, len(order))
    rows = sorted(in_review(report.index), key=lambda row: (order.get(row.path, len(order)), row.path))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        found, score = notes.get(row.path, _Notes()), report.labels.by_path.get(row.path)
        quality = f"{score.quality:.4f}" if score else ""
        shown = (row.label, found.suggested, " ".join(found.kinds), quality, _split(row), row.species, row.group_id)
        writer.writerow((f"{prefix}{row.path}", *shown))
    return buffer.getvalue()


def write_issue_table(report: IssueReport, folder: Path, *, to: Path) -> None:
    """Write the table of the dataset in ``folder`` atomically.

    Raises:
        OutputError: see ``refuse_target``.
    """
    refuse_target(to, folder, report.index)
    atomic_write_text(to, issue_table_text(report, prefix=_way(to, folder)))


def default_table(folder: Path) -> Path | None:
    """Return the table's default file, in the dataset's folder; None if it can't be written there."""
    own = folder / ISSUES_TABLE_NAME
    return own if generated_path(folder, ISSUES_TABLE_NAME) == own else None


def refuse_target(to: Path, folder: Path, index: DataIndex) -> None:
    """Refuse a file from which the photos can't be imported, or that would replace work.

    Raises:
        OutputError: the file's folder is neither that of the dataset nor above it, or the file holds a table that has
            been edited, or anything else.
    """
    prefix = _way(to, folder)
    resolve_file(to)
    _refuse_edited(to, {f"{prefix}{row.path}".strip(): _read_back(row) for row in in_review(index)})


def _way(to: Path, folder: Path) -> str:
    """Return the way from a table's folder to the dataset, with "/" at its end; empty in the dataset itself."""
    above, dataset = Path(os.path.realpath(to)).parent, folder.resolve()  # links in a circle are refused later
    if not dataset.is_relative_to(above):
        raise OutputError(
            f"Expected --csv in the dataset '{folder}' or in a folder above it, where `data import` finds the photos, "
            f"got '{to}'. Choose another file."
        )
    way = dataset.relative_to(above).as_posix()
    return "" if way == "." else f"{way}/"


def _read_back(row: IndexRow) -> tuple[str, str, str]:
    """Return what an import reads of a row: its label, split and species."""
    return row.label.strip(), _split(row), row.species.strip()


def _split(row: IndexRow) -> str:
    return "" if row.role == Role.EXCLUDED else str(row.split)


def _refuse_edited(to: Path, known: Mapping[str, tuple[str, str, str]]) -> None:
    if not to.exists():
        return
    try:
        rows = read_label_table(to, TableOptions(photo_column="photo", label_column="label")).rows
    except (DataError, OSError) as error:
        raise OutputError(f"'{to}' is not a table of issues. Choose another file with --csv.") from error
    there = {row.photo: (row.label, row.split, row.species) for row in rows}
    changed = sum(path in there and there[path] != cells for path, cells in known.items())
    dropped = sum(path not in there for path in known)
    if changed or dropped or len(there) > len(known):
        differences = f"{counted(changed, 'changed row')}, {counted(dropped, 'missing photo')}"
        raise OutputError(
            f"'{to}' differs from the dataset ({differences}) and may hold your work. Import it, delete it, or choose "
            "another file with --csv."
        )


def _notes(report: IssueReport) -> dict[str, _Notes]:
    kinds: dict[str, list[str]] = defaultdict(list)
    suggested: dict[str, str] = {}
    for issue in report.issues:
        for path in issue.paths:
            kinds[path].append(issue.kind)
            if issue.suggested:
                suggested.setdefault(path, issue.suggested)  # a correction comes before a likely error
    return {path: _Notes(tuple(_once(found)), suggested.get(path, "")) for path, found in kinds.items()}


def _once(names: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(names)

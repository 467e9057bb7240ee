"""Report of a dataset diff: an HTML page with thumbnails, a Markdown comment for a pull request, and JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from petmood.core.files import atomic_write_json, atomic_write_text
from petmood.data.index import DataIndex, IndexRow, Role, Split, labels_in
from petmood.data.validation.diff_rules import DatasetDiffReport
from petmood.presentation.thumbnails import Thumbnails, folder_thumbnails
from petmood.reports.dataset_diff_markdown import dataset_diff_markdown
from petmood.reports.templates import page_template

__all__ = ["SHOWN", "write_dataset_diff"]

SHOWN: Final = 12
"""Number of thumbnails in each section of the page."""
BUDGET_BYTES: Final = 1_400_000
"""Bytes of thumbnails from each of the two versions."""
LISTED: Final = 200
TEMPLATE: Final = "dataset_diff.html.j2"


@dataclass(frozen=True, slots=True)
class _Thumb:
    uri: str | None
    caption: str


@dataclass(frozen=True, slots=True)
class _Part:
    title: str
    count: int
    thumbs: tuple[_Thumb, ...]


def write_dataset_diff(report: DatasetDiffReport, folder: Path, *, against: Path | None = None, to: Path) -> None:
    """Write ``report.html``, ``report.md`` and ``report.json`` into a folder.

    Thumbnails are embedded, the page loads nothing, and names are escaped. The shown photos are selected by SHA-256.
    """
    page = page_template(TEMPLATE).render(
        report=report,
        splits=tuple(Split),
        counts=_counts(report),
        parts=[part for part in _parts(report, folder, against) if part.count],
        listed=LISTED,
    )
    atomic_write_text(to / "report.html", page)
    atomic_write_text(to / "report.md", dataset_diff_markdown(report))
    atomic_write_json(to / "report.json", _facts(report))


def _facts(report: DatasetDiffReport) -> dict[str, Any]:
    change = report.diff
    return {
        "name": report.validation.name,
        "version": report.validation.index.hash,
        "old": report.old.hash if report.old else None,
        "has_violations": report.has_violations,
        "violations": [asdict(reason) for reason in report.violations],
        "added": [row.path for row in change.added],
        "removed": [row.path for row in change.removed],
        "relabelled": [{"path": b.new.path, "old": b.old.label, "new": b.new.label} for b in change.relabelled],
        "moved": [{"path": b.new.path, "old": b.old.split, "new": b.new.split} for b in change.moved],
        "drift": [asdict(drift) for drift in report.drifts],
        "counts": [
            {"label": m, "split": s, "role": r, "photos": n}
            for (m, s, r), n in sorted(report.validation.counts.items())
        ],
    }


def _counts(report: DatasetDiffReport) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return, for each class, per split and in total, the number of original photos and its change."""
    table = []
    for label in labels_in(report.old, report.validation.index):
        now = [_originals(report.validation.index, label, split) for split in Split]
        then = [_originals(report.old, label, split) for split in Split] if report.old else now
        pairs = list(zip(now, then, strict=True))
        table.append((label, [(a, a - b) for a, b in [*pairs, (sum(now), sum(then))]]))
    return table


def _originals(index: DataIndex, label: str, split: Split) -> int:
    return sum(row.role == Role.ORIGINAL and row.label == label and row.split == split for row in index)


def _parts(report: DatasetDiffReport, folder: Path, against: Path | None) -> Iterator[_Part]:
    change, new = report.diff, folder_thumbnails(folder, budget_bytes=BUDGET_BYTES)
    if report.old is None or against is None:
        yield _part("Photos", new, [(row, row.label) for row in change.added])
        return
    yield _part("Added", new, [(row, f"{row.label}, {row.split}") for row in change.added])
    yield _part(
        "Removed",
        folder_thumbnails(against, budget_bytes=BUDGET_BYTES),
        [(row, f"{row.label}, {row.split}") for row in change.removed],
    )
    yield _part("Relabeled", new, [(b.new, f"{b.old.label} -> {b.new.label}") for b in change.relabelled])
    yield _part("In another split", new, [(b.new, f"{b.old.split} -> {b.new.split}") for b in change.moved])


def _part(title: str, thumbnails: Thumbnails, rows: Sequence[tuple[IndexRow, str]]) -> _Part:
    ordered = sorted(rows, key=lambda pair: pair[0].sha256)
    positions = np.linspace(0, len(ordered) - 1, min(SHOWN, len(ordered))).round().astype(int)
    chosen = [ordered[int(position)] for position in positions]
    thumbs = tuple(_Thumb(thumbnails.uri(row.path), f"{said}: {row.path}") for row, said in chosen)
    return _Part(title, len(ordered), thumbs)

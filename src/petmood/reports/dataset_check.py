"""Dataset validation report: one self-contained HTML file with thumbnails."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from petmood.core.files import atomic_write_text
from petmood.data.index import PHOTOS, IndexRow, Role, Split, labels_in
from petmood.data.split import find_group_leaks
from petmood.data.validation.issues import ODD_DESCRIPTIONS, ValidationReport
from petmood.presentation.thumbnails import Thumbnails, folder_thumbnails
from petmood.reports.templates import page_template

__all__ = ["write_check_report"]

_LISTED = 200
_A_LABEL = 12
_GROUPS = 18
_A_GROUP = 8
_TEMPLATE = "dataset_check.html.j2"


@dataclass(frozen=True, slots=True)
class _Thumb:
    uri: str | None
    label: str
    caption: str


@dataclass(frozen=True, slots=True)
class _Part:
    title: str
    text: str
    thumbs: tuple[_Thumb, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    title: str
    text: str
    parts: tuple[_Part, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    originals: int
    copies: int
    share: int


@dataclass(frozen=True, slots=True)
class _Balance:
    label: str
    cells: tuple[_Cell, ...]


def write_check_report(report: ValidationReport, folder: Path, *, to: Path) -> None:
    """Write the validation report of the dataset in `folder` as one HTML file of about 6 MB at most.

    The sampled photos are the same in every run. Names are escaped, and the page loads no external resources.
    """
    thumbnails = folder_thumbnails(folder)
    groups = (
        _leaks(report, thumbnails),
        _conflicts(report, thumbnails),
        _shared_regions(report, thumbnails),
        _samples(report, thumbnails),
        _groups(report, thumbnails),
        _odd(report, thumbnails),
    )
    html = page_template(_TEMPLATE).render(
        report=report,
        total=len(report.index),
        tiles=_tiles(report),
        splits=tuple(Split),
        balance=_balance(report),
        groups=[group for group in groups if group.parts],
        listed=_LISTED,
    )
    atomic_write_text(to, html)


def _tiles(report: ValidationReport) -> list[tuple[str, int]]:
    roles = [row.role for row in report.index]
    return [
        ("originals", roles.count(Role.ORIGINAL)),
        ("near-duplicates", roles.count(Role.NEAR_DUPLICATE)),
        ("excluded", roles.count(Role.EXCLUDED)),
        ("rejected", len(report.rejected)),
        ("groups", len({row.group_id for row in report.index if row.role != Role.EXCLUDED})),
        ("label conflicts", len(report.conflicts)),
    ]


def _balance(report: ValidationReport) -> list[_Balance]:
    counts = report.counts
    table = []
    for label in labels_in(report.index):
        pairs = [
            (counts.get((label, split, Role.ORIGINAL), 0), counts.get((label, split, Role.NEAR_DUPLICATE), 0))
            for split in Split
        ]
        pairs.append((sum(a for a, _ in pairs), sum(b for _, b in pairs)))
        table.append((label, pairs))
    most = max(1, *(originals for _, pairs in table for originals, _ in pairs))
    return [_Balance(label, tuple(_Cell(a, b, round(100 * a / most)) for a, b in pairs)) for label, pairs in table]


def _leaks(report: ValidationReport, thumbnails: Thumbnails) -> _Group:
    rows = {row.path: row for row in report.index}
    parts = [
        _part(thumbnails, [rows[path] for _, path in leak.paths], title=" and ".join(leak.splits))
        for leak in find_group_leaks(report.index)[:_GROUPS]
    ]
    return _Group("Leaks", "Groups with photos in several splits; scores would be too optimistic.", tuple(parts))


def _conflicts(report: ValidationReport, thumbnails: Thumbnails) -> _Group:
    parts = []
    for conflict in report.conflicts[:_GROUPS]:
        paired = {path for link in conflict.relations for path in (link.first, link.second)}
        rows = sorted(conflict.rows, key=lambda row: (row.path not in paired, row.label, row.path))
        evidence = conflict.relations[0].evidence if conflict.relations else ""
        classes = " or ".join(sorted({row.label for row in rows}))
        parts.append(_part(thumbnails, _across_classes(rows), title=f"{classes}?", text=evidence))
    text = "Groups with photos of two labels. Correct the wrong label at the source."
    return _Group("Label conflicts", text, tuple(parts))


def _across_classes(rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Order rows so that the first ones show every class of the group."""
    first: dict[str, IndexRow] = {}
    for row in rows:
        first.setdefault(row.label, row)
    return [*first.values(), *(row for row in rows if row not in first.values())]


def _shared_regions(report: ValidationReport, thumbnails: Thumbnails) -> _Group:
    rows = {row.path: row for row in report.index}
    parts = []
    for one in report.shared[:_GROUPS]:
        found = [rows[path] for path in one.paths if path in rows]
        text = f"{len(found)} photos of {', '.join(sorted({row.label for row in found}))}"
        parts.append(_part(thumbnails, _across_classes(found), title=one.region, text=text))
    text = "Unrelated photos that show the same in one region. It was not used to group them; a model may learn it."
    return _Group("Shared regions", text, tuple(parts))


def _samples(report: ValidationReport, thumbnails: Thumbnails) -> _Group:
    parts = []
    for label in labels_in(report.index):
        rows = [row for row in report.index if row.label == label and row.role == Role.ORIGINAL]
        chosen = _spread(sorted(rows, key=lambda row: row.sha256), _A_LABEL)
        if chosen:
            parts.append(_part(thumbnails, chosen, title=label, text=f"{len(chosen)} of {len(rows)}"))
    return _Group("Classes", "A sample of the originals.", tuple(parts))


def _spread(rows: Sequence[IndexRow], count: int) -> list[IndexRow]:
    positions = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [rows[int(position)] for position in positions]


def _groups(report: ValidationReport, thumbnails: Thumbnails) -> _Group:
    members: dict[str, list[IndexRow]] = defaultdict(list)
    for row in report.index:
        members[row.group_id].append(row)
    many = [rows for rows in members.values() if len(rows) > 1]
    many.sort(key=lambda rows: (-len(rows), rows[0].group_id))
    order: Mapping[str, int] = {role: number for number, role in enumerate(Role)}
    parts = [
        _part(
            thumbnails,
            sorted(rows, key=lambda row: (order[row.role], row.path)),
            title=f"{len(rows)} photos",
            text=rows[0].split,
        )
        for rows in many[:_GROUPS]
    ]
    text = f"Related photos and near-duplicates, found from the pixels: {len(many)} groups, largest first."
    return _Group("Groups", text, tuple(parts))


def _odd(report: ValidationReport, thumbnails: Thumbnails) -> _Group:
    rows = {row.path: row for row in report.index}
    parts = [
        _part(thumbnails, [rows[path] for path in finding.paths], title=ODD_DESCRIPTIONS[finding.code])
        for finding in report.issues
        if finding.code in ODD_DESCRIPTIONS
    ]
    return _Group("Unusual files", "Usable, but worth a review.", tuple(parts))


def _part(thumbnails: Thumbnails, rows: Iterable[IndexRow], *, title: str, text: str = "") -> _Part:
    every = list(rows)
    shown = every[:_A_GROUP] if len(every) > _A_LABEL else every
    more = f" ({len(shown)} of {len(every)} shown)" if len(shown) < len(every) else ""
    return _Part(title, text + more, tuple(_thumb(thumbnails, row) for row in shown))


def _thumb(thumbnails: Thumbnails, row: IndexRow) -> _Thumb:
    role = "" if row.role == Role.ORIGINAL else f" {row.role}"
    note = f" ({row.note})" if row.note else ""
    caption = f"{row.path.removeprefix(PHOTOS + '/')}{note}"
    return _Thumb(thumbnails.uri(row.path), f"{row.label}{role}", caption)

"""What does a check look like to a person? One self-contained HTML file with contact sheets."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np

from petmood.core.files import write_text
from petmood.core.moods import MOODS
from petmood.data.cataloguing import PHOTOS
from petmood.data.index import SPLITS, IndexRow
from petmood.data.quality import ODD_WORDS, CheckReport
from petmood.data.split import straddling
from petmood.data.thumbnail import jpeg_base64

__all__ = ["write_check_report"]

_LISTED = 200
_A_MOOD = 12
_GROUPS = 18
_A_GROUP = 8
_TEMPLATE = "check_report.html.j2"


@dataclass(frozen=True, slots=True)
class _Thumb:
    data: str
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
    mood: str
    cells: tuple[_Cell, ...]


def write_check_report(report: CheckReport, folder: Path, *, to: Path) -> None:
    """Write a check of the data set in `folder` as one HTML file, under about 3 MB whatever the set's size.

    Samples are the same at every run; names are escaped; nothing is loaded from anywhere.
    """
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    text = resources.files("petmood.data").joinpath("templates", _TEMPLATE).read_text(encoding="utf-8")
    groups = (
        _leaks(report, folder),
        _conflicts(report, folder),
        _samples(report, folder),
        _families(report, folder),
        _odd(report, folder),
    )
    html = environment.from_string(text).render(
        report=report,
        total=len(report.index),
        tiles=_tiles(report),
        splits=SPLITS,
        balance=_balance(report),
        groups=[group for group in groups if group.parts],
        listed=_LISTED,
    )
    write_text(to, html)


def _tiles(report: CheckReport) -> list[tuple[str, int]]:
    roles = [row.role for row in report.index]
    return [
        ("originals", roles.count("original")),
        ("copies", roles.count("copy")),
        ("dropped", roles.count("dropped")),
        ("rejected", len(report.rejected)),
        ("families", len({row.family for row in report.index if row.role != "dropped"})),
        ("label conflicts", len(report.conflicts)),
    ]


def _balance(report: CheckReport) -> list[_Balance]:
    counts = report.counts
    table = []
    for mood in MOODS:
        pairs = [(counts.get((mood, split, "original"), 0), counts.get((mood, split, "copy"), 0)) for split in SPLITS]
        pairs.append((sum(a for a, _ in pairs), sum(b for _, b in pairs)))
        table.append((mood, pairs))
    most = max(1, *(originals for _, pairs in table for originals, _ in pairs))
    return [_Balance(mood, tuple(_Cell(a, b, round(100 * a / most)) for a, b in pairs)) for mood, pairs in table]


def _leaks(report: CheckReport, folder: Path) -> _Group:
    rows = {row.path: row for row in report.index}
    parts = [
        _part(folder, [rows[path] for _, path in leak.paths], title=" and ".join(leak.splits))
        for leak in straddling(report.index)[:_GROUPS]
    ]
    return _Group("Leaks", "One animal on both sides of a measurement: a score would flatter.", tuple(parts))


def _conflicts(report: CheckReport, folder: Path) -> _Group:
    parts = []
    for conflict in report.conflicts[:_GROUPS]:
        paired = {path for link in conflict.links for path in (link.first, link.second)}
        rows = sorted(conflict.rows, key=lambda row: (row.path not in paired, row.mood, row.path))
        evidence = conflict.links[0].evidence if conflict.links else ""
        moods = " or ".join(sorted({row.mood for row in rows}))
        parts.append(_part(folder, _across_moods(rows), title=f"{moods}?", text=evidence))
    text = "One animal under two moods. Look, decide, and correct the label at the source."
    return _Group("Label conflicts", text, tuple(parts))


def _across_moods(rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Order rows so that the first ones show every mood of the family."""
    first: dict[str, IndexRow] = {}
    for row in rows:
        first.setdefault(row.mood, row)
    return [*first.values(), *(row for row in rows if row not in first.values())]


def _samples(report: CheckReport, folder: Path) -> _Group:
    parts = []
    for mood in MOODS:
        rows = [row for row in report.index if row.mood == mood and row.role == "original"]
        chosen = _spread(sorted(rows, key=lambda row: row.sha256), _A_MOOD)
        if chosen:
            parts.append(_part(folder, chosen, title=mood, text=f"{len(chosen)} of {len(rows)}"))
    return _Group("Moods", "A sample of the originals.", tuple(parts))


def _spread(rows: Sequence[IndexRow], count: int) -> list[IndexRow]:
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [rows[int(place)] for place in places]


def _families(report: CheckReport, folder: Path) -> _Group:
    members: dict[str, list[IndexRow]] = defaultdict(list)
    for row in report.index:
        members[row.family].append(row)
    many = [rows for rows in members.values() if len(rows) > 1]
    many.sort(key=lambda rows: (-len(rows), rows[0].family))
    order = {"original": 0, "copy": 1, "dropped": 2}
    parts = [
        _part(
            folder,
            sorted(rows, key=lambda row: (order[row.role], row.path)),
            title=f"{len(rows)} photos",
            text=rows[0].split,
        )
        for rows in many[:_GROUPS]
    ]
    text = f"Photos of one animal or copies of one photo, found from the pixels: {len(many)} families, largest first."
    return _Group("Families", text, tuple(parts))


def _odd(report: CheckReport, folder: Path) -> _Group:
    rows = {row.path: row for row in report.index}
    parts = [
        _part(folder, [rows[path] for path in finding.paths], title=ODD_WORDS[finding.code])
        for finding in report.findings
        if finding.code in ODD_WORDS
    ]
    return _Group("Unusual files", "Usable, but worth a look.", tuple(parts))


def _part(folder: Path, rows: Iterable[IndexRow], *, title: str, text: str = "") -> _Part:
    every = list(rows)
    shown = every[:_A_GROUP] if len(every) > _A_MOOD else every
    more = f" ({len(shown)} of {len(every)} shown)" if len(shown) < len(every) else ""
    return _Part(title, text + more, tuple(_thumb(folder, row) for row in shown))


def _thumb(folder: Path, row: IndexRow) -> _Thumb:
    role = "" if row.role == "original" else f" {row.role}"
    note = f" ({row.note})" if row.note else ""
    caption = f"{row.path.removeprefix(PHOTOS + '/')}{note}"
    return _Thumb(jpeg_base64(folder / row.path), f"{row.mood}{role}", caption)

"""What does a change of data look like? A page with pictures, a comment for a pull request, and the facts as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np

from petmood.core.files import write_json, write_text
from petmood.core.moods import MOODS
from petmood.data.change_markdown import change_markdown
from petmood.data.change_verdict import ChangeReport
from petmood.data.index import SPLITS, DataIndex, IndexRow
from petmood.data.thumbnail import jpeg_base64

__all__ = ["SHOWN", "write_change_report"]

SHOWN: Final = 12
"""How many pictures a part of the page has."""
LISTED: Final = 200
TEMPLATE: Final = "change_report.html.j2"


@dataclass(frozen=True, slots=True)
class _Thumb:
    data: str
    caption: str


@dataclass(frozen=True, slots=True)
class _Part:
    title: str
    count: int
    thumbs: tuple[_Thumb, ...]


def write_change_report(report: ChangeReport, folder: Path, *, against: Path | None = None, to: Path) -> None:
    """Write ``report.html``, ``report.md`` and ``report.json`` into a folder.

    The page holds its pictures and loads nothing; names are escaped. Which photos are shown depends on their bytes.
    """
    text = resources.files("petmood.data").joinpath("templates", TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(text).render(
        report=report,
        splits=SPLITS,
        counts=_counts(report),
        parts=[part for part in _parts(report, folder, against) if part.count],
        listed=LISTED,
    )
    write_text(to / "report.html", page)
    write_text(to / "report.md", change_markdown(report))
    write_json(to / "report.json", _facts(report))


def _facts(report: ChangeReport) -> dict[str, Any]:
    change = report.change
    return {
        "name": report.check.name,
        "version": report.check.index.hash,
        "last": report.last.hash if report.last else None,
        "bad": report.bad,
        "reasons": [asdict(reason) for reason in report.reasons],
        "added": [row.path for row in change.added],
        "removed": [row.path for row in change.removed],
        "relabelled": [{"path": b.new.path, "last": b.last.mood, "new": b.new.mood} for b in change.relabelled],
        "moved": [{"path": b.new.path, "last": b.last.split, "new": b.new.split} for b in change.moved],
        "drift": [asdict(drift) for drift in report.drifts],
        "counts": [
            {"mood": m, "split": s, "role": r, "photos": n} for (m, s, r), n in sorted(report.check.counts.items())
        ],
    }


def _counts(report: ChangeReport) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return for each mood, and each split and all, the originals now and how many more they are than before."""
    table = []
    for mood in MOODS:
        now = [_originals(report.check.index, mood, split) for split in SPLITS]
        then = [_originals(report.last, mood, split) for split in SPLITS] if report.last else now
        pairs = list(zip(now, then, strict=True))
        table.append((mood, [(a, a - b) for a, b in [*pairs, (sum(now), sum(then))]]))
    return table


def _originals(index: DataIndex, mood: str, split: str) -> int:
    return sum(row.role == "original" and row.mood == mood and row.split == split for row in index)


def _parts(report: ChangeReport, folder: Path, against: Path | None) -> Iterator[_Part]:
    change = report.change
    if report.last is None or against is None:
        yield _part("Photos", folder, [(row, row.mood) for row in change.added])
        return
    yield _part("Added", folder, [(row, f"{row.mood}, {row.split}") for row in change.added])
    yield _part("Removed", against, [(row, f"{row.mood}, {row.split}") for row in change.removed])
    yield _part("Relabelled", folder, [(b.new, f"{b.last.mood} -> {b.new.mood}") for b in change.relabelled])
    yield _part("In another split", folder, [(b.new, f"{b.last.split} -> {b.new.split}") for b in change.moved])


def _part(title: str, folder: Path, rows: Sequence[tuple[IndexRow, str]]) -> _Part:
    ordered = sorted(rows, key=lambda pair: pair[0].sha256)
    places = np.linspace(0, len(ordered) - 1, min(SHOWN, len(ordered))).round().astype(int)
    chosen = [ordered[int(place)] for place in places]
    thumbs = tuple(_Thumb(jpeg_base64(folder / row.path), f"{said}: {row.path}") for row, said in chosen)
    return _Part(title, len(ordered), thumbs)

"""Page of a dataset's issues: the photos to review first, with their labels, as one self-contained HTML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.commands import shell_command
from petmood.core.files import atomic_write_text
from petmood.core.names import printable
from petmood.data.index import PHOTOS, IndexRow, Role
from petmood.data.validation.issue_kinds import DESCRIPTIONS, IssueKind
from petmood.data.validation.photo_issues import IssueReport, PhotoIssue
from petmood.data.wording import counted
from petmood.presentation.thumbnails import Thumbnails, folder_thumbnails
from petmood.reports.templates import page_template

__all__ = ["write_issues_page"]

SIDE_PX: Final = 150
BUDGET_BYTES: Final = 8_000_000
SHOWN: Final = 90
"""Issues of one kind that are shown at most; the table has all of them."""
SHOWN_GROUPS: Final = 24
SHOWN_IN_GROUP: Final = 8
TEMPLATE: Final = "data_issues.html.j2"
GROUPS: Final = (IssueKind.LABEL_CONFLICT, IssueKind.EXACT_DUPLICATES, IssueKind.NEAR_DUPLICATES)
TITLES: Final[Mapping[IssueKind, str]] = {
    IssueKind.CORRECTION: "Corrections by feedback",
    IssueKind.LABEL_ERROR: "Likely label errors",
    IssueKind.LABEL_CONFLICT: "Label conflicts",
    IssueKind.EXACT_DUPLICATES: "Exact duplicates",
    IssueKind.NEAR_DUPLICATES: "Near-duplicates",
    IssueKind.DARK: "Dark photos",
    IssueKind.LIGHT: "Bright photos",
    IssueKind.BLURRY: "Blurry photos",
    IssueKind.LOW_INFORMATION: "Photos with little information",
    IssueKind.ODD_SIZE: "Odd sizes",
    IssueKind.ODD_ASPECT_RATIO: "Odd shapes",
    IssueKind.GRAYSCALE: "Gray photos",
}


@dataclass(frozen=True, slots=True)
class _Photo:
    name: str
    label: str
    uri: str | None
    note: str


@dataclass(frozen=True, slots=True)
class _Card:
    """An issue of one photo, or of the photos of a group; ``facts`` are lines below it."""

    photos: tuple[_Photo, ...]
    suggested: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    kind: IssueKind
    title: str
    text: str
    count: int
    more: str
    cards: tuple[_Card, ...]
    is_grouped: bool


def write_issues_page(report: IssueReport, folder: Path, *, table: Path | None, to: Path) -> None:
    """Write the issues of the dataset in ``folder`` as one HTML file of about 9 MB at most.

    ``table`` is the file with all photos, which the page names. Names are escaped, and no external resource is loaded.
    """
    thumbnails = folder_thumbnails(folder, side_px=SIDE_PX, budget_bytes=BUDGET_BYTES)
    rows = {row.path: row for row in report.index}
    found = [(kind, [issue for issue in report.issues if issue.kind == kind]) for kind in IssueKind]
    sections = [_section(kind, issues, rows, thumbnails, report) for kind, issues in found if issues]
    html = page_template(TEMPLATE).render(
        report=report,
        sections=sections,
        table=table,
        command=shell_command("data", "import", "csv", table or "TABLE", "--output", "NEW-FOLDER"),
    )
    atomic_write_text(to, html)


def _section(
    kind: IssueKind,
    issues: Sequence[PhotoIssue],
    rows: Mapping[str, IndexRow],
    thumbnails: Thumbnails,
    report: IssueReport,
) -> _Section:
    is_grouped = kind in GROUPS
    shown = issues[: SHOWN_GROUPS if is_grouped else SHOWN]
    more = f"The first {len(shown)} of {len(issues)} are shown; the table has all." if len(shown) < len(issues) else ""
    cards = tuple(_card(issue, rows, thumbnails) for issue in shown)
    text = f"{DESCRIPTIONS[kind][0].upper()}{DESCRIPTIONS[kind][1:]}."
    return _Section(kind, TITLES[kind], text, report.counts[kind], more, cards, is_grouped)


def _card(issue: PhotoIssue, rows: Mapping[str, IndexRow], thumbnails: Thumbnails) -> _Card:
    is_grouped = issue.kind in GROUPS
    paths = issue.paths[:SHOWN_IN_GROUP] if is_grouped else issue.paths[:1]
    photos = tuple(_photo(rows[path], thumbnails) for path in paths)
    return _Card(photos, issue.suggested, tuple(_facts(issue, rows[issue.paths[0]], shown=len(paths))))


def _photo(row: IndexRow, thumbnails: Thumbnails) -> _Photo:
    note = "" if row.role == Role.ORIGINAL else str(row.role).replace("_", "-")
    return _Photo(printable(row.path.removeprefix(f"{PHOTOS}/")), row.label, thumbnails.uri(row.path), note)


def _facts(issue: PhotoIssue, first: IndexRow, *, shown: int) -> list[str]:
    facts = []
    if issue.kind in {IssueKind.ODD_SIZE, IssueKind.ODD_ASPECT_RATIO}:
        facts.append(f"{first.width} x {first.height} pixels")
    if issue.score is not None and issue.kind != IssueKind.GRAYSCALE:
        facts.append(f"score {issue.score:.2f}")
    if issue.text:
        facts.append(issue.text)
    if issue.kind in GROUPS and shown < len(issue.paths):
        facts.append(f"{shown} of {len(issue.paths)} photos shown")
    elif issue.kind not in GROUPS and len(issue.paths) > 1:
        facts.append(f"and {counted(len(issue.paths) - 1, 'near-duplicate')}")
    return facts

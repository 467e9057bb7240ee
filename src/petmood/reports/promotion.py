"""Promotion report as JSON, Markdown for a pull request, and HTML.

Names and reasons come from untrusted bundles, so all text is escaped in Markdown and HTML.
"""

import html
import math
import re
from pathlib import Path
from typing import Final

from petmood.core.files import atomic_write_json, atomic_write_text
from petmood.presentation.display_names import photos_of_split
from petmood.promotion.compare import BundleInfo
from petmood.promotion.records import HeldOut, PromotionReport
from petmood.reports.templates import page_template

__all__ = ["markdown", "photos_text", "render_promotion_report", "summary", "write_promotion_report"]

TEMPLATE: Final = "promotion.html.j2"
MARKS: Final = re.compile(r"([\\`*_{}\[\]|~$])")
LINKS: Final = re.compile(r"(@|#|www|:|/(?=/))(?=\S)")
"""Characters that GitHub turns into a mention, reference or link, unless an invisible character follows."""
INVISIBLE: Final = "\u200b"


def write_promotion_report(report: PromotionReport, folder: Path) -> None:
    """Write promotion.json, promotion.md and promotion.html into a folder, each atomically."""
    atomic_write_json(folder / "promotion.json", report.to_json())
    atomic_write_text(folder / "promotion.md", markdown(report))
    atomic_write_text(folder / "promotion.html", render_promotion_report(report))


def markdown(report: PromotionReport) -> str:
    """Format the report as a pull request comment: the decision, the reasons and a table of all checks."""
    lines = [f"## Promotion checks: {report.verdict}", "", _plain(summary(report)), ""]
    lines += [f"- {_plain(line)}" for line in report.failed]
    lines += ["", "| check | verdict | measured | limit |", "|---|---|---|---|"]
    for check in report.checks:
        verdict = "passed" if check.passed else "**refused**"
        lines.append(f"| {check.name} | {verdict} | {_plain(check.measured)} | {_plain(check.limit)} |")
    lines += ["", *(f"- {_plain(note)}" for note in report.notes), "", _plain(photos_text(report.held_out))]
    lines += ["", _plain(report.reuse_text()), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def render_promotion_report(report: PromotionReport) -> str:
    """Render the report as one self-contained HTML page."""
    return page_template(TEMPLATE).render(
        report=report, summary=summary(report), photos=photos_text(report.held_out), reach=_reach(report)
    )


def summary(report: PromotionReport) -> str:
    """Summarize in one sentence the candidate, the champion and the result."""
    against = f"against {_named(report.champion)}" if report.champion else "without a champion to compare with"
    failed, asked = len(report.failed), len(report.checks)
    result = f"passed all {asked} checks" if report.passed else f"failed {failed} of {asked} checks"
    return f"The candidate {_named(report.candidate)}, {against}, {result}."


def photos_text(held_out: HeldOut | None) -> str:
    """Describe in one sentence the photos used for the checks."""
    if held_out is None:
        return "No photos were used."
    counts = ", ".join(f"{count} {label}" for label, count in held_out.classes.items())
    text = f"Evaluated on {photos_of_split(held_out.split, held_out.photos)} of {held_out.groups} groups"
    text += f" ({counts})" if counts else ""
    text += f", {held_out.excluded_text()}" if held_out.excluded else ""
    return f"{text}; data version {held_out.data_hash[:12]}. {held_out.matching_text()}".strip()


def _reach(report: PromotionReport) -> float:
    """Return the axis limit of the chart of differences: the largest distance from 0, rounded up to a tenth."""
    differences = [part.difference for check in report.checks for part in check.parts]
    farthest = max((max(abs(d.low), abs(d.high)) for d in differences), default=0.0)
    return max(1, math.ceil(10 * farthest - 1e-9)) / 10


def _named(subject: BundleInfo) -> str:
    version = f" {subject.version}" if subject.version else ""
    return f"{subject.name}{version}"


def _plain(text: str) -> str:
    """Escape text to one Markdown line that is shown literally, without links or mentions."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    escaped = MARKS.sub(r"\\\1", html.escape(" ".join(shown.split()), quote=False))
    return LINKS.sub(rf"\1{INVISIBLE}", escaped)

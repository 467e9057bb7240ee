"""What did the gate find? One record, written as JSON for programs, Markdown for a pull request and HTML for a person.

Names and reasons come out of bundles that anybody may have made, so everything is escaped in both kinds of text.
"""

import html
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from petmood.core.files import write_json, write_text
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.judging import Subject
from petmood.evaluation.pages import page_template

__all__ = [
    "SCHEMA_VERSION",
    "Check",
    "GateReport",
    "HeldOut",
    "Part",
    "markdown",
    "photos_text",
    "render_gate_report",
    "summary",
    "write_gate_report",
]

SCHEMA_VERSION: Final = 1
TEMPLATE: Final = "gate.html.j2"
MARKS: Final = re.compile(r"([\\`*_{}\[\]|~$])")
LINKS: Final = re.compile(r"(@|#|www|:|/(?=/))(?=\S)")
"""What a forge turns into a mention, a reference or a link, unless something invisible stands behind it."""
INVISIBLE: Final = "\u200b"


@dataclass(frozen=True, slots=True)
class Part:
    """One mood, one corruption or all photos within a check: both accuracies, and the difference with its interval."""

    name: str
    candidate: float
    champion: float
    difference: Estimate

    def to_json(self) -> dict[str, object]:
        """Give the fields by name."""
        return {**asdict(self), "difference": self.difference.to_json()}


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked of the candidate: what was measured against which limit, and in a sentence why."""

    name: str
    passed: bool
    measured: str
    limit: str
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Give the fields by name; numbers that are not finite become None."""
        texts = {name: getattr(self, name) for name in ("name", "passed", "measured", "limit", "sentence")}
        numbers = {name: value if math.isfinite(value) else None for name, value in self.numbers.items()}
        return {**texts, "numbers": numbers, "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Which photos were judged by: of which data version and split, how many of each mood, and how many were left out.

    ``excluded`` counts photos of the split that a bundle may have learned from.
    """

    data_hash: str
    split: str
    moods: Mapping[str, int]
    families: int
    excluded: int

    @property
    def photos(self) -> int:
        """Count the photos that are left."""
        return sum(self.moods.values())

    def to_json(self) -> dict[str, object]:
        """Give the fields by name, and the count of photos."""
        return {**asdict(self), "moods": dict(self.moods), "photos": self.photos}


@dataclass(frozen=True, slots=True)
class GateReport:
    """The verdict on a candidate, with everything that led to it; ``held_out`` is None where it never came to photos.

    ``created`` is the caller's time, as text.
    """

    candidate: Subject
    champion: Subject | None
    held_out: HeldOut | None
    limits: Mapping[str, str | float]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    created: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check passed; a report without checks is no proof."""
        return bool(self.checks) and not self.failed

    @property
    def verdict(self) -> str:
        """The verdict in a word: "passed" or "refused"."""
        return "passed" if self.passed else "refused"

    @property
    def failed(self) -> tuple[str, ...]:
        """A line for each check that failed: its name, why, and what would have passed."""
        told = (f"{check.name}: {check.sentence} Allowed: {check.limit}." for check in self.checks if not check.passed)
        return tuple(" ".join(line.split()) for line in told)

    def to_json(self) -> dict[str, object]:
        """Give the whole report by name, ready for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "failed": list(self.failed),
            "candidate": self.candidate.to_json(),
            "champion": self.champion.to_json() if self.champion else None,
            "held_out": self.held_out.to_json() if self.held_out else None,
            "limits": dict(self.limits),
            "checks": [check.to_json() for check in self.checks],
            "notes": list(self.notes),
            "created": self.created,
        }


def write_gate_report(report: GateReport, folder: Path) -> None:
    """Write gate.json, gate.md and gate.html into a folder, each in one step."""
    write_json(folder / "gate.json", report.to_json())
    write_text(folder / "gate.md", markdown(report))
    write_text(folder / "gate.html", render_gate_report(report))


def markdown(report: GateReport) -> str:
    """Write the report for a comment on a pull request: the verdict, why, and a table of all checks."""
    lines = [f"## Promotion gate: {report.verdict}", "", _plain(summary(report)), ""]
    lines += [f"- {_plain(line)}" for line in report.failed]
    lines += ["", "| check | verdict | measured | limit |", "|---|---|---|---|"]
    for check in report.checks:
        verdict = "passed" if check.passed else "**refused**"
        lines.append(f"| {check.name} | {verdict} | {_plain(check.measured)} | {_plain(check.limit)} |")
    lines += ["", *(f"- {_plain(note)}" for note in report.notes), "", _plain(photos_text(report.held_out)), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def render_gate_report(report: GateReport) -> str:
    """Give the report as one HTML page that needs nothing else."""
    return page_template(TEMPLATE).render(
        report=report, summary=summary(report), photos=photos_text(report.held_out), reach=_reach(report)
    )


def summary(report: GateReport) -> str:
    """Say in a sentence who was judged against whom, and with what result."""
    against = f"against {_named(report.champion)}" if report.champion else "without a champion to beat"
    failed, asked = len(report.failed), len(report.checks)
    result = f"passed all {asked} checks" if report.passed else f"failed {failed} of {asked} checks"
    return f"The candidate {_named(report.candidate)}, {against}, {result}."


def photos_text(held_out: HeldOut | None) -> str:
    """Say in a sentence which photos the judgement rests on."""
    if held_out is None:
        return "No photo was looked at."
    counts = ", ".join(f"{count} {mood}" for mood, count in held_out.moods.items())
    told = f"Judged by {held_out.photos} {held_out.split} photos of {held_out.families} families"
    told += f" ({counts})" if counts else ""
    told += f", {held_out.excluded} left out" if held_out.excluded else ""
    return f"{told}; data version {held_out.data_hash[:12]}."


def _reach(report: GateReport) -> float:
    """Give how far from 0 the chart of differences has to go, in tenths."""
    differences = [part.difference for check in report.checks for part in check.parts]
    farthest = max((max(abs(d.low), abs(d.high)) for d in differences), default=0.0)
    return max(1, math.ceil(10 * farthest - 1e-9)) / 10


def _named(subject: Subject) -> str:
    version = f" {subject.version}" if subject.version else ""
    return f"{subject.name}{version}"


def _plain(text: str) -> str:
    """Make any text one line that a Markdown reader shows as it is, and that links to nothing and calls nobody."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    escaped = MARKS.sub(r"\\\1", html.escape(" ".join(shown.split()), quote=False))
    return LINKS.sub(rf"\1{INVISIBLE}", escaped)

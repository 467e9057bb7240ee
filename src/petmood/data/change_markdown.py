"""How is a change of data told in a comment? Markdown in which a file's name can be nothing but a name.

Names come from whoever proposes the photos. They stand in code spans, and every sign that could end one, begin markup,
turn the direction of writing or notify somebody is spelled out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from petmood.core.moods import MOODS
from petmood.data.change_verdict import ChangeReport
from petmood.data.index import SPLITS, DataIndex

__all__ = ["change_markdown", "safe_name"]

SAFE: Final = frozenset("._-/ ()+,=~")
LONGEST: Final = 80
LISTED: Final = 10


def safe_name(name: str) -> str:
    r"""Return a name as a code span that holds letters, digits and a few harmless signs alone.

    >>> print(safe_name("photos/`@everyone`<img>.jpg"))
    `photos/\u0060\u0040everyone\u0060\u003cimg\u003e.jpg`
    """
    shown = "".join(sign if sign.isalnum() or sign in SAFE else f"\\u{ord(sign):04x}" for sign in name)
    return f"`{shown if len(shown) <= LONGEST else f'{shown[: LONGEST - 3]}...'}`"


def change_markdown(report: ChangeReport) -> str:
    """Return a version's report as Markdown for a pull request; no longer than a few screens."""
    parts = [
        f"## Data {safe_name(report.check.name)}: {'not fit to be the next version' if report.bad else 'fit'}",
        _versions(report),
        *_reasons(report),
        _counts(report.last, report.check.index),
        *_drift(report),
        *_notes(report),
    ]
    return "\n\n".join(parts) + "\n"


def _versions(report: ChangeReport) -> str:
    change = report.change
    last = f"last `{report.last.hash[:12]}`" if report.last else "the first one"
    return (
        f"Version `{report.check.index.hash[:12]}`, {last}: **{len(change.added)}** photos added, "
        f"**{len(change.removed)}** removed, **{len(change.relabelled)}** relabelled, "
        f"**{len(change.moved)}** in another split."
    )


def _reasons(report: ChangeReport) -> Iterator[str]:
    for reason in report.reasons:
        yield f"- **{reason.code}**: {reason.message}{_names(reason.paths)}"


def _names(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - LISTED} more" if len(paths) > LISTED else ""
    return f": {', '.join(map(safe_name, paths[:LISTED]))}{more}" if paths else ""


def _counts(last: DataIndex | None, new: DataIndex) -> str:
    before, after = _originals(last) if last else None, _originals(new)
    lines = [f"| originals | {' | '.join(SPLITS)} | all |", "|---" * (len(SPLITS) + 2) + "|"]
    for mood in MOODS:
        cells = [_cell(before, after, mood, (split,)) for split in SPLITS]
        lines.append(f"| {mood} | {' | '.join([*cells, _cell(before, after, mood, SPLITS)])} |")
    return "\n".join(lines)


def _originals(index: DataIndex) -> Counter[tuple[str, str]]:
    return Counter((row.mood, row.split) for row in index if row.role == "original")


def _cell(
    before: Counter[tuple[str, str]] | None, after: Counter[tuple[str, str]], mood: str, splits: Sequence[str]
) -> str:
    now = sum(after[mood, split] for split in splits)
    then = now if before is None else sum(before[mood, split] for split in splits)
    return f"{now}" if now == then else f"{now} ({now - then:+d})"


def _drift(report: ChangeReport) -> Iterator[str]:
    if report.drifts:
        lines = ["| drift | last | new | distance | p |", "|---|---|---|---|---|"]
        lines += [
            f"| {d.fact} | {d.last:.3g} | {d.new:.3g} | {d.distance:.2f} | {d.p_value:.2g} |" for d in report.drifts
        ]
        yield "\n".join(lines)


def _notes(report: ChangeReport) -> Iterator[str]:
    notes = [finding for finding in report.check.findings if not finding.spoils]
    if notes:
        lines = [f"- {finding.message}" for finding in notes]
        yield "\n".join(["<details><summary>Notes of the check</summary>", "", *lines, "", "</details>"])

"""Markdown comment of a dataset diff, with untrusted file names escaped.

File names come from the author of the pull request. They are written as code spans. Every character that could end a
code span, start markup, change the text direction or mention a user is replaced by its code point.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from petmood.data.index import DataIndex, Role, Split, labels_in
from petmood.data.validation.diff_rules import DatasetDiffReport

__all__ = ["dataset_diff_markdown", "safe_name"]

SAFE: Final = frozenset("._-/ ()+,=~")
LONGEST: Final = 80
LISTED: Final = 10


def safe_name(name: str) -> str:
    r"""Return a name as a code span of letters, digits and a few harmless characters; others become code points.

    >>> print(safe_name("photos/`@everyone`<img>.jpg"))
    `photos/\u0060\u0040everyone\u0060\u003cimg\u003e.jpg`
    """
    shown = "".join(sign if sign.isalnum() or sign in SAFE else f"\\u{ord(sign):04x}" for sign in name)
    return f"`{shown if len(shown) <= LONGEST else f'{shown[: LONGEST - 3]}...'}`"


def dataset_diff_markdown(report: DatasetDiffReport) -> str:
    """Return the report of a data version as Markdown for a pull request, at most a few screens long."""
    verdict = "rejected as the next version" if report.has_violations else "accepted"
    parts = [
        f"## Data {safe_name(report.validation.name)}: {verdict}",
        _versions(report),
        *_reasons(report),
        _counts(report.old, report.validation.index),
        *_drift(report),
        *_notes(report),
    ]
    return "\n\n".join(parts) + "\n"


def _versions(report: DatasetDiffReport) -> str:
    change = report.diff
    previous = f"previous `{report.old.hash[:12]}`" if report.old else "the first version"
    return (
        f"Data version `{report.validation.index.hash[:12]}`, {previous}: **{len(change.added)}** photos added, "
        f"**{len(change.removed)}** removed, **{len(change.relabelled)}** relabeled, "
        f"**{len(change.moved)}** in another split."
    )


def _reasons(report: DatasetDiffReport) -> Iterator[str]:
    for reason in report.violations:
        yield f"- **{reason.code}**: {reason.message}{_names(reason.paths)}"


def _names(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - LISTED} more" if len(paths) > LISTED else ""
    return f": {', '.join(map(safe_name, paths[:LISTED]))}{more}" if paths else ""


def _counts(old: DataIndex | None, new: DataIndex) -> str:
    before, after = _originals(old) if old else None, _originals(new)
    lines = [f"| originals | {' | '.join(Split)} | all |", "|---" * (len(Split) + 2) + "|"]
    for label in labels_in(old, new):
        cells = [_cell(before, after, label, (split,)) for split in Split]
        lines.append(f"| {label} | {' | '.join([*cells, _cell(before, after, label, tuple(Split))])} |")
    return "\n".join(lines)


def _originals(index: DataIndex) -> Counter[tuple[str, str]]:
    return Counter((row.label, row.split) for row in index if row.role == Role.ORIGINAL)


def _cell(
    before: Counter[tuple[str, str]] | None, after: Counter[tuple[str, str]], label: str, splits: Sequence[str]
) -> str:
    now = sum(after[label, split] for split in splits)
    then = now if before is None else sum(before[label, split] for split in splits)
    return f"{now}" if now == then else f"{now} ({now - then:+d})"


def _drift(report: DatasetDiffReport) -> Iterator[str]:
    if report.drifts:
        lines = ["| drift | previous | new | distance | p |", "|---|---|---|---|---|"]
        lines += [
            f"| {d.statistic} | {d.old:.3g} | {d.new:.3g} | {d.distance:.2f} | {d.p_value:.2g} |" for d in report.drifts
        ]
        yield "\n".join(lines)


def _notes(report: DatasetDiffReport) -> Iterator[str]:
    notes = [finding for finding in report.validation.issues if not finding.is_blocking]
    if notes:
        lines = [f"- {finding.message}" for finding in notes]
        yield "\n".join(["<details><summary>Notes</summary>", "", *lines, "", "</details>"])

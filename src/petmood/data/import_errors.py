"""Import problems: one record per problem, and one error that reports them all."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from petmood.core.errors import DataError
from petmood.core.names import printable

__all__ = ["HARMLESS", "REJECTED_NAME", "ImportProblem", "problems_text", "read_problems", "refusal", "safe_cell"]

REJECTED_NAME = "rejected.csv"
"""Name of the dataset file that lists the entries rejected at import."""

HARMLESS = frozenset({"not_a_photo", "link_back"})
"""Codes that are reported but never stop an import: a text file beside the photos, a link to a folder around it."""

_HEADER = ("path", "reason", "message")


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """One photo that can't be used: its name in the source, a one-word code and a message."""

    path: str
    code: str
    message: str


def safe_cell(text: str) -> str:
    """Return a CSV cell that a spreadsheet reads as text: the first character of a formula is quoted."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def problems_text(problems: Iterable[ImportProblem]) -> str:
    """Return problems as CSV text with LF line ends, sorted by path, code and message."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_HEADER)
    for problem in sorted(problems, key=lambda p: (p.path, p.code, p.message)):
        writer.writerow([safe_cell(problem.path), problem.code, safe_cell(problem.message)])
    return buffer.getvalue()


def read_problems(path: Path) -> tuple[ImportProblem, ...]:
    """Read what `problems_text` wrote; a missing file gives (). Raises DataError for any other content."""
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.reader(stream))
    if not lines or tuple(lines[0]) != _HEADER or any(len(cells) != len(_HEADER) for cells in lines):
        raise DataError(f"'{path.name}' isn't a table of import errors: expected the columns {','.join(_HEADER)}.")
    return tuple(ImportProblem(*cells) for cells in lines[1:])


def refusal(problems: Sequence[ImportProblem], *, looked_at: int, full_list: str, shown: int = 20) -> DataError:
    """Return the DataError that reports all problems, with the first `shown` of them in its message."""
    ordered = sorted(problems, key=lambda p: (p.path, p.code))
    lines = [printable(f"  {p.path}: {p.message} [{p.code}]") for p in ordered[:shown]]
    if len(ordered) > shown:
        lines.append(f"  ... and {len(ordered) - shown} more")
    return DataError(
        f"{len(problems)} of {looked_at} entries can't be used; nothing was imported:\n"
        + "\n".join(lines)
        + f"\nFull list: {full_list}. Fix the source, or skip these entries with --skip-bad."
    )

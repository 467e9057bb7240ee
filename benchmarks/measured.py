"""Measured figures of four pages, in blocks that are written from records of what a command left.

python -m benchmarks.measured

The pages are README.md, docs/results.md, docs/monitoring.md and docs/growth.md. Records are docs/measured/NAME.json,
made by benchmarks.measured_records. A block of a page stands between the comments ``<!-- measured: NAME -->`` and
``<!-- end: NAME -->``. It is docs/measured/NAME.md.j2, filled in with all records. Outside of blocks the first two
pages have no measured figure: no percentage, interval, decimal below 1, time or size in bytes (``loose_figures``).
"""

import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.measured_records import RECORDS, Record, read_records
from petmood.evaluation.proportions import clopper_pearson_interval
from petmood.presentation.display_names import percent_text

__all__ = [
    "NOMINAL",
    "PAGES",
    "PAGES_OF_FIGURES",
    "ROOT",
    "Proportion",
    "block_names",
    "loose_figures",
    "main",
    "written",
]

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = ("README.md", "docs/results.md", "docs/monitoring.md", "docs/growth.md")
PAGES_OF_FIGURES: Final = PAGES[:2]
"""Pages on which no measured figure stands outside of the blocks: the others have limits of alerts, and goals."""
NOMINAL: Final = ("95% interval", "in 95% of them")
"""Shares that are chosen, not measured."""

WIDTH: Final = 120
SIZES: Final = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}
DURATIONS: Final = {"ms": 1e-3, "s": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86_400.0, "years": 31_557_600.0}
_BLOCK: Final = re.compile(r"<!-- measured: (?P<name>[\w-]+) -->\n.*?<!-- end: (?P=name) -->\n", re.DOTALL)
_NOT_TEXT: Final = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)]*\)|{[{%#].*?[}%#]}", re.DOTALL)
_FIGURE: Final = re.compile(
    r"\d[\d,.]*\s?%"
    r"|\d[\d,.]*%? to \d[\d,.]*"
    r"|(?<![\w.])0\.\d+(?![\w.]\w)"
    r"|(?<![\w.])\d[\d,.]*\s(?:[kMGT]?B|bytes|ms|s|seconds?|minutes?|hours?)\b"
)


class Proportion(NamedTuple):
    """A share with the ends of its interval."""

    value: float
    low: float
    high: float


def block_names(page: str) -> list[str]:
    """Return the names of a page's blocks, in their order."""
    return [found["name"] for found in _BLOCK.finditer(page)]


def written(page: str, records: Mapping[str, Record], templates: Path) -> str:
    """Return a page with the blocks that the records give.

    Raises:
        jinja2.TemplateNotFound: a block has no template.
        jinja2.UndefinedError: a template asks for what no record has.
    """
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=False,  # noqa: S701 - Markdown of the repository itself
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=_count,
        percent=_percent,
        estimate=_estimate,
        observed=_observed,
        gigabytes=_gigabytes,
        code=_code,
        size=_size,
        duration=_duration,
        rounded=_rounded,
    )
    environment.globals.update(
        records=records, **{name.replace("-", "_"): record.values for name, record in records.items()}
    )

    def filled_in(found: re.Match[str]) -> str:
        name = found["name"]
        text = _wrapped(environment.get_template(f"{name}.md.j2").render())
        return f"<!-- measured: {name} -->\n{text}\n<!-- end: {name} -->\n"

    return _BLOCK.sub(filled_in, page)


def loose_figures(text: str) -> list[str]:
    """Return what looks measured outside of blocks, code and links, as 'line: figure'; also for a template's text."""
    for pattern in (_BLOCK, _NOT_TEXT):
        text = pattern.sub(lambda found: "\n" * found[0].count("\n"), text)
    for words in NOMINAL:
        text = text.replace(words, "")
    return [f"{text.count(chr(10), 0, found.start()) + 1}: {found[0]}" for found in _FIGURE.finditer(text)]


def main() -> int:
    """Write the blocks of all pages."""
    records = read_records(ROOT / RECORDS)
    for name in PAGES:
        page = ROOT / name
        page.write_text(written(page.read_text("utf-8"), records, ROOT / RECORDS), encoding="utf-8")
    return 0


def _wrapped(text: str) -> str:
    """Wrap paragraphs and list items at ``WIDTH``; rows of tables stay as they are."""
    parts: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.startswith("|"):
            parts.append("\n".join(line for line in paragraph.splitlines() if line.strip()))
            continue
        items = re.split(r"\n(?=- )", paragraph)
        parts.append("\n".join(_filled(item, indent="  " if item.startswith("- ") else "") for item in items))
    return "\n\n".join(parts)


def _filled(text: str, *, indent: str) -> str:
    words = " ".join(text.split())
    return textwrap.fill(words, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _count(number: int) -> str:
    """Write 3774 as 3,774."""
    return f"{number:,}"


def _percent(share: float, digits: int = 1) -> str:
    """Write 0.4818 as 48.2%."""
    return f"{100 * share:.{digits}f}%"


def _estimate(found: Mapping[str, float]) -> str:
    """Write a value with its interval: 48.2% (43.1 to 53.3)."""
    return percent_text(Proportion(found["value"], found["low"], found["high"]))


def _observed(successes: int, trials: int) -> str:
    """Write a proportion with the exact interval of Clopper and Pearson."""
    return percent_text(Proportion(successes / trials, *clopper_pearson_interval(successes, trials)))


def _gigabytes(size: int) -> str:
    """Write 6688412886 as 6.7 GB."""
    return f"{size / 1e9:.1f} GB"


def _rounded(value: float) -> str:
    """Write a number with two digits: 1234 as 1,200 and 0.0471 as 0.047."""
    number = float(f"{value:.2g}")
    return f"{number:,.0f}" if number >= 10 else f"{number:g}"


def _size(value: float) -> str:
    """Write bytes with two digits: 53000 as 53 kB."""
    return _in_units(value, SIZES)


def _duration(seconds: float) -> str:
    """Write seconds with two digits, in the largest unit of which there are two: 5400 as 90 minutes."""
    return _in_units(seconds, DURATIONS, at_least=2)


def _in_units(value: float, units: Mapping[str, float], *, at_least: float = 1) -> str:
    fitting = [name for name, length in units.items() if value >= at_least * length] or [next(iter(units))]
    return f"{_rounded(value / units[fitting[-1]])} {fitting[-1]}"


def _code(text: str) -> str:
    """Mark up a command as code."""
    return f"`{text}`"


if __name__ == "__main__":
    sys.exit(main())

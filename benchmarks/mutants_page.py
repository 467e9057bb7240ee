"""The page docs/mutants.md: mutation scores, and every survivor with its reason, from the file of survivors.

python -m benchmarks.mutants_page SURVIVORS [PAGE]
"""

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from benchmarks.mutants import Result, Survivor

__all__ = ["main", "page"]

ROOT: Final = Path(__file__).resolve().parents[1]
WIDTH: Final = 90
HEADER: Final = """\
# Mutation scores

`make mutants` changes the code in one small place, such as `<` to `<=` or a number to the next, and runs the unit tests
of the package. A change that no test notices is a survivor. The goal is 90% of noticed changes in every package.
A sample is the mutants whose number ends in one of some digits. `python -m benchmarks.mutants_page` wrote this page.

| package | mutants tested | sample | noticed | score (95% interval of a sample) | hash of the code |
|---|---|---|---|---|---|
"""
REASONS: Final = """
## Why survivors survive

| reason | survivors |
|---|---|
"""


def page(results: Mapping[str, Result]) -> str:
    """Return the page as Markdown."""
    lines = []
    for name, one in results.items():
        sample = "all" if one.interval[0] == one.interval[1] else f"{len(one.tested)} of 10"
        score = (
            f"{one.score:.1%}"
            if sample == "all"
            else f"{one.score:.1%} [{100 * one.interval[0]:.1f}, {100 * one.interval[1]:.1f}]"
        )
        numbers = (f"{one.mutants:,}", sample, f"{one.mutants - len(one.survivors):,}", score, f"`{one.code}`")
        lines.append(f"| {name} | {' | '.join(numbers)} |\n")
    counted = Counter(survivor.kind for one in results.values() for survivor in one.survivors)
    reasons = [f"| {why} | {count} |\n" for why, count in counted.most_common()]
    return "".join([HEADER, *lines, REASONS, *reasons, *_listed(results)])


def main() -> int:
    """Write the page."""
    stored = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs/mutants.md"
    target.write_text(page({name: Result.from_json(one) for name, one in stored.items()}), encoding="utf-8")
    return 0


def _listed(results: Mapping[str, Result]) -> Iterator[str]:
    for name, one in results.items():
        yield f"\n## Survivors of {name}\n"
        by_reason = defaultdict(list)
        for survivor in one.survivors:
            by_reason[survivor.kind].append(survivor)
        for why, survivors in sorted(by_reason.items()):
            yield f"\n### {name}: {why}\n\n"
            for function, some in groupby(survivors, key=_function):
                yield f"- {function}: {'; '.join(map(_change, some))}\n"


def _function(survivor: Survivor) -> str:
    """Return ``module.function`` or ``module.Class.method`` of mutmut's name of a change."""
    module, _, mangled = survivor.name.removeprefix("petmood.").rpartition(".")
    readable = re.sub(r"__mutmut_\d+$", "", mangled).removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"`{module.partition('.')[2]}.{readable}`"


def _change(survivor: Survivor) -> str:
    """Return the part of the lines that differs, as code, cut to ``WIDTH`` characters."""
    before, after = (" ".join(text.split()) for text in (survivor.before, survivor.after))
    start = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    start = max(before.rfind(" ", 0, start - 8), 0) if start > WIDTH // 3 else 0
    return " → ".join(f"``{text[start : start + WIDTH].strip() or ' '}``" for text in (before, after))


if __name__ == "__main__":
    sys.exit(main())

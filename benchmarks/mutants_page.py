"""The page docs/mutants.md: mutation scores, and every survivor with its reason, from the file of survivors.

python -m benchmarks.mutants_page SURVIVORS [PAGE]

Reasons of single survivors, found by reading the code, are in mutants_equivalent.toml. They count for one version of
the code, as mutants are numbered within a function. The others have the reason of their kind (``Survivor.kind``).
"""

import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from benchmarks.mutants import Result, Survivor, changed_words

__all__ = ["main", "page"]

ROOT: Final = Path(__file__).resolve().parents[1]
EQUIVALENT_FILE: Final = ROOT / "benchmarks/mutants_equivalent.toml"
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


def page(results: Mapping[str, Result], equivalent: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page as Markdown; ``equivalent`` has the hash of the code and reasons with names for each package."""
    lines, reasons = [], {}
    for name, one in results.items():
        known = _named(equivalent.get(name, {}), one)
        reasons[name] = {survivor: known.get(_name(survivor), survivor.kind) for survivor in one.survivors}
        sample = "all" if one.interval[0] == one.interval[1] else f"{len(one.tested)} of 10"
        low, high = (100 * end for end in one.interval)
        score = f"{one.score:.1%}" if sample == "all" else f"{one.score:.1%} [{low:.1f}, {high:.1f}]"
        numbers = (f"{one.mutants:,}", sample, f"{one.mutants - len(one.survivors):,}", score, f"`{one.code}`")
        lines.append(f"| {name} | {' | '.join(numbers)} |\n")
    counted = Counter(why for survivors in reasons.values() for why in survivors.values())
    table = [f"| {why} | {count} |\n" for why, count in counted.most_common()]
    return "".join([HEADER, *lines, REASONS, *table, *_listed(reasons)])


def main() -> int:
    """Write the page."""
    stored = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs/mutants.md"
    equivalent = tomllib.loads(EQUIVALENT_FILE.read_text("utf-8"))
    results = {name: Result.from_json(one) for name, one in stored.items()}
    target.write_text(page(results, equivalent), encoding="utf-8")
    return 0


def _named(equivalent: Mapping[str, Any], result: Result) -> dict[str, str]:
    """Return the reason of each survivor that is named, for the version of the code that was mutated."""
    if equivalent.get("code") != result.code:
        return {}
    return {name: why for why, names in equivalent["reasons"].items() for name in names.split()}


def _listed(reasons: Mapping[str, Mapping[Survivor, str]]) -> Iterator[str]:
    for name, survivors in reasons.items():
        yield f"\n## Survivors of {name}\n"
        for why, some in groupby(sorted(survivors, key=lambda one: (survivors[one], one.name)), key=survivors.get):
            yield f"\n### {name}: {why}\n\n"
            for function, changes in groupby(some, key=lambda one: _name(one).rpartition("_")[0]):
                yield f"- `{function}`: {'; '.join(map(_change, changes))}\n"


def _name(survivor: Survivor) -> str:
    """Return ``module.function_7`` or ``module.Class.method_7`` of mutmut's name of a change."""
    module, _, mangled = survivor.name.removeprefix("petmood.").rpartition(".")
    readable = re.sub(r"__mutmut_(\d+)$", r"_\1", mangled).removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{module.partition('.')[2]}.{readable}"


def _change(survivor: Survivor) -> str:
    """Return the words that differ, as code, cut to ``WIDTH`` characters."""
    before, after = changed_words(survivor.before, survivor.after)
    return " → ".join(f"``{text[:WIDTH]}``" if text else "nothing" for text in (before, after))


if __name__ == "__main__":
    sys.exit(main())

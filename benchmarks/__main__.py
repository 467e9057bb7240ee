"""Runner of all benchmarks in this folder, each in its own process, with a table of the results.

python -m benchmarks [NAME ...] [--json]
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main", "names", "run", "table"]

HERE = Path(__file__).resolve().parent
LONG = {"drift_log_scale", "drift_power", "families", "families_scale", "bento", "mutants"}
"""Benchmarks of over ten minutes of CPU time, run only when named."""
NOT_BENCHMARKS = {
    "__init__",
    "__main__",
    "alterations",
    "altered_pixels",
    "common",
    "drift_evidently",
    "drift_photos",
    "drift_windows",
    "evidently_worker",
    "families_embeddings",
    "families_tables",
    "growth",
    "joined_sets",
    "known_animals",
    "measured",
    "measured_records",
    "mutants_page",
    "paired_folds",
}
SHARED_BY_SERVING = {"bundles", "inprocess", "load", "loops", "machine", "services", "turns", "usual_service"}
"""Modules shared by the serving benchmarks; not benchmarks themselves."""


def names() -> list[str]:
    """Return the benchmarks of this folder, sorted."""
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_BENCHMARKS | SHARED_BY_SERVING)


def run(name: str) -> list[dict[str, Any]]:
    """Run one benchmark and return its JSON lines; a benchmark that fails is reported as not met."""
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    results = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name"')]
    if done.returncode or not results:
        results.append({"name": name, "ratio": None, "target": None, "met": False, "details": {"rc": done.returncode}})
    return results


def table(results: Sequence[dict[str, Any]]) -> str:
    """Format results as a plain table: name, ratio, target, met."""
    width = max(len("name"), *(len(result["name"]) for result in results))
    lines = [f"{'name':{width}}  {'ratio':>8}  {'target':>8}  met"]
    for result in results:
        ratio, target = (f"{value:.3f}" if value is not None else "-" for value in (result["ratio"], result["target"]))
        lines.append(f"{result['name']:{width}}  {ratio:>8}  {target:>8}  {'yes' if result['met'] else 'NO'}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run the named benchmarks, or all but the long ones; return 1 if any target is not met."""
    quick = [name for name in names() if name not in LONG]
    chosen = [argument for argument in arguments if argument != "--json"] or quick
    results = []
    for number, name in enumerate(chosen, start=1):
        print(f"[{number}/{len(chosen)}] {name}", file=sys.stderr, flush=True)
        for result in run(name):
            results.append(result)
            if "--json" in arguments:
                print(json.dumps(result), flush=True)
    if "--json" not in arguments:
        print(table(results))
        if skipped := LONG - set(chosen):
            print(f"Left out, for it is long: python -m benchmarks {' '.join(sorted(skipped))}")
    return 0 if all(result["met"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

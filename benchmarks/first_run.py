"""What the first `make run` takes: packages, their bytes on disk, and the processor time of the demo's pipeline.

python -m benchmarks.first_run

Packages are those of this environment that the extras of `make run` and `make test` need, with all that they need.
The pipeline runs in an empty folder, and does everything. Target: 5 minutes of one processor.
"""

import resource
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.common import report

__all__ = ["installed", "main"]

LIMIT_S: Final = 300.0
CUDA: Final = ("nvidia", "cuda", "triton")


def installed(requirement: str) -> dict[str, int]:
    """Return the bytes on disk of every installed package that a requirement needs, by name."""
    todo, done = [Requirement(requirement)], set()
    found: dict[str, int] = {}
    while todo:
        needed = todo.pop()
        name = canonicalize_name(needed.name)
        if (name, frozenset(needed.extras)) in done:
            continue
        done.add((name, frozenset(needed.extras)))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = sum(map(_on_disk, package.files or []))
        todo += [
            other
            for other in map(Requirement, package.requires or [])
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in needed.extras or {""})
        ]
    return found


def _on_disk(file: PackagePath) -> int:
    """Return the bytes that a file of a package takes on disk, with its compiled bytecode, which few packages list."""
    path = Path(str(file.locate()))
    if path.suffix == ".pyc":
        return 0
    compiled = [Path(cache_from_source(str(path)))] if path.suffix == ".py" else []
    return sum(one.stat().st_blocks * 512 for one in (path, *compiled) if one.is_file())


def main() -> None:
    """Measure and report."""
    runtime, development = installed("petmood[train,page]"), installed("petmood[dev]")
    with tempfile.TemporaryDirectory() as empty:
        command = [sys.executable, "-m", "petmood", "run"]
        subprocess.run(command, cwd=empty, stdout=sys.stderr, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    details: dict[str, Any] = {
        "run_packages": len(runtime),
        "run_bytes": sum(runtime.values()),
        "cuda_bytes": sum(size for name, size in runtime.items() if name.startswith(CUDA)),
        "test_packages": len(development),
        "test_bytes": sum(development.values()),
        "pipeline_cpu_s": round(seconds, 1),
    }
    report(f"first run: CPU seconds of {LIMIT_S:g}", ratio=seconds / LIMIT_S, target=1.0, details=details)


if __name__ == "__main__":
    main()

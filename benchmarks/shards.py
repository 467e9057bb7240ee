"""Photos per second of shards by one and by two processes, against one loop in this process.

Whole runs are measured: start of the processes, bundle, list of photos and files. Targets: two processes take at most
0.7 of the time of the loop, and one takes at most 1.15 of it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from petmood.core.bundle import verify
from petmood.core.photo_source import FoundPhoto
from petmood.inference.base import answer_response
from petmood.inference.load import load_bundle
from petmood.inference.shard_plan import make_plan
from petmood.inference.shard_processes import run_in_processes

__all__ = ["main"]

PHOTOS: Final = int(os.environ.get("PETMOOD_BENCHMARK_PHOTOS", "4000"))
DIFFERENT: Final = min(PHOTOS, 200)
"""Number of files; each is predicted several times."""
SHARDS: Final = 20
ROUNDS: Final = 3
LIMITS: Final = {1: 1.15, 2: 0.7}


def main() -> None:
    """Measure in turns and report the best of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = make_bundle("mobilenet_v3_small", folder / "bundle")
        files = write_photos(folder / "photos", count=DIFFERENT, width=800, height=600)
        paths = [Path(files[number % DIFFERENT]) for number in range(PHOTOS)]
        works = {
            0: lambda: _loop(bundle, paths, folder / "loop.jsonl"),
            **{count: _sharded(bundle, paths, folder / "shards", processes=count) for count in LIMITS},
        }
        took = dict.fromkeys(works, float("inf"))
        for _ in range(ROUNDS):
            for count, work in works.items():
                begun = time.perf_counter()
                work()
                took[count] = min(took[count], time.perf_counter() - begun)
                shutil.rmtree(folder / "shards", ignore_errors=True)
    for count, limit in LIMITS.items():
        report(
            f"shards: {count} process{'es' if count > 1 else ''} against one loop in this process",
            ratio=took[count] / took[0],
            target=limit,
            details={
                "photos": PHOTOS,
                "photos_per_s": round(PHOTOS / took[count], 1),
                "loop_photos_per_s": round(PHOTOS / took[0], 1),
                "processors": os.cpu_count(),
            },
        )


def _loop(bundle: Path, paths: list[Path], target: Path) -> None:
    """Write the results of a loop over all photos."""
    with target.open("wb") as file:
        for path, answer in zip(paths, load_bundle(bundle).predict_many(paths), strict=True):
            file.write(answer_response(str(path), answer).model_dump_json().encode() + b"\n")


def _sharded(bundle: Path, paths: list[Path], target: Path, *, processes: int) -> Callable[[], None]:
    """Return a run in shards from the list of photos on."""

    def run() -> None:
        size = max(1, len(paths) // SHARDS)
        plan = make_plan(target, verify(bundle), [*map(FoundPhoto, paths)], shard_size=size, source={})
        done = list(run_in_processes(plan, range(plan.count), processes=processes))
        if len(done) != plan.count:
            raise RuntimeError(f"Expected {plan.count} shards, got {len(done)}.")

    return run


if __name__ == "__main__":
    main()

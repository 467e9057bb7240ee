"""Cold start of the service and its peak memory. Targets: 0.8 s to the first response, 230 MB.

Time is measured from the start of the process to the end of the first response, with files in the page cache. The peak
is that after some seconds of requests by 8 clients.
"""

import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from benchmarks.load import Load, measure
from benchmarks.machine import watched
from benchmarks.services import Service, ours, running, usual

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "6"))
START_S, PEAK_MB = 0.8, 230.0


def main(backbone: str = "efficientnet_b0") -> None:
    """Measure in turns with the usual service, for comparison, and report."""
    with tempfile.TemporaryDirectory() as name:
        photos = write_photos(Path(name) / "photos", count=8)
        bundle = make_bundle(backbone, Path(name) / "bundle")
        hows = {"ours": ours(bundle), "usual": usual(backbone)} if "usual" in sys.argv else {"ours": ours(bundle)}
        for how in hows.values():
            _started(how, photos)
        found = {name: [_started(how, photos) for _ in range(ROUNDS)] for name, how in hows.items()}
    seconds = {name: statistics.median(one.first_s for one in runs) for name, runs in found.items()}
    peaks = {name: max(one.peak_mb for one in runs) for name, runs in found.items()}
    report(
        f"service, {backbone}: process start to the first answer against 0.8 s",
        ratio=seconds["ours"] / START_S,
        target=1.0,
        details={
            **{name: [round(one.first_s, 3) for one in runs] for name, runs in found.items()},
            "strangers": [one.other_load for one in found["ours"]],
        },
    )
    report(
        f"service, {backbone}: peak memory against 230 MB",
        ratio=peaks["ours"] / PEAK_MB,
        target=1.0,
        details={name: round(peak, 1) for name, peak in peaks.items()},
    )


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds to the first response, peak memory, and the CPU share of other processes until that response."""

    first_s: float
    peak_mb: float
    other_load: float


def _started(how: tuple[list[str], str], photos: list[str]) -> Start:
    photo = Path(photos[0]).read_bytes()
    began = time.perf_counter()
    with running(how) as service:
        turn = watched(lambda: _first_answer(service, photo, began), pids=[service.process.pid])
        measure(Load(service.port, photos, seconds=SECONDS / 2, clients=8, field=service.field, timeout_s=60))
        return Start(turn.found, service.memory_mb()[1], turn.other_load)


def _first_answer(service: Service, photo: bytes, began_s: float) -> float:
    service.until_it_answers(photo)
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()

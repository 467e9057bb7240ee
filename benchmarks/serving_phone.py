"""Throughput for 12-megapixel JPEGs from phones, against the usual service. Target: 4 times."""

import os
import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from benchmarks.load import Load, Measured, measure
from benchmarks.machine import QUIET, Turn, quiet, watched
from benchmarks.services import Service, ours, running, usual

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "6"))
CLIENTS: Final = 8
TIMES: Final = 4.0
WIDTH, HEIGHT = 4032, 3024


def main(backbone: str = "efficientnet_b0") -> None:
    """Measure in turns and report."""
    with tempfile.TemporaryDirectory() as name:
        photos = write_photos(Path(name) / "photos", count=3, width=WIDTH, height=HEIGHT)
        bundle = make_bundle(backbone, Path(name) / "bundle")
        first = Path(photos[0]).read_bytes()
        with running(ours(bundle), photo=first) as service, running(usual(backbone), photo=first) as other:
            for one in (service, other):
                _load(one, photos, 1)
            rounds = [(_load(service, photos, SECONDS), _load(other, photos, SECONDS)) for _ in range(ROUNDS)]
    calm = [(one, two) for one, two in rounds if quiet(one, two)]
    times = statistics.median(
        one.found.answered_per_s / max(two.found.answered_per_s, 1e-9) for one, two in calm or rounds
    )
    report(
        "service, 12-megapixel photos: requests a second of the usual service / ours",
        ratio=1 / times,
        target=1 / TIMES,
        details={
            "times_the_usual": round(times, 2),
            "aim": TIMES,
            "service_per_s": [round(one.found.answered_per_s, 1) for one, _ in rounds],
            "usual_per_s": [round(two.found.answered_per_s, 1) for _, two in rounds],
            "service_p99_ms": round(max(one.found.p99_ms(200) for one, _ in rounds), 1),
            "calm_rounds": f"{len(calm)} of {len(rounds)}",
            "strangers": [[one.other_load, two.other_load] for one, two in rounds],
            "photo_mb": round(len(first) / 1e6, 1),
        },
        conditions={
            "every answer of either is 200": all(set(one.found.counts) == {200} for both in rounds for one in both),
            f"strangers took at most {QUIET:.0%} of the processors in half of the rounds": 2 * len(calm) >= len(rounds),
        },
    )


def _load(service: Service, photos: list[str], seconds: float) -> Turn[Measured]:
    load = Load(service.port, photos, seconds=seconds, clients=CLIENTS, field=service.field, timeout_s=60)
    return watched(lambda: measure(load), pids=[service.process.pid])


if __name__ == "__main__":
    main()

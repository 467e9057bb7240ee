"""Throughput, rejections, latency and memory at three times the capacity, for 20 s in an open loop.

Capacity is the throughput of 32 clients in a closed loop, measured just before. Latency counts from the scheduled time
of a request.
python -m benchmarks.serving_overload [BACKBONE] [fresh] - fresh opens a connection for every request.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from benchmarks.load import Load, Measured, measure
from benchmarks.machine import QUIET, Turn, quiet, watched
from benchmarks.services import Service, ours, running

__all__ = ["main"]

SECONDS: Final = float(os.environ.get("BENCH_OVERLOAD_SECONDS", "20"))
CAPACITY_SECONDS: Final = 8.0
TIMES: Final = 3.0
REFUSED: Final = 503
SHARE, ANSWERED_MS, REFUSED_MS, GROWTH_MB, NEXT_S = 0.9, 1000.0, 50.0, 10.0, 0.1


@dataclass(frozen=True, slots=True)
class Overload:
    """Measurements before, during and after the overload."""

    capacity: Turn[Measured]
    during: Turn[Measured]
    before_mb: float
    after_mb: float
    peak_mb: float
    next_status: int
    next_s: float


def main() -> None:
    """Measure and report."""
    words = sys.argv[1:]
    backbone = next((word for word in words if word != "fresh"), "efficientnet_b0")
    with tempfile.TemporaryDirectory() as name:
        photos = write_photos(Path(name) / "photos", count=8)
        bundle = make_bundle(backbone, Path(name) / "bundle")
        with running(ours(bundle), photo=Path(photos[0]).read_bytes()) as service:
            _report(backbone, _overload(service, photos, fresh="fresh" in words))


def _overload(service: Service, photos: list[str], *, fresh: bool) -> Overload:
    pids = [service.process.pid]
    capacity = watched(lambda: measure(Load(service.port, photos, seconds=CAPACITY_SECONDS, clients=32)), pids=pids)
    before_mb, _ = service.memory_mb()
    rate = TIMES * capacity.found.answered_per_s
    during = watched(lambda: measure(Load(service.port, photos, seconds=SECONDS, rate=rate, fresh=fresh)), pids=pids)
    next_status, next_s = service.ask(Path(photos[0]).read_bytes())
    time.sleep(0.5)
    after_mb, peak_mb = service.memory_mb()
    return Overload(capacity, during, before_mb, after_mb, peak_mb, next_status, next_s)


def _report(backbone: str, seen: Overload) -> None:
    during, capacity = seen.during.found, seen.capacity.found.answered_per_s
    details: dict[str, Any] = {
        "capacity_per_s": round(capacity, 1),
        "strangers": [seen.capacity.other_load, seen.during.other_load],
        "counts": during.counts,
        "answered_per_s": round(during.answered_per_s, 1),
        "unsent": during.unsent,
        "client_cpu_s": during.client_cpu_s,
    }
    known = set(during.counts) <= {200, REFUSED} and not during.unsent
    conditions = {"every request is answered or refused with 503": known}
    conditions |= {"some are answered, some refused": {200, REFUSED} <= set(during.counts)}
    conditions |= {f"strangers took at most {QUIET:.0%} of the processors": quiet(seen.capacity, seen.during)}

    def one(what: str, ratio: float, target: float = 1.0, **more: object) -> None:
        name = f"service, {backbone} at 3 times its capacity: {what}"
        report(name, ratio=ratio, target=target, details={**more, **details}, conditions=conditions)

    one(
        "capacity / answered a second",
        capacity / max(during.answered_per_s, 1e-9),
        round(1 / SHARE, 4),
        share=round(during.answered_per_s / capacity, 3),
    )
    p99, refused = during.p99_ms(200), during.p99_ms(REFUSED)
    one("p99 of the answered against 1 s", p99 / ANSWERED_MS, p99_ms=round(p99, 1))
    one("p99 of the refused against 50 ms", refused / REFUSED_MS, p99_ms=round(refused, 1))
    growth = seen.after_mb - seen.before_mb
    memory = {"before_mb": seen.before_mb, "after_mb": seen.after_mb, "peak_mb": seen.peak_mb}
    memory = {name: round(value, 1) for name, value in memory.items()}
    one("memory growth against 10 MB", max(growth, 0.0) / GROWTH_MB, growth_mb=round(growth, 1), **memory)
    one("the next answer against 0.1 s", seen.next_s / NEXT_S, next_s=round(seen.next_s, 3), status=seen.next_status)


if __name__ == "__main__":
    main()

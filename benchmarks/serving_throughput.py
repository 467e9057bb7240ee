"""Throughput of the service against this machine's limit and against the usual service.

The limit is decoding and the network alone, one process per core. 32 clients post JPEGs of 224 px in a closed loop. The
three are measured in turns, and rounds disturbed by other processes don't count. At 8 clients the limit of p99 is
130 ms with efficientnet_b0.
"""

import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from benchmarks.inprocess import InProcess, in_process
from benchmarks.load import Load, Measured, measure
from benchmarks.machine import QUIET, Turn, quiet, watched
from benchmarks.services import Service, ours, running, usual

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "6"))
CLIENTS: Final = 32
P99_MS: Final = 130.0


@dataclass(frozen=True, slots=True)
class Aim:
    """Targets of a backbone: a fraction of the limit, and a multiple of the usual service."""

    of_limit: float
    of_usual: float


AIMS: Final = {"efficientnet_b0": Aim(0.92, 3.5), "mobilenet_v3_small": Aim(0.82, 5.5)}


def main() -> None:
    """Measure and report; backbones may be given as arguments."""
    for backbone in sys.argv[1:] or AIMS:
        with tempfile.TemporaryDirectory() as name:
            _measure(backbone, Path(name))


def _measure(backbone: str, folder: Path) -> None:
    photos = write_photos(folder / "photos", count=8)
    bundle = make_bundle(backbone, folder / "bundle")
    first = Path(photos[0]).read_bytes()
    with (
        running(ours(bundle), photo=first) as service,
        running(usual(backbone), photo=first) as other,
        in_process(bundle, photos, count=len(os.sched_getaffinity(0))) as limit,
    ):
        rounds = _by_turns(service, other, limit, photos)
        _report_throughput(backbone, rounds)
        if backbone == "efficientnet_b0":
            _report_p99(_load(service, photos, 2 * SECONDS, clients=8))


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of all three, in responses per second."""

    service: Turn[Measured]
    usual: Turn[Measured]
    limit: Turn[float]

    @property
    def reach(self) -> float:
        """The service's throughput as a fraction of the limit."""
        return self.service.found.answered_per_s / self.limit.found

    @property
    def times_the_usual(self) -> float:
        """The service's throughput as a multiple of the usual service's."""
        return self.service.found.answered_per_s / max(self.usual.found.answered_per_s, 1e-9)


def _by_turns(service: Service, other: Service, limit: InProcess, photos: list[str]) -> list[Round]:
    def answer_in_process() -> float:
        return limit.photos_per_s(SECONDS)

    _load(service, photos, 1)
    _load(other, photos, 1)
    limit.photos_per_s(0.5)
    return [
        Round(
            _load(service, photos, SECONDS), _load(other, photos, SECONDS), watched(answer_in_process, pids=limit.pids)
        )
        for _ in range(ROUNDS)
    ]


def _load(one: Service, photos: list[str], seconds: float, *, clients: int = CLIENTS) -> Turn[Measured]:
    load = Load(one.port, photos, seconds=seconds, clients=clients, field=one.field, timeout_s=60)
    return watched(lambda: measure(load), pids=[one.process.pid])


def _report_throughput(backbone: str, rounds: list[Round]) -> None:
    calm = [one for one in rounds if quiet(one.service) and quiet(one.limit) and quiet(one.usual)]
    counted = calm or rounds
    reach = statistics.median(one.reach for one in counted)
    times = statistics.median(one.times_the_usual for one in counted)
    details: dict[str, Any] = {
        "clients": CLIENTS,
        "calm_rounds": f"{len(calm)} of {len(rounds)}",
        "service_per_s": [round(one.service.found.answered_per_s, 1) for one in rounds],
        "limit_per_s": [round(one.limit.found, 1) for one in rounds],
        "usual_per_s": [round(one.usual.found.answered_per_s, 1) for one in rounds],
        "strangers": [[one.service.other_load, one.usual.other_load, one.limit.other_load] for one in rounds],
        "service_p99_ms": round(max(one.service.found.p99_ms(200) for one in counted), 1),
        "client_cpu_s_a_round": statistics.median(one.service.found.client_cpu_s for one in counted),
    }
    aim = AIMS.get(backbone, AIMS["efficientnet_b0"])
    conditions = {
        "every answer is 200": all(set(one.service.found.counts) == {200} for one in rounds),
        f"strangers took at most {QUIET:.0%} of the processors in half of the rounds": 2 * len(calm) >= len(rounds),
    }
    report(
        f"service, {backbone}: the limit of both cores in-process / requests a second",
        ratio=1 / reach,
        target=round(1 / aim.of_limit, 4),
        details={"reach": round(reach, 3), "aim": aim.of_limit, **details},
        conditions={**conditions, "a limit is not exceeded, or it was measured wrongly": reach <= 1 + QUIET},
    )
    report(
        f"service, {backbone}: requests a second of the usual service / ours",
        ratio=1 / times,
        target=round(1 / aim.of_usual, 4),
        details={"times_the_usual": round(times, 2), "aim": aim.of_usual, "calm_rounds": details["calm_rounds"]},
        conditions={
            **conditions,
            "the usual service answers too": all(set(one.usual.found.counts) == {200} for one in rounds),
        },
    )


def _report_p99(turn: Turn[Measured]) -> None:
    found = turn.found
    p50, p95, p99 = found.ms.get(200, (0.0, 0.0, float("inf")))
    shown = {"p50_ms": round(p50, 1), "p95_ms": round(p95, 1), "p99_ms": round(p99, 1), "counts": found.counts}
    report(
        "service, efficientnet_b0: p99 at 8 clients against 130 ms",
        ratio=p99 / P99_MS,
        target=1.0,
        details={**shown, "strangers": turn.other_load},
        conditions={"every answer is 200": set(found.counts) == {200}},
    )


if __name__ == "__main__":
    main()

"""Gain of BentoML's adaptive batching on a CPU, and overhead of BentoML over `petmood serve`.

32 clients post JPEGs of 224 px to a mobilenet_v3_small in a closed loop. `petmood bento`, the same with batches of up
to 8, and `petmood serve` are measured in turns. Batching is off by default because it gains less than 10%.
"""

import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from benchmarks.load import Load, Measured, measure
from benchmarks.services import Service, ours, running

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "3"))
CLIENTS: Final = 32
MAX_BATCH: Final = 8
GAIN: Final = 1.1
COST: Final = 2.0
"""Maximum total time per request of BentoML, as a multiple of that of the service."""


def main() -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        photos = write_photos(folder / "photos", count=8)
        bundle = make_bundle("mobilenet_v3_small", folder / "bundle")
        first = Path(photos[0]).read_bytes()
        services = {
            "service": stack.enter_context(running(ours(bundle), photo=first)),
            "bentoml": stack.enter_context(running(_bentoml(bundle, folder / "a"), photo=first)),
            "batched": stack.enter_context(
                running(_bentoml(bundle, folder / "b", "--max-batch", str(MAX_BATCH)), photo=first)
            ),
        }
        for service in services.values():
            _measure(service, photos, 1.0)
        rounds = [
            {name: _measure(service, photos, SECONDS) for name, service in services.items()} for _ in range(ROUNDS)
        ]
        _report(rounds, {name: round(service.memory_mb()[0]) for name, service in services.items()})


def _bentoml(bundle: Path, home: Path, *options: str) -> tuple[list[str], str]:
    """Return the command that starts `petmood bento`, with its own store and metrics, and its form field."""
    petmood = str(Path(sys.executable).with_name("petmood"))
    return ["env", f"BENTOML_HOME={home}", petmood, "bento", str(bundle), "--port", "{port}", *options], "photo"


def _measure(service: Service, photos: list[str], seconds: float) -> Measured:
    return measure(Load(service.port, photos, seconds=seconds, clients=CLIENTS, timeout_s=60))


def _report(rounds: list[dict[str, Measured]], memory_mb: dict[str, int]) -> None:
    def ratio(above: str, below: str) -> float:
        return statistics.median(one[above].answered_per_s / one[below].answered_per_s for one in rounds)

    good = {"every answer is 200": all(set(found.counts) == {200} for one in rounds for found in one.values())}
    details = {f"{name}_per_s": [round(one[name].answered_per_s, 1) for one in rounds] for name in rounds[0]} | {
        f"{name}_p99_ms": round(max(one[name].p99_ms(200) for one in rounds), 1) for name in rounds[0]
    }
    report(
        "bentoml, mobilenet_v3_small: requests a second with adaptive batching / without",
        ratio=ratio("batched", "bentoml"),
        target=GAIN,
        details={"clients": CLIENTS, "max_batch": MAX_BATCH, **details},
        conditions=good,
    )
    report(
        "bentoml, mobilenet_v3_small: requests a second of `petmood serve` / through BentoML",
        ratio=ratio("service", "bentoml"),
        target=COST,
        details={"memory_mb": memory_mb},
        conditions=good,
    )


if __name__ == "__main__":
    main()

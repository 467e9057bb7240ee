"""Cost of traces: processor time for each request with 1% and with all requests traced, over that without.

Three services run at once and take turns of requests, so that load on the machine slows all alike. A collector on the
same machine takes the spans.
"""

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import report
from benchmarks.services import ours, running
from benchmarks.turns import in_turns, median_of
from tests.support.collector import collecting

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "7"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "5"))
CLIENTS: Final = 32
SHARES: Final = (0.01, 1.0)
TARGET: Final = 1.01
TARGET_OF_ALL: Final = 1.1


def main(backbone: str = "mobilenet_v3_small") -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name, collecting() as collector, ExitStack() as started:
        folder = Path(name)
        photos = write_photos(folder / "photos", count=16)
        command, field = ours(make_bundle(backbone, folder / "bundle"))
        first = Path(photos[0]).read_bytes()
        options = [[], *(["--traces", collector.url, "--trace-sampling", str(share)] for share in SHARES)]
        services = [started.enter_context(running(([*command, *given], field), photo=first)) for given in options]
        costs = in_turns(services, photos, rounds=ROUNDS, seconds=SECONDS, clients=CLIENTS)
    few, every = (median_of(costs, lambda one, plain: one.cpu_us / plain.cpu_us, at=at) for at in (1, 2))
    report(
        f"traces of 1% of the requests, {backbone}: processor time of a request with them / without",
        ratio=few,
        target=TARGET,
        details={
            "clients": CLIENTS,
            "processor_us_a_request": [[round(one.cpu_us) for one in some] for some in costs],
            "ratio_with_all_traced": round(every, 3),
        },
        conditions={f"with all requests traced it is under {TARGET_OF_ALL:g}": every < TARGET_OF_ALL},
    )


if __name__ == "__main__":
    main()

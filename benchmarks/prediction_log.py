"""Cost of the prediction log: processor time for each request with it, over that without. Target: 1.03.

Both services run at once, and take turns of requests, so that load on the machine slows both alike. Details: the time
to measure a photo and to write a row, and the time to read the last 1,000 and the last 100,000 of a million rows.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import medians_in_turns, report
from benchmarks.load import Load, measure
from benchmarks.machine import watched
from benchmarks.services import Service, ours, running
from petmood.core.image_statistics import statistics_of
from petmood.monitoring.prediction_log.database import connect, database_url
from petmood.monitoring.prediction_log.reader import read_window
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import BUNDLE, row

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "7"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "5"))
ROWS: Final = int(os.environ.get("BENCH_ROWS", "1000000"))
CLIENTS: Final = 32
TARGET: Final = 1.03
ROW_US: Final = 100.0
WINDOW_S: Final = 0.5


def main(backbone: str = "mobilenet_v3_small") -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder / "photos", count=16)
        bundle = make_bundle(backbone, folder / "bundle")
        first = Path(photos[0]).read_bytes()
        command, field = ours(bundle)
        logged = [*command, "--prediction-log", f"sqlite:///{folder}/log.db"], field
        with running(ours(bundle), photo=first) as plain, running(logged, photo=first) as with_log:
            rounds = [[_cost_us(one, photos) for one in (plain, with_log)] for _ in range(ROUNDS)]
        ratio = statistics.median(with_log / plain for plain, with_log in rounds)
        parts = _details(folder)
    report(
        f"prediction log, {backbone}: processor time of a request with it / without",
        ratio=ratio,
        target=TARGET,
        details={
            "clients": CLIENTS,
            "processor_us_a_request": [[round(one) for one in both] for both in rounds],
            **parts,
        },
        conditions={
            f"a photo is measured and its row written in under {ROW_US:g} us": parts["us_a_row"] < ROW_US,
            f"the last 1,000 of {ROWS:,} rows are read in {WINDOW_S} s": parts["s_last_1000"] < WINDOW_S,
        },
    )


def _cost_us(service: Service, photos: list[str]) -> float:
    """Return the processor time of the service for each answered request, in microseconds."""
    load = Load(service.port, photos, seconds=SECONDS, clients=CLIENTS, field=service.field, timeout_s=60)
    turn = watched(lambda: measure(load), pids=[service.process.pid])
    return 1e6 * turn.cpu_s / max(1, sum(turn.found.counts.values()))


def _details(folder: Path) -> dict[str, float]:
    """Return the times of the log's parts, in microseconds and seconds of the processor."""
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    (measuring,) = medians_in_turns([lambda: statistics_of(pixels)], rounds=200, clock=time.thread_time)
    engine = connect(database_url(f"sqlite:///{folder}/rows.db"))
    store = LogStore(engine)
    store.prepare()
    embedding = np.zeros(128, "<f2").tobytes()
    begun = time.thread_time()
    for start in range(0, ROWS, 100):
        store.insert([row(start + number, embedding=embedding) for number in range(100)])
    writing = (time.thread_time() - begun) / ROWS
    took = {}
    for last in (1_000, 100_000):
        begun = time.thread_time()
        window = read_window(engine, BUNDLE, columns=128, last=last)
        took[f"s_last_{last}"] = round(time.thread_time() - begun, 3)
        if len(window.places) != min(last, ROWS):
            raise RuntimeError(f"Expected {last} rows, got {len(window.places)}.")
    engine.dispose()
    return {
        "us_to_measure_a_photo": round(1e6 * measuring, 1),
        "us_to_write_a_row": round(1e6 * writing, 1),
        "us_a_row": round(1e6 * (measuring + writing), 1),
        "rows": ROWS,
        **took,
    }


if __name__ == "__main__":
    main()

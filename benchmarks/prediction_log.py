"""Cost of the prediction log at 32 clients: throughput, median latency and processor time with it and without.

Targets: 3% less throughput, 1 ms more at the median, and 100 us of processor time a request, for an embedding that is
logged in full. Both services run at once, and take turns of requests, so that load on the machine slows both alike.
Details: what measuring a photo adds to its prediction, and the time to make and write its row. Also the time to read
the last 1,000 and the last 100,000 of a million rows.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.bundles import make_bundle, write_photos
from benchmarks.common import medians_in_turns, report
from benchmarks.services import ours, running
from benchmarks.turns import in_turns, median_of
from petmood.core.prediction import Prediction
from petmood.inference.load import load_bundle
from petmood.monitoring.prediction_log.database import connect, database_url
from petmood.monitoring.prediction_log.reader import read_window, rows_by_bundle
from petmood.monitoring.prediction_log.rows import LogRow, PhotoKey, log_row
from petmood.monitoring.prediction_log.store import LogStore
from petmood.monitoring.projection import FULL_WIDTH
from tests.support.logged import START_US

__all__ = ["main"]

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "15"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))
ROWS: Final = int(os.environ.get("BENCH_ROWS", "1000000"))
CLIENTS: Final = 32
TARGET: Final = 1.03
ADDED_MS: Final = 1.0
ADDED_US: Final = 100.0
ROW_US: Final = 100.0
WINDOW_S: Final = 0.5


def main(backbone: str = "tiny") -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder / "photos", count=16)
        bundle = make_bundle(backbone, folder / "bundle")
        first = Path(photos[0]).read_bytes()
        command, field = ours(bundle)
        logged = [*command, "--prediction-log", f"sqlite:///{folder}/log.db"], field
        with running(ours(bundle), photo=first) as plain, running(logged, photo=first) as with_log:
            costs = in_turns((plain, with_log), photos, rounds=ROUNDS, seconds=SECONDS, clients=CLIENTS)
        parts = _details(folder, bundle, first)
    ratio = median_of(costs, lambda logs, plain: plain.per_s / logs.per_s)
    added_ms = median_of(costs, lambda logs, plain: logs.p50_ms - plain.p50_ms)
    added_us = median_of(costs, lambda logs, plain: logs.cpu_us - plain.cpu_us)
    report(
        f"prediction log, {backbone}: throughput without / with it",
        ratio=ratio,
        target=TARGET,
        details={
            "clients": CLIENTS,
            "added_p50_ms": round(added_ms, 3),
            "added_processor_us": round(added_us, 1),
            "processor_time_ratio": round(median_of(costs, lambda logs, plain: logs.cpu_us / plain.cpu_us), 4),
            "requests_per_s": [[round(one.per_s, 1) for one in both] for both in costs],
            "p50_ms": [[round(one.p50_ms, 1) for one in both] for both in costs],
            "processor_us_a_request": [[round(one.cpu_us) for one in both] for both in costs],
            **parts,
        },
        conditions={
            f"the median latency is under {ADDED_MS:g} ms more": added_ms < ADDED_MS,
            f"a request takes under {ADDED_US:g} us more of the processor": added_us < ADDED_US,
            f"embeddings of {FULL_WIDTH} columns are logged": parts["columns"] == FULL_WIDTH,
            f"a photo is measured and its row written in under {ROW_US:g} us": parts["us_a_row"] < ROW_US,
            f"the last 1,000 of {ROWS:,} rows are read in {WINDOW_S} s": parts["s_last_1000"] < WINDOW_S,
        },
    )


def _details(folder: Path, bundle: Path, photo: bytes) -> dict[str, float]:
    """Return the times of the log's parts, in microseconds and seconds of the processor."""
    plain, measures = (load_bundle(bundle, measures=one) for one in (False, True))
    predicting = [lambda: plain.predict(photo), lambda: measures.predict(photo)]
    without, measured = medians_in_turns(predicting, rounds=300, clock=time.thread_time)
    engine = connect(database_url(f"sqlite:///{folder}/rows.db"))
    store = LogStore(engine)
    store.prepare()
    made = measures.predict(photo)
    columns = len(_row(made, 0).embedding or b"") // 2  # float16
    begun = time.thread_time()
    for start in range(0, ROWS, 100):
        store.insert([_row(made, start + number) for number in range(100)])
    writing = (time.thread_time() - begun) / ROWS
    (found,), took = rows_by_bundle(engine), dict[str, float]()
    for last in (1_000, 100_000):
        begun = time.thread_time()
        window = read_window(engine, found.bundle, columns=columns, last=last)
        took[f"s_last_{last}"] = round(time.thread_time() - begun, 3)
        if len(window.places) != min(last, ROWS):
            raise RuntimeError(f"Expected {last} rows, got {len(window.places)}.")
    engine.dispose()
    return {
        "columns": columns,
        "us_to_measure_a_photo": round(1e6 * (measured - without), 1),
        "us_to_write_a_row": round(1e6 * writing, 1),
        "us_a_row": round(1e6 * (measured - without + writing), 1),
        "rows": ROWS,
        **took,
    }


def _row(made: Prediction, number: int) -> LogRow:
    return log_row(made, PhotoKey(f"request-{number}"), time_us=START_US + number, latency_ms=10)


if __name__ == "__main__":
    main()

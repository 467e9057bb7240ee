"""Drift over a prediction log of a million rows in SQLite: time and memory of the last 1,000 and 100,000.

python -m benchmarks.drift_log_scale [--rows 1000000] [--folder FOLDER]

Goals: 0.5 s for 1,000 rows, and 5 s with 1 GB for 100,000. The log is generated in a temporary folder and deleted
afterwards, or kept in FOLDER and used again; a million rows take 2.2 GB. Every measurement is a process of its own, so
that its peak of memory is its own too. Times are those of the calls, reading and tests, without the start of Python: of
the processor, and of the wall clock beside it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Engine, insert

from benchmarks.common import report
from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.drift.accuracy import estimate_accuracy
from petmood.monitoring.drift.detect import detect_drift
from petmood.monitoring.measurements import Measurements
from petmood.monitoring.prediction_log.database import connect, database_url, migrate, open_log
from petmood.monitoring.prediction_log.reader import place_before, read_next, read_window, rows_by_bundle
from petmood.monitoring.prediction_log.rows import LoggedBundle, RowPlace
from petmood.monitoring.prediction_log.tables import BUNDLES, PREDICTIONS

__all__ = ["main"]

ROWS: Final = 1_000_000
CHUNK: Final = 10_000
COLUMNS: Final = 640
REFERENCE: Final = 1000
GOALS_S: Final = {1_000: 0.5, 100_000: 5.0}
MEMORY_MB: Final = 1000
WINDOW: Final = 200
START_US: Final = 1_790_000_000_000_000
CLASSES: Final = ("angry", "happy", "other", "sad")
BUNDLE: Final = LoggedBundle("ab" * 32, "pets", "2", CLASSES)
OTHER: Final = LoggedBundle("cd" * 32, "pets", "1", CLASSES)
"""A tenth of the rows is of another bundle."""


def main() -> None:
    """Generate the log, measure, and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_log_scale")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", nargs=2, metavar=("DATABASE", "WHAT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(_measured(*chosen.measure)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        address = f"sqlite:///{folder}/log-{chosen.rows}.db"
        if not (folder / f"log-{chosen.rows}.db").exists():
            _generate(address, rows=chosen.rows)
        megabytes = round((folder / f"log-{chosen.rows}.db").stat().st_size / 1e6)
        about = {"rows": chosen.rows, "columns": COLUMNS, "database_mb": megabytes}
        found = {what: _ask(address, what) for what in (*map(str, GOALS_S), "api")}
    for last, goal_s in GOALS_S.items():
        one = found[str(last)]
        name = f"drift over the last {last} of {chosen.rows} logged rows"
        report(
            f"{name}: processor time / {goal_s} s", ratio=one["processor_s"] / goal_s, target=1.0, details=about | one
        )
        ratio = one["peak_mb"] / MEMORY_MB
        report(f"{name}: memory / {MEMORY_MB} MB", ratio=ratio, target=1.0, details={"peak_mb": one["peak_mb"]})
    api = found["api"]
    report(
        f"drift API with {chosen.rows} logged rows: to look for new rows / 0.1 s",
        ratio=api["look_s"] / 0.1,
        target=1.0,
        details=api,
    )


def _ask(address: str, what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.drift_log_scale", "--measure", address, what]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measured(address: str, what: str) -> dict[str, Any]:
    engine = open_log(address)
    begun_mb = _peak_mb()
    found = _api(engine) if what == "api" else _window(engine, last=int(what))
    engine.dispose()
    return found | {"before_mb": begun_mb, "peak_mb": _peak_mb()}


def _window(engine: Engine, *, last: int) -> dict[str, Any]:
    """Read and test the last rows, as ``petmood monitor drift --last`` does."""
    reference = _reference()
    wall, processor = time.perf_counter(), time.process_time()
    rows = read_window(engine, BUNDLE, columns=COLUMNS, last=last)
    read_s = time.perf_counter() - wall
    result = detect_drift(reference, rows.measured)
    estimate_accuracy(reference, rows.measured)
    took = {"wall_s": time.perf_counter() - wall, "processor_s": time.process_time() - processor, "read_s": read_s}
    if len(rows.places) != last or len(rows.measured) != last:
        raise SystemExit(f"Expected {last} measured rows, got {len(rows.measured)} of {len(rows.places)}.")
    return {name: round(value, 3) for name, value in took.items()} | {"status": result.status}


def _api(engine: Engine) -> dict[str, Any]:
    """Read as the drift API does: at the start, at the start with a state, and each ten seconds."""
    last = read_window(engine, BUNDLE, columns=COLUMNS, last=1).places[0]

    def window(after: RowPlace | None) -> None:
        read_next(engine, BUNDLE, columns=COLUMNS, after=after, count=WINDOW)

    return {
        "count_s": _timed(lambda: rows_by_bundle(engine)),
        "first_window_s": _timed(lambda: window(place_before(engine, BUNDLE, 50 * WINDOW))),
        "place_up_to_s": _timed(lambda: place_before(engine, BUNDLE, 50 * WINDOW, up_to=last)),
        "next_window_s": _timed(lambda: window(last._replace(time_us=last.time_us - 1_000_000_000))),
        "look_s": _timed(lambda: window(last)),
    }


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 3)


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def _generate(address: str, *, rows: int) -> None:
    """Write a log with a row each second, in the order of time."""
    engine = connect(database_url(address))
    migrate(engine)
    with engine.begin() as connection:
        for one in (BUNDLE, OTHER):
            values = {"sha256": one.sha256, "name": one.name, "version": one.version, "classes": json.dumps(CLASSES)}
            connection.execute(insert(BUNDLES), values)
    for start in range(0, rows, CHUNK):
        with engine.begin() as connection:
            connection.execute(insert(PREDICTIONS), list(_rows(start, min(CHUNK, rows - start))))
    engine.dispose()


def _rows(start: int, count: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng([1, start])
    made = _made_up(count, rng)
    ids = rng.bytes(16 * count).hex()
    for row in range(count):
        chances = made["probabilities"][row]
        yield {
            "request_id": ids[32 * row : 32 * row + 32],
            "position": 0,
            "time_us": START_US + (start + row) * 1_000_000,
            "bundle": (OTHER if row % 10 == 9 else BUNDLE).sha256,
            "label": CLASSES[int(chances.argmax())],
            "probabilities": chances.astype("<f4").tobytes(),
            "confident": bool(made["confident"][row]),
            "in_domain": bool(made["in_domain"][row]),
            "novelty": 0.5,
            "animal_score": 0.9,
            "latency_ms": 12.5,
            **dict(zip(STATISTICS, made["statistics"][row].tolist(), strict=True)),
            "embedding": made["embedding"][row].tobytes(),
            "residual": float(made["residual"][row]),
        }


def _reference() -> Measurements:
    rng = np.random.default_rng(0)
    return Measurements(**_made_up(REFERENCE, rng), classes=CLASSES, correct=np.ones(REFERENCE, np.int8))


def _made_up(count: int, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "statistics": rng.random((count, len(STATISTICS)), dtype=np.float32),
        "embedding": rng.standard_normal((count, COLUMNS), dtype=np.float32).astype(np.float16),
        "residual": rng.random(count, dtype=np.float32),
        "probabilities": rng.dirichlet(np.ones(len(CLASSES)), size=count).astype(np.float32),
        "confident": rng.random(count) < 0.7,
        "in_domain": rng.random(count) < 0.9,
    }


if __name__ == "__main__":
    main()

"""Costs of one more photo and one more request, as docs/growth.md multiplies them. Target: 1.5x a photo at three times.

python -m benchmarks.growth DATASET RUN BUNDLE

DATASET is an imported dataset, RUN a finished training on it, BUNDLE its export with an embedding. Both searches for
near-duplicates are measured on generated photos, 500 and 1,500, in a process each. The ratio is the exhaustive one's
processor time a photo at the larger size against the smaller one: about 1 if it grows in proportion. All other times
are of one processor as well, but for training, which has the whole machine.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.common import report
from benchmarks.families_scale import growth_of, in_a_process
from petmood.cloud.cost import MONTH_S, read_prices
from petmood.core.bundle_files import MANIFEST
from petmood.core.processors import processor_count, processor_name
from petmood.data.duplicates.chosen_search import SearchKind
from petmood.data.index import INDEX_NAME, read_index
from petmood.inference.load import load_bundle
from petmood.monitoring.prediction_log.database import connect, database_url
from petmood.monitoring.prediction_log.rows import PhotoKey, log_row
from petmood.monitoring.prediction_log.store import LogStore
from tests.support.logged import START_US

__all__ = ["main"]

SMALL, LARGE = 500, 1500
RATIO: Final = 1.5
PHOTOS: Final = 200
ROWS: Final = 5000
CHUNK: Final = 100
CORES, MEMORY_GIB = 2, 2
"""Size of one instance, as `petmood cloud deploy` sets it."""


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    for name in ("dataset", "run", "bundle"):
        parser.add_argument(name, type=Path)
    chosen = parser.parse_args()
    search = _search()
    ratio = search.pop("ratio")
    details = {
        "processor": f"{processor_name()}, {processor_count()} cores",
        "photo": _photo(chosen.dataset) | search,
        "training": _training(chosen.run),
        "request": _request(chosen.bundle, chosen.dataset),
        "instance": _instance(),
    }
    report(
        f"growth: processor time of the near-duplicate search a photo, {LARGE} photos against {SMALL}",
        ratio=ratio,
        target=RATIO,
        details=details,
    )


def _search() -> dict[str, float]:
    """Return the memory and time of a photo in both searches, and the ratio of the exhaustive one."""
    facts: dict[str, float] = {}
    for kind, name in ((SearchKind.TWO_STAGES, "two_stages"), (SearchKind.EXHAUSTIVE, "search")):
        small, large = (in_a_process(count, kind=kind) for count in (SMALL, LARGE))
        more = growth_of(small, large)
        facts |= {f"{name}_bytes": more["bytes_a_photo"], f"{name}_ms": more["ms_a_photo"]}
        facts["ratio"] = (large["cpu_s"] / LARGE) / (small["cpu_s"] / SMALL)
    return facts


def _photo(dataset: Path) -> dict[str, float]:
    rows = read_index(dataset).rows
    sizes = [(dataset / row.path).stat().st_size for row in rows]
    return {
        "photos": len(rows),
        "file_bytes": round(statistics.mean(sizes)),
        "index_bytes": round((dataset / INDEX_NAME).stat().st_size / len(rows)),
    }


def _training(run: Path) -> dict[str, Any]:
    found = json.loads((run / "run.json").read_text("utf-8"))
    side = found["image"]["side_px"]
    return {
        "backbone": found["backbone"],
        "side_px": side,
        "cached_bytes": 3 * side * side,
        "ms": round(1000 * found["seconds"] / found["epochs"] / found["photos"]["train"], 1),
    }


def _request(bundle: Path, dataset: Path) -> dict[str, float]:
    """Return the processor time of one prediction and of its row in the log, and the size of that row."""
    rows = read_index(dataset).rows
    photos = [(dataset / row.path).read_bytes() for row in rows[:: max(1, len(rows) // PHOTOS)][:PHOTOS]]
    model = load_bundle(bundle, measures=True)
    made = model.predict(photos[0])
    begun = time.process_time()
    for photo in photos:
        model.predict(photo)
    predicting = (time.process_time() - begun) / len(photos)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.db"
        engine = connect(database_url(f"sqlite:///{file}"))
        store = LogStore(engine)
        store.prepare()
        begun = time.process_time()
        for start in range(0, ROWS, CHUNK):
            keys = [PhotoKey(f"request-{start + number}") for number in range(CHUNK)]
            store.insert([log_row(made, key, time_us=START_US + start, latency_ms=10) for key in keys])
        writing = (time.process_time() - begun) / ROWS
        engine.dispose()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return {
        "predict_ms": round(1000 * predicting, 2),
        "row_us": round(1e6 * writing, 1),
        "row_bytes": round(size / ROWS),
        "bundle_bytes": sum(path.stat().st_size for path in bundle.iterdir() if path.name != MANIFEST),
    }


def _instance() -> dict[str, Any]:
    prices = read_prices()
    second = CORES * prices.cloud_run.instance_cpu_second + MEMORY_GIB * prices.cloud_run.instance_gib_second
    return {
        "cores": CORES,
        "month_usd": round(MONTH_S * second, 2),
        "as_of": prices.as_of.isoformat(),
    }


if __name__ == "__main__":
    main()

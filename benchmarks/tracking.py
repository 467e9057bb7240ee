"""Overhead of tracking with an embedded MLflow on a complete training. Target: within 1.05x of no tracking.

mobilenet_v3_small at 224 px for a few epochs, with ``tracker=mlflow`` and ``tracker=none`` in turns. Both include
everything that ``petmood train`` does, also the start of the mirror process and the wait until it has ended.
"""

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.common import best_of, report
from petmood.data.index import Split, read_index, write_index
from petmood.pipelines.mirror_process import MirrorOutcome, mirror_now
from petmood.pipelines.train import train
from petmood.training.tracking.state import TrackerSettings, new_state, write_state
from tests.support.photo_sets import learning_set, settings

__all__ = ["main"]

PHOTOS: Final = 288
EVALUATED: Final = 32
EPOCHS: Final = 4
ROUNDS: Final = 5
TARGET: Final = 1.05


def main() -> None:
    """Measure and report."""
    with learning_set(PHOTOS) as folder:
        _write_splits(folder)
        numbers = itertools.count()
        wanted = ("recipe=scratch", "augment=standard", f"epochs={EPOCHS}", f"run.folder={folder}/runs")
        tracker = ("tracker=mlflow", f"tracker.uri=sqlite:///{folder}/mlflow.db")

        seconds: dict[str, list[float]] = {"none": [], "mlflow": []}

        def once(*tracker: str) -> Path:
            began = time.perf_counter()
            run = train(settings(folder, *wanted, *tracker, f"name=r{next(numbers)}"))
            seconds["none" if "tracker=none" in tracker else "mlflow"].append(round(time.perf_counter() - began, 2))
            return run.path

        found = best_of(ROUNDS, none=lambda: once("tracker=none"), mlflow=lambda: once(*tracker))
        every = {name: sorted(some[1:]) for name, some in seconds.items()}
        last = once(*tracker)
        outcome = mirror_now(last)
        state_ms = _state_ms(folder)
    report(
        "tracking: a training that tells an embedded MLflow against one that tells nobody",
        ratio=found["mlflow"] / found["none"],
        target=TARGET,
        conditions={"everything was sent": outcome == MirrorOutcome()},
        details={
            "none_s": round(found["none"], 2),
            "mlflow_s": round(found["mlflow"], 2),
            "every_none_s": every["none"],
            "every_mlflow_s": every["mlflow"],
            "epochs": EPOCHS,
            "photos": PHOTOS - 2 * EVALUATED,
            "state_ms": round(state_ms, 2),
        },
    )


def _write_splits(folder: Path) -> None:
    """Assign some photos to validation and test, so that training runs all its steps."""
    rows = read_index(folder).rows
    splits = [Split.TRAIN] * (PHOTOS - 2 * EVALUATED) + [Split.VALID] * EVALUATED + [Split.TEST] * EVALUATED
    write_index(folder, [replace(row, split=split) for row, split in zip(rows, splits, strict=True)])


def _state_ms(folder: Path, *, count: int = 100) -> float:
    """Return the ms that noting one epoch costs the training process, flushed to disk."""
    state = new_state(folder, TrackerSettings())
    began = time.perf_counter()
    for epoch in range(count):
        state = state.model_copy(update={"epoch_ms": state.epoch_ms | {epoch: epoch}})
        write_state(folder, state)
    return (time.perf_counter() - began) / count * 1000


if __name__ == "__main__":
    main()

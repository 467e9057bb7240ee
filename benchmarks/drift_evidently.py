"""The drift detectors beside Evidently on equal windows, which an environment of Evidently's own reads as npz files."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.common import report
from benchmarks.drift_photos import Features, PhotoSet
from benchmarks.drift_windows import drifting, power_windows
from petmood.monitoring.metric_names import DriftStatus

__all__ = ["beside_evidently"]

PYTHON: Final = "PETMOOD_EVIDENTLY_PYTHON"
WINDOWS: Final = 5
SIZES: Final = (100, 200)
WORKER: Final = Path(__file__).with_name("evidently_worker.py")


def beside_evidently(photos: PhotoSet, *, shifts: Sequence[str]) -> None:
    """Give ``WINDOWS`` clean and changed windows of each size to both sides, and report what each finds."""
    python = os.environ.get(PYTHON)
    if not python:
        print(
            f"Evidently is left out: {PYTHON} is not set. Install it into an environment of its own, as "
            "the docstring of benchmarks.drift_power says, and set the variable to its python.",
            file=sys.stderr,
        )
        return
    pool = len(next(iter(photos.altered.values())))
    clean = photos.photos.take(np.arange(pool))
    kinds = {"clean": clean, "jpeg": photos.altered["jpeg", 1]}
    kinds |= {shift: photos.altered[shift, 1] for shift in shifts} | photos.others
    for size in SIZES:
        fitting = {name: features for name, features in kinds.items() if len(features) >= size}
        with tempfile.TemporaryDirectory() as folder:
            ours = {name: _write(Path(folder), name, photos, features, size=size) for name, features in fitting.items()}
            theirs = _ask(python, Path(folder))
        changed = [name for name in fitting if name != "clean"]
        mean = {
            "petmood": float(np.mean([ours[name] for name in changed])),
            "evidently": float(np.mean([max(theirs[name]["preset"], theirs[name]["embeddings"]) for name in changed])),
        }
        report(
            f"drift in windows of {size} real photos: found by Evidently / found by petmood",
            ratio=mean["evidently"] / mean["petmood"],
            target=1.0,
            details={"part": "evidently", "window": size, "windows": WINDOWS, "petmood": ours, "evidently": theirs},
        )


def _write(folder: Path, name: str, photos: PhotoSet, features: Features, *, size: int) -> float:
    """Write the windows of one kind for Evidently, and return the share in which petmood finds drift."""
    pool = len(next(iter(photos.altered.values())))
    drifted = 0
    given = power_windows(photos, features, size=size, windows=WINDOWS, pool=pool)
    for number, (split, window) in enumerate(given):
        drifted += drifting(split, window, seed=number).status is DriftStatus.DRIFT
        reduced, residual = split.projection.project(window.embedding)
        np.savez(
            folder / f"{name}__{number}.npz",
            reference_statistics=np.column_stack([split.reference.statistics, split.reference.residual]),
            reference_embedding=split.reference.embedding,
            statistics=np.column_stack([window.statistics, residual]),
            embedding=reduced,
        )
    return round(drifted / WINDOWS, 3)


def _ask(python: str, folder: Path) -> dict[str, dict[str, float]]:
    done = subprocess.run([python, WORKER, folder], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"Expected {python} to run Evidently, got exit code {done.returncode}. Check {PYTHON}.")
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found

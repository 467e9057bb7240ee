"""False alarms and power of the drift detectors, on real or drawn photos, beside Evidently; and their time.

python -m benchmarks.drift_power [PHOTOS] [--windows 2000] [--only PART ...] or [--run RUN]

PHOTOS (or PETMOOD_PHOTOS) is a folder with ``dog-faces`` and ``pets-facial-expression``. Without it all photos are
drawn. With RUN, they are its held-out photos, and the embeddings those of its network. Evidently runs in an environment
of its own, whose python is named by PETMOOD_EVIDENTLY_PYTHON: ``uv venv DIR && uv pip install --python DIR evidently
pandas<3.1``.
"""

import argparse
import os
import resource
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.common import report
from benchmarks.drift_evidently import beside_evidently
from benchmarks.drift_photos import (
    DRAWINGS,
    SHIFTS,
    SPECIES_SHIFT,
    PhotoSet,
    drawn_photos,
    full_side_photos,
    real_photos,
    run_photos,
)
from benchmarks.drift_windows import false_alarms, power
from petmood.monitoring.drift.detect import detect_drift
from petmood.monitoring.measurements import Measurements
from petmood.monitoring.prediction_log.rows import RowPlace

__all__ = ["main"]

SIZES: Final = (50, 100, 200)
DRAWN_SIZE: Final = 1000
DRAWN: Final = 3000
PHOTOS_A_WEEK: Final = 7 * 1000
"""Traffic that false alarms a week are stated for: 1,000 photos a day."""
MOST_FALSE_ALARMS: Final = 0.03
LEAST_POWER: Final = 0.95
POWER_WINDOWS: Final = {50: 50, 100: 100, 200: 50}
GRID_WINDOWS: Final = 10
SHARES: Final = (0.1, 0.5, 1.0)
CLASSES: Final = tuple("abcd")
PARTS: Final = ("clean", "power", "grid", "full_side", "evidently", "drawn", "speed")


def main() -> None:
    """Measure the chosen parts and report each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_power")
    parser.add_argument("photos", nargs="?", default=os.environ.get("PETMOOD_PHOTOS"), type=Path)
    parser.add_argument("--run", type=Path, help="measure the held-out photos of a run, with its own embeddings")
    parser.add_argument("--windows", default=2000, type=int, help="clean windows of each size")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.run:
        photos = run_photos(chosen.run)
        report_false_alarms(photos, sizes=SIZES, windows=chosen.windows, what="held-out photos of a run")
        report_power(photos, what="held-out photos of a run")
        return
    parts = set(chosen.only)
    if parts & {"clean", "power", "grid", "evidently"} and chosen.photos:
        photos = real_photos(chosen.photos)
        if "clean" in parts:
            report_false_alarms(photos, sizes=SIZES, windows=chosen.windows, what="real photos")
        if "power" in parts:
            report_power(photos, what="real photos")
        if "grid" in parts:
            report_grid(photos)
        if "evidently" in parts:
            beside_evidently(photos, shifts=SHIFTS[:3])
    if "full_side" in parts and chosen.photos:
        report_full_side(full_side_photos(chosen.photos))
    if "drawn" in parts:
        drawn = drawn_photos(DRAWN, altered=DRAWN_SIZE)
        report_false_alarms(drawn, sizes=(DRAWN_SIZE,), windows=chosen.windows, what="drawn pets")
        report_power_of_drawings(drawn)
    if "speed" in parts:
        report_speed()


def report_false_alarms(photos: PhotoSet, *, sizes: tuple[int, ...], windows: int, what: str) -> None:
    """Measure clean windows of each size."""
    for size, found in false_alarms(photos, sizes=sizes, windows=windows).items():
        share = found["share"]
        a_week = PHOTOS_A_WEEK / size
        report(
            f"drift, clean windows of {size} {what}: share called drift / 3%",
            ratio=share[0] / MOST_FALSE_ALARMS,
            target=1.0,
            details={
                "part": "clean",
                "window": size,
                **found,
                "photos_a_week": PHOTOS_A_WEEK,
                "drifting_windows_a_week": round(share[0] * a_week, 2),
                "alerts_a_week": round(found["alerts"] / found["windows"] * a_week, 4),
            },
        )


def report_power(photos: PhotoSet, *, what: str) -> None:
    """Measure windows of changed photos alone."""
    pool = len(next(iter(photos.altered.values())))
    changed = {shift: photos.altered[shift, 1] for shift in SHIFTS} | photos.others
    for size in SIZES:
        found = {
            name: power(photos, features, size=size, windows=POWER_WINDOWS[size], pool=pool)
            for name, features in changed.items()
            if len(features) >= size
        }
        wanted = [found[name]["found"] for name in (*SHIFTS[:4], SPECIES_SHIFT, DRAWINGS) if name in found]
        report(
            f"drift, windows of {size} changed {what}: least share missed / 5%",
            ratio=(1 - min(wanted)) / (1 - LEAST_POWER),
            target=1.0,
            details={
                "part": "power",
                "window": size,
                "windows": POWER_WINDOWS[size],
                "photos": {k: len(v) for k, v in changed.items()},
                "found": found,
            },
        )


def report_grid(photos: PhotoSet) -> None:
    """Measure the grid of Rabanser et al. (2019): shifts of three strengths in three shares of a window."""
    pool = len(next(iter(photos.altered.values())))
    for size in SIZES:
        cells = {
            (shift, strength, share): power(photos, features, size=size, windows=GRID_WINDOWS, share=share, pool=pool)[
                "found"
            ]
            for (shift, strength), features in photos.altered.items()
            for share in SHARES
        }

        def mean(place: int, value: float | str, cells: dict[tuple[str, int, float], float] = cells) -> float:
            return round(float(np.mean([found for cell, found in cells.items() if cell[place] == value])), 3)

        total = float(np.mean(list(cells.values())))
        report(
            f"drift, grid of shifts in windows of {size} real photos: mean share missed",
            ratio=1 - total,
            target=1.0,
            details={
                "part": "grid",
                "window": size,
                "found": round(total, 3),
                "cells": len(cells),
                "windows_of_each": GRID_WINDOWS,
                "by_shift": {shift: mean(0, shift) for shift in SHIFTS},
                "by_strength": {name: mean(1, k) for k, name in enumerate(("weak", "middle", "strong"))},
                "by_share": {f"{share:.0%}": mean(2, share) for share in SHARES},
            },
        )


def report_full_side(photos: PhotoSet) -> None:
    """Measure JPEG coding with embeddings from the full 192 px."""
    altered = photos.altered["jpeg", 1]
    found = {size: power(photos, altered, size=size, windows=50, pool=len(altered)) for size in SIZES}
    report(
        "drift, windows of 100 real photos after JPEG coding, embeddings from 192 px: share missed / 5%",
        ratio=(1 - found[100]["found"]) / (1 - LEAST_POWER),
        target=1.0,
        details={"part": "full_side", "windows": 50, "found": found},
    )


def report_power_of_drawings(photos: PhotoSet) -> None:
    """Measure altered drawings in windows of 1,000; a tenth of each window is altered."""
    pool = len(next(iter(photos.altered.values())))
    found = {
        shift: power(photos, features, size=DRAWN_SIZE, windows=GRID_WINDOWS, share=0.1, pool=pool)
        for (shift, _), features in photos.altered.items()
    }
    report(
        f"drift, windows of {DRAWN_SIZE} drawn pets, a tenth altered: mean share missed",
        ratio=1 - float(np.mean([one["found"] for one in found.values()])),
        target=1.0,
        details={"part": "drawn", "window": DRAWN_SIZE, "windows": GRID_WINDOWS, "found": found},
    )


def report_speed() -> None:
    """Measure windows of 1,000 and 100,000 rows against limits of 0.5 s and 5 s of processor time."""
    reference = Measurements(**_made_up(1000, seed=0))
    for rows, limit_s in ((1000, 0.5), (100_000, 5.0)):
        for moved in (0.0, 0.3):
            places = tuple(RowPlace(row, str(row), 0) for row in range(rows))
            window = Measurements(**_made_up(rows, seed=1, moved=moved), places=places)
            took = []
            for _ in range(5):
                begun = time.process_time()
                result = detect_drift(reference, window)
                took.append(time.process_time() - begun)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            report(
                f"drift test of {rows} rows in memory, {result.status}: time / {limit_s} s",
                ratio=float(np.median(took)) / limit_s,
                target=1.0,
                details={
                    "part": "speed",
                    "rows": rows,
                    "status": result.status,
                    "processor_seconds": [round(one, 3) for one in sorted(took)],
                    "peak_process_mb": round(peak / 1e6),
                },
            )


def _made_up(count: int, *, seed: int, moved: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "classes": CLASSES,
        "statistics": rng.random((count, 4), dtype=np.float32),
        "embedding": (rng.normal(size=(count, 128)) + moved).astype(np.float16),
        "residual": rng.random(count, dtype=np.float32) + np.float32(moved),
        "probabilities": rng.random((count, len(CLASSES)), dtype=np.float32),
        "confident": rng.random(count) < 0.7,
        "in_domain": rng.random(count) < 0.9,
    }


if __name__ == "__main__":
    main()

"""Augmented photos a second by 0, 1, 2 and 4 workers, in turns. Target: two workers take 0.9x the time of none.

Photos of 224 px from an image cache in memory, with the standard augmentation, in batches of 32; no network takes part.
Each turn is one epoch by loaders whose workers run already. The error bars are the quartiles of the turns and their
extremes. In each turn every photo has to come exactly once. On a machine with two cores a network in training leaves no
core to workers, so the default is none; ``benchmarks/epoch.py`` measures whole epochs.
"""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.common import report
from petmood.configs.load import compose
from petmood.core.processors import processor_count
from petmood.data.image_cache import ImageCache
from petmood.data.loaders import train_loader

__all__ = ["main"]

WORKERS: Final = (0, 1, 2, 4)
PHOTOS: Final = 1024
SIDE_PX: Final = 224
BATCH: Final = 32
ROUNDS: Final = 9
TARGET: Final = 0.9


def main() -> None:
    """Measure and report."""
    torch.set_num_threads(1)
    pixels = np.random.default_rng(0).integers(0, 256, (PHOTOS, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    cache = ImageCache(pixels, tuple(map(str, range(PHOTOS))))
    labels = np.arange(PHOTOS, dtype=np.int64)  # a photo is recognized by its label
    spec = compose(["augment=standard"]).augment
    loaders = [train_loader(cache, labels, batch_size=BATCH, seed=0, spec=spec, workers=count) for count in WORKERS]
    for loader in loaders:
        _epoch(loader)
    took: list[list[float]] = [[] for _ in WORKERS]
    once = True
    for number in range(ROUNDS):
        for place in range(len(WORKERS)) if number % 2 else reversed(range(len(WORKERS))):
            seconds, is_once = _epoch(loaders[place])
            took[place].append(seconds)
            once &= is_once
    ratios = [two / none for none, two in zip(took[0], took[WORKERS.index(2)], strict=True)]
    report(
        "loaders: time of an epoch by two workers against none",
        ratio=statistics.median(ratios),
        target=TARGET,
        details={
            "photos_per_s": {str(count): _rates(seconds) for count, seconds in zip(WORKERS, took, strict=True)},
            "ratio_by_round": [round(ratio, 3) for ratio in ratios],
            "rounds": ROUNDS,
            "photos": PHOTOS,
            "batch": BATCH,
            "side_px": SIDE_PX,
            "processors": processor_count(),
        },
        conditions={"every photo comes exactly once an epoch": once},
    )


def _epoch(loader: DataLoader[dict[str, Tensor]]) -> tuple[float, bool]:
    """Return the seconds of an epoch, and whether every photo came exactly once."""
    begun = time.perf_counter()
    batches = [batch["labels"] for batch in loader]
    seconds = time.perf_counter() - begun
    return seconds, Counter(torch.cat(batches).tolist()) == Counter(range(PHOTOS))


def _rates(seconds: Sequence[float]) -> dict[str, int]:
    """Return photos a second: lowest, quartiles and highest of the turns."""
    rates = sorted(PHOTOS / one for one in seconds)
    quartiles = statistics.quantiles(rates, n=4, method="inclusive")
    named = zip(("lowest", "q1", "median", "q3", "highest"), (rates[0], *quartiles, rates[-1]), strict=True)
    return {name: round(rate) for name, rate in named}


if __name__ == "__main__":
    main()

"""Time of a closed-form head on few features, by the features' products against those of the photos. Target: 0.5x.

A fold of `petmood data issues` on 3,774 photos: 3,019 photos with 1,280 features, and three strengths.
"""

from functools import partial
from typing import Final
from unittest.mock import patch

import numpy as np
import threadpoolctl  # type: ignore[import-untyped] # ships no types

from benchmarks.common import best_of, report
from petmood.models import linear

__all__ = ["main"]

PHOTOS: Final = 3_019
FEATURES: Final = 1_280
CLASSES: Final = 4
STRENGTHS: Final = (1.0, 3.0, 10.0)
ROUNDS: Final = 1
TARGET: Final = 0.5


def main() -> None:
    """Measure in turns and report."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, PHOTOS)
    features = rng.normal(size=(PHOTOS, FEATURES)) + np.eye(CLASSES, FEATURES)[labels]
    heads: dict[str, linear.LinearHead] = {}

    def fit(way: str) -> None:
        heads[way] = linear.fit_ridge(features, labels, range(PHOTOS), strengths=STRENGTHS, classes=CLASSES)

    def by_photos() -> None:
        with patch.object(linear, "_by_features", linear._by_rows):  # the way of more features than photos
            fit("by_photos")

    found = best_of(ROUNDS, by_features=partial(fit, "by_features"), by_photos=by_photos)
    one, other = heads["by_features"].weight, heads["by_photos"].weight
    apart = float(np.abs(one - other).max() / np.abs(other).max())
    report(
        f"closed form: a head on {FEATURES:,} features of {PHOTOS:,} photos, by features / by photos",
        ratio=found["by_features"] / found["by_photos"],
        target=TARGET,
        details={
            **{f"{name}_s": round(took, 2) for name, took in found.items()},
            "largest_relative_difference": apart,
            "threads": max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()),
        },
        conditions={"the same head": apart < 1e-6},
    )


if __name__ == "__main__":
    main()

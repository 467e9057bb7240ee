"""Two-sample drift tests on simple image statistics between two data versions.

A statistic drifts if its change is both significant and large. Significance: the added photos against the previous
version (or the removed ones against the new version). The test is the two-sample Kolmogorov-Smirnov test, with Holm's
correction for five statistics. Size: the Kolmogorov-Smirnov statistic of the two complete versions, from 0 to 1. In a
large dataset a negligible difference is significant, and in a small one a large difference may be due to chance; so
both are required.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import ks_2samp

from petmood.core.errors import PhotoError
from petmood.core.multiple_tests import holm
from petmood.core.photo import decode
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import IndexRow, Role

__all__ = ["FACTS", "SIGNIFICANCE", "Drift", "ImageStatistics", "image_statistics", "measure_drift"]

FACTS: Final = ("brightness", "contrast", "sharpness", "aspect", "size")
"""Statistics of a photo, in the order of their values.

Mean and standard deviation of the luminance (0 to 1), standard deviation of its Laplacian, width over height, shorter
side in pixels.
"""
SIGNIFICANCE: Final = 0.01
"""Corrected p-value below which a difference is significant."""
SIDE_PX: Final = 128
"""Luminance and edges are measured at this longer side, so that a larger photo doesn't count as less sharp."""
FEWEST: Final = 5
"""Smallest number of photos in a version for a test."""
DECIMALS: Final = 9
"""Decimals of a statistic: flat photos differ in contrast and sharpness by rounding errors alone."""
EXACT_UP_TO: Final = 1000
"""Up to this many photos the exact p-value is used, as the asymptotic one is too small; above, it is accurate."""

ImageStatistics = Mapping[str, NDArray[np.float64]]
"""Statistics of photos, float64 [5] in the order of ``FACTS``, by SHA-256."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Change of one statistic: medians of both versions, distance of their distributions, corrected p-value."""

    statistic: str
    old: float
    new: float
    distance: float
    p_value: float

    def is_significant(self, limit: float) -> bool:
        """Return whether the distance is over ``limit`` and the p-value below ``SIGNIFICANCE``."""
        return self.distance > limit and self.p_value < SIGNIFICANCE


def image_statistics(
    folder: Path, rows: Iterable[IndexRow], *, known: ImageStatistics | None = None, progress: ProgressBar = no_progress
) -> dict[str, NDArray[np.float64]]:
    """Return the statistics of a dataset's readable original photos; ``known`` ones aren't computed again."""
    originals = {row.sha256: row for row in rows if row.role == Role.ORIGINAL}
    found: dict[str, NDArray[np.float64]] = {}
    for sha256, row in progress(originals.items(), total=len(originals), what="reading photos"):
        if known and sha256 in known:
            found[sha256] = known[sha256]
            continue
        try:
            found[sha256] = _facts(folder / row.path, row)
        except (PhotoError, OSError):
            continue  # the dataset check reports it
    return found


def measure_drift(old: ImageStatistics, new: ImageStatistics) -> tuple[Drift, ...]:
    """Compare every statistic of two versions; () if no photo was added or removed, or there are too few."""
    came = [sha256 for sha256 in new if sha256 not in old]
    went = [sha256 for sha256 in old if sha256 not in new]
    if min(len(old), len(new)) < FEWEST or not (came or went):
        return ()
    before, after = _table(old, old), _table(new, new)
    tried = (before, _table(new, came)) if came else (_table(old, went), after)
    p_values = holm([_ks(*pair)[1] for pair in zip(*tried, strict=True)])
    return tuple(
        Drift(fact, float(np.median(before[k])), float(np.median(after[k])), _ks(before[k], after[k])[0], p_values[k])
        for k, fact in enumerate(FACTS)
    )


def _table(looks: ImageStatistics, which: Iterable[str]) -> NDArray[np.float64]:
    return np.stack([looks[sha256] for sha256 in which], axis=1)


def _ks(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float]:
    exact = max(len(before), len(after)) <= EXACT_UP_TO
    found = ks_2samp(before, after, method="exact" if exact else "asymp")
    return float(found.statistic), float(found.pvalue)


def _facts(path: Path, row: IndexRow) -> NDArray[np.float64]:
    image = Image.fromarray(decode(path, at_least_px=SIDE_PX).pixels).convert("L")
    image.thumbnail((SIDE_PX, SIDE_PX))
    light = np.asarray(image, np.float64) / 255
    edges = light[1:-1, 1:-1] * 4 - light[:-2, 1:-1] - light[2:, 1:-1] - light[1:-1, :-2] - light[1:-1, 2:]
    sharpness = edges.std() if edges.size else 0.0
    facts = np.array([light.mean(), light.std(), sharpness, row.width / row.height, min(row.width, row.height)])
    return facts.round(DECIMALS)

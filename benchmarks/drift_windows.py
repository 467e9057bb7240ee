"""Random splits of photos into projection, reference and windows, and what the detectors find in windows of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from benchmarks.drift_photos import Features, PhotoSet
from petmood.core.labels import DEFAULT_CLASSES
from petmood.evaluation.bootstrap import estimate_proportion
from petmood.monitoring.drift.detect import LEVEL, DriftResult, detect_drift
from petmood.monitoring.drift.questions import Question
from petmood.monitoring.drift.state import AlertState
from petmood.monitoring.measurements import Measurements
from petmood.monitoring.metric_names import DriftStatus
from petmood.monitoring.projection import Projection, fit_projection

__all__ = ["REFERENCE", "Split", "drifting", "false_alarms", "power", "power_windows", "split_groups", "summary"]

REFERENCE: Final = 400
"""Photos of the reference."""
WINDOWS_PER_SPLIT: Final = 5
LEAKY_SPLITS: Final = 4
POWER_SPLITS: Final = 5

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """A projection, a reference of other groups, and the rows of the remaining groups, for windows."""

    projection: Projection
    reference: Measurements
    fit_rows: Rows
    reference_rows: Rows
    pool: Rows


def split_groups(photos: PhotoSet, *, seed: int, pool: int | None = None) -> Split:
    """Draw the groups of a reference of ``REFERENCE`` photos and of the projection; the rest is for windows.

    With ``pool``, windows are of the first ``pool`` photos, and the projection gets the rest. Otherwise projection and
    windows share the rest equally.
    """
    rng = np.random.default_rng([seed, 7])
    groups = photos.groups
    kept = np.isin(groups, groups[:pool]) if pool else np.zeros(len(groups), dtype=np.bool_)
    order = rng.permutation(np.unique(groups[~kept]))
    place = np.full(groups.max() + 1, len(order))
    place[order] = np.arange(len(order))
    rows = np.argsort(place[groups], kind="stable")[: int((~kept).sum())]
    chosen = rows[:REFERENCE]
    rest = rows[~np.isin(groups[rows], groups[chosen])]
    cut = len(rest) if pool else len(rest) // 2
    fit = rest[:cut]
    window_rows = np.arange(pool) if pool else rest[~np.isin(groups[rest], groups[fit])]
    projection = fit_projection(photos.photos.embedding[fit])
    return Split(projection, _measurements(photos.photos.take(chosen), projection), fit, chosen, window_rows)


def false_alarms(photos: PhotoSet, *, sizes: Sequence[int], windows: int) -> dict[int, dict[str, Any]]:
    """Return by size the shares of clean windows that are called drift, and alerts of three in a row.

    One projection is fitted. The other groups are divided again into reference and windows after every
    ``WINDOWS_PER_SPLIT`` windows, so that the share is that of references and windows, not of one reference.
    """
    results: dict[int, list[DriftResult]] = {size: [] for size in sizes}
    fitted: dict[int, list[bool]] = {size: [] for size in sizes}
    first = split_groups(photos, seed=0)
    own = _measurements(photos.photos, first.projection)
    rest = np.setdiff1d(np.arange(len(own)), first.fit_rows)
    splits = -(-windows // WINDOWS_PER_SPLIT)
    for number in range(splits):
        rows, pool = _divided(photos.groups, rest, seed=number)
        reference = _measurements(photos.photos.take(rows), first.projection)
        leaky = fit_projection(photos.photos.embedding[rows]) if number < LEAKY_SPLITS else None
        for size in sizes:
            rng = np.random.default_rng([number, size])
            for _ in range(WINDOWS_PER_SPLIT):
                some = rng.choice(pool, size, replace=False)
                results[size].append(detect_drift(reference, own.rows(some), seed=int(rng.integers(2**31))))
                if leaky:
                    pair = (leaky.project(photos.photos.embedding[one])[1] for one in (rows, some))
                    fitted[size].append(ks_2samp(*pair).pvalue <= LEVEL)
    return {
        size: {
            **_clean_summary(results[size], splits),
            "residual_alone_if_projection_fitted_to_reference": round(float(np.mean(fitted[size])), 3),
            "photos": [len(first.fit_rows), REFERENCE, len(rest) - REFERENCE],
        }
        for size in sizes
    }


def _divided(groups: Rows, rest: Rows, *, seed: int) -> tuple[Rows, Rows]:
    """Return ``REFERENCE`` rows of ``rest``, and those of other groups."""
    rng = np.random.default_rng([seed, 8])
    place = np.full(groups.max() + 1, -1)
    names = np.unique(groups[rest])
    place[names] = rng.permutation(len(names))
    rows = rest[np.argsort(place[groups[rest]], kind="stable")]
    chosen = rows[:REFERENCE]
    return chosen, rows[~np.isin(groups[rows], groups[chosen])]


def _clean_summary(results: Sequence[DriftResult], splits: int) -> dict[str, Any]:
    drifted = np.array([result.status is DriftStatus.DRIFT for result in results]).reshape(splits, -1)
    estimate = estimate_proportion(drifted.ravel(), np.repeat(np.arange(splits), drifted.shape[1]))
    alerts = 0
    for here in range(splits):
        active = False
        state = AlertState()
        for result in results[here * drifted.shape[1] : (here + 1) * drifted.shape[1]]:
            state = state.after(result.status)
            alerts += state.active and not active
            active = state.active
    return {
        "windows": len(results),
        "share": [round(value, 4) for value in (estimate.value, estimate.low, estimate.high)],
        "alerts": alerts,
        "largest_of_a_reference": round(float(drifted.mean(axis=1).max()), 3),
        "by_question": summary(results)["by_question"],
    }


def power_windows(
    photos: PhotoSet, changed: Features, *, size: int, windows: int, share: float = 1.0, pool: int
) -> Iterator[tuple[Split, Features]]:
    """Yield windows of ``size`` photos, of which a share is of ``changed``, with their references.

    Where ``changed`` has one row for each photo of the pool, no window has a photo twice.
    """
    splits = [split_groups(photos, seed=number, pool=pool) for number in range(POWER_SPLITS)]
    for number in range(windows):
        rng = np.random.default_rng([number, size, round(100 * share)])
        count = max(1, round(share * size))
        rows = rng.permutation(pool)[:size]
        moved = rows[:count] if len(changed) == pool else rng.permutation(len(changed))[:count]
        yield splits[number % POWER_SPLITS], changed.take(moved) + photos.photos.take(rows[count:])


def power(
    photos: PhotoSet, changed: Features, *, size: int, windows: int, share: float = 1.0, pool: int
) -> dict[str, Any]:
    """Return the share of changed windows that are called drift, in all and by question."""
    given = power_windows(photos, changed, size=size, windows=windows, share=share, pool=pool)
    return summary([drifting(split, features, seed=number) for number, (split, features) in enumerate(given)])


def drifting(split: Split, features: Features, *, seed: int) -> DriftResult:
    """Test one window."""
    return detect_drift(split.reference, _measurements(features, split.projection), seed=seed)


def summary(results: Sequence[DriftResult]) -> dict[str, Any]:
    """Return the share of windows with drift, in all and by question."""
    found = {str(one): 0 for one in Question}
    for result in results:
        for finding in result.findings:
            found[str(finding.question)] += finding.drifted
    drifted = sum(result.status is DriftStatus.DRIFT for result in results)
    return {
        "found": round(drifted / len(results), 3),
        "by_question": {name: round(count / len(results), 3) for name, count in found.items()},
    }


def _measurements(features: Features, projection: Projection) -> Measurements:
    reduced, residual = projection.project(features.embedding)
    count = len(features)
    return Measurements(
        classes=DEFAULT_CLASSES,
        statistics=features.statistics,
        embedding=reduced.astype(np.float16),
        residual=residual,
        probabilities=np.full((count, len(DEFAULT_CLASSES)), 1 / len(DEFAULT_CLASSES), dtype=np.float32),
        confident=np.ones(count, dtype=np.bool_),
        in_domain=np.ones(count, dtype=np.bool_),
    )

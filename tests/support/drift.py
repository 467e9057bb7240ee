"""Measurements of made-up photos for tests of drift: normal embeddings, uniform image statistics."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petmood.monitoring.measurements import Measurements
from petmood.monitoring.prediction_log.rows import RowPlace

__all__ = ["CLASSES", "drift_reference", "drift_window", "measurements"]

CLASSES = ("angry", "happy", "sad", "other")


def measurements(count: int, *, seed: int, width: int = 8) -> dict[str, Any]:
    """Return the arrays of a reference or window of ``count`` unrelated photos."""
    rng = np.random.default_rng([seed, count])
    chances = rng.dirichlet(np.ones(len(CLASSES)), size=count)
    return {
        "classes": CLASSES,
        "statistics": rng.uniform(0.2, 0.8, size=(count, 4)).astype(np.float32),
        "embedding": rng.normal(size=(count, width)).astype(np.float16),
        "residual": rng.uniform(0.5, 1.5, size=count).astype(np.float32),
        "probabilities": chances.astype(np.float32),
        "confident": rng.random(count) < 0.7,
        "in_domain": rng.random(count) < 0.9,
    }


def drift_reference(count: int = 200, *, seed: int = 0, **changed: NDArray[Any] | tuple[str, ...]) -> Measurements:
    """Return a reference; ``changed`` replaces arrays or classes."""
    return Measurements(**{**measurements(count, seed=seed), **changed})


def drift_window(
    count: int = 100,
    *,
    seed: int = 2,
    moved: Mapping[str, Any] | None = None,
    **changed: NDArray[Any] | tuple[RowPlace, ...],
) -> Measurements:
    """Return a window of the same kind of photos; ``moved`` is added to arrays, ``changed`` replaces them."""
    places = tuple(RowPlace(row, f"r{row}", 0) for row in range(count))
    values = {**measurements(count, seed=seed), "places": places, **changed}
    for name, amount in (moved or {}).items():
        values[name] = (values[name] + np.asarray(amount)).astype(values[name].dtype)
    return Measurements(**values)

"""Split conformal prediction sets that contain the true class with a chosen coverage (Vovk et al., 2005).

The score of a class is 1 - p (LAC; Sadinle et al., 2019): its sets are the smallest at equal coverage, and serving
needs only one comparison.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.bootstrap import Estimate, estimate_mean, estimate_proportion
from petmood.evaluation.predictions import Predictions

__all__ = [
    "PredictionSetMetrics",
    "conformal_quantile",
    "evaluate_prediction_sets",
    "prediction_sets",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PredictionSetMetrics:
    """Coverage of the true class, mean set size, and the number of sets with 1, 2, ... K classes."""

    coverage: Estimate
    mean_size: Estimate
    sizes: tuple[int, ...]


def conformal_quantile(scored_valid: Predictions, *, coverage: float = 0.9, temperature: float = 1.0) -> float:
    """Compute the score threshold for prediction sets from validation photos; 0 to 1.

    With one photo per group, this is the ceil((n + 1) * coverage)-th smallest score of the true class. It is 1.0
    (every class) if n is too small for the coverage. Photos of one group share one weight (hierarchical conformal
    prediction, Lee, Barber and Willett, 2023), so near-duplicates add no evidence.

    Raises:
        ConfigError: the coverage is not between 0 and 1.
        DataError: there are no validation photos.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"Expected coverage between 0 and 1, got {coverage}. For example: coverage=0.9.")
    if len(scored_valid) == 0:
        raise DataError("Expected validation photos for prediction sets, got none. Give the data a valid split.")
    probabilities = scored_valid.probabilities(temperature=temperature)
    true = 1.0 - probabilities[np.arange(len(scored_valid)), scored_valid.labels]
    groups = scored_valid.group_numbers()
    sizes = np.bincount(groups)
    order = np.argsort(true, kind="stable")
    mass = np.cumsum((1.0 / sizes[groups])[order])
    reached = np.flatnonzero(mass >= coverage * (len(sizes) + 1) - 1e-9)
    return float(true[order[reached[0]]]) if len(reached) else 1.0


def prediction_sets(probabilities: Floats, *, quantile: float) -> NDArray[np.bool_]:
    """Return which classes are in each photo's prediction set [N, K]; the most probable class always is."""
    inside = 1.0 - probabilities <= quantile
    inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return np.asarray(inside, dtype=np.bool_)


def evaluate_prediction_sets(
    scored: Predictions, *, quantile: float, temperature: float = 1.0, seed: int = 0
) -> PredictionSetMetrics:
    """Estimate coverage and mean size of prediction sets on photos that were not used for the quantile."""
    inside = prediction_sets(scored.probabilities(temperature=temperature), quantile=quantile)
    groups = scored.group_numbers()
    sizes = inside.sum(axis=1)
    return PredictionSetMetrics(
        coverage=estimate_proportion(inside[np.arange(len(scored)), scored.labels], groups),
        mean_size=estimate_mean(sizes.astype(np.float64), groups, seed=seed),
        sizes=tuple(int(count) for count in np.bincount(sizes, minlength=len(scored.classes) + 1)[1:]),
    )

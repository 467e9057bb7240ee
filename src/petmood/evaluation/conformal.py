"""Split conformal prediction sets that contain the true class with a chosen coverage (Vovk et al., 2005).

There are two scores. LAC is 1 - p of a class (Sadinle et al., 2019). APS is the total probability of all classes at
least as likely (Romano et al., 2020), without randomization. LAC is the default: its sets are the smallest at equal
coverage, and serving needs only one comparison.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import ConfigError, DataError
from petmood.evaluation.bootstrap import Estimate, estimate_mean
from petmood.evaluation.predictions import Predictions

__all__ = [
    "METHODS",
    "PredictionSetMetrics",
    "conformal_quantile",
    "evaluate_prediction_sets",
    "nonconformity_scores",
    "prediction_sets",
]

METHODS = ("lac", "aps")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PredictionSetMetrics:
    """Coverage of the true class, mean set size, and the number of sets with 1, 2, ... K classes."""

    coverage: Estimate
    mean_size: Estimate
    sizes: tuple[int, ...]


def nonconformity_scores(probabilities: Floats, *, method: str = "lac") -> Floats:
    """Score every class of every photo [N, K], 0 to 1: the lower, the better the class fits.

    Raises:
        ConfigError: unknown method.
    """
    if method not in METHODS:
        raise ConfigError(f"Unknown conformal method {method!r}. Known: {', '.join(METHODS)}.")
    if method == "lac":
        return np.asarray(1.0 - probabilities, dtype=np.float64)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.minimum(np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1), 1.0)
    scores = np.empty_like(sums)
    np.put_along_axis(scores, order, sums, axis=1)
    return scores


def conformal_quantile(
    scored_valid: Predictions, *, coverage: float = 0.9, temperature: float = 1.0, method: str = "lac"
) -> float:
    """Compute the score threshold for prediction sets from validation photos; 0 to 1.

    With one photo per group, this is the ceil((n + 1) * coverage)-th smallest score of the true class. It is 1.0
    (every class) if n is too small for the coverage. Photos of one group share one weight (hierarchical conformal
    prediction, Lee, Barber and Willett, 2023), so near-duplicates add no evidence.

    Raises:
        ConfigError: the coverage is not between 0 and 1, or the method is unknown.
        DataError: there are no validation photos.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"Expected coverage between 0 and 1, got {coverage}. For example: coverage=0.9.")
    if len(scored_valid) == 0:
        raise DataError("Expected validation photos for prediction sets, got none. Give the data a valid split.")
    scores = nonconformity_scores(scored_valid.probabilities(temperature=temperature), method=method)
    true = scores[np.arange(len(scored_valid)), scored_valid.labels]
    groups = scored_valid.group_numbers()
    sizes = np.bincount(groups)
    order = np.argsort(true, kind="stable")
    mass = np.cumsum((1.0 / sizes[groups])[order])
    reached = np.flatnonzero(mass >= coverage * (len(sizes) + 1) - 1e-9)
    return float(true[order[reached[0]]]) if len(reached) else 1.0


def prediction_sets(probabilities: Floats, *, quantile: float, method: str = "lac") -> NDArray[np.bool_]:
    """Return which classes are in each photo's prediction set [N, K]; the most probable class always is."""
    inside = nonconformity_scores(probabilities, method=method) <= quantile
    inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return np.asarray(inside, dtype=np.bool_)


def evaluate_prediction_sets(
    scored: Predictions, *, quantile: float, temperature: float = 1.0, method: str = "lac", seed: int = 0
) -> PredictionSetMetrics:
    """Estimate coverage and mean size of prediction sets on photos that were not used for the quantile."""
    inside = prediction_sets(scored.probabilities(temperature=temperature), quantile=quantile, method=method)
    groups = scored.group_numbers()
    sizes = inside.sum(axis=1)
    held = inside[np.arange(len(scored)), scored.labels].astype(np.float64)
    return PredictionSetMetrics(
        coverage=estimate_mean(held, groups, proportion=True, seed=seed),
        mean_size=estimate_mean(sizes.astype(np.float64), groups, seed=seed),
        sizes=tuple(int(count) for count in np.bincount(sizes, minlength=len(scored.classes) + 1)[1:]),
    )

"""Which set of classes holds the true one in nine photos out of ten?

Split conformal prediction (Vovk et al., 2005). Two scores: LAC, 1 - p of a class (Sadinle et al., 2019), and APS, the
probability of everything at least as likely (Romano et al., 2020; without randomisation). LAC is the default: its
sets are the smallest at equal coverage, and the rule is one comparison that the serving half can't get wrong.
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
    """Hold how often the sets hold the truth, how large they are, and how many have 1, 2, ... K classes."""

    coverage: Estimate
    mean_size: Estimate
    sizes: tuple[int, ...]


def nonconformity_scores(probabilities: Floats, *, method: str = "lac") -> Floats:
    """Score every class of every photo [N, K], 0 to 1: the lower, the better the class fits."""
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
    """Find the score up to which classes enter the set, from validation photos; 0 to 1.

    With one photo a group this is the ceil((n + 1) * coverage)-th smallest score of the truth, or 1.0 (every class)
    when n is too small for the promise. Larger groups share one weight (hierarchical conformal prediction,
    Lee, Barber and Willett, 2023), so copies of a photo are no extra evidence.
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
    """Say which classes are in each photo's set [N, K]; the most probable class always is."""
    inside = nonconformity_scores(probabilities, method=method) <= quantile
    inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return np.asarray(inside, dtype=np.bool_)


def evaluate_prediction_sets(
    scored: Predictions, *, quantile: float, temperature: float = 1.0, method: str = "lac", seed: int = 0
) -> PredictionSetMetrics:
    """Measure coverage and mean size of the sets on photos that had no part in the quantile."""
    inside = prediction_sets(scored.probabilities(temperature=temperature), quantile=quantile, method=method)
    groups = scored.group_numbers()
    sizes = inside.sum(axis=1)
    held = inside[np.arange(len(scored)), scored.labels].astype(np.float64)
    return PredictionSetMetrics(
        coverage=estimate_mean(held, groups, proportion=True, seed=seed),
        mean_size=estimate_mean(sizes.astype(np.float64), groups, seed=seed),
        sizes=tuple(int(count) for count in np.bincount(sizes, minlength=len(scored.classes) + 1)[1:]),
    )

"""Temperature scaling and reliability curves.

Temperature scaling (Guo et al., 2017) divides all logits by one number, so it never changes the predicted class.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from petmood.core.errors import DataError
from petmood.evaluation.metrics import equal_mass_bins, per_sample_nll
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.proportions import proportion_interval

__all__ = ["TEMPERATURES", "ReliabilityBin", "calibrated_ece", "fit_temperature", "reliability"]

TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One point of a reliability curve: mean confidence and accuracy, both 0 to 1, over `n` photos.

    `low` and `high` are the exact 95% interval of the accuracy over groups.
    """

    confidence: float
    accuracy: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int]:
        """Return the fields by name."""
        return {
            "confidence": self.confidence,
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "n": self.n,
        }


def fit_temperature(scored_valid: Predictions, *, bounds: tuple[float, float] = TEMPERATURES) -> float:
    """Find the temperature with the lowest NLL on validation photos; never pass test photos.

    A normal prior on log T, with mean 0 and the weight of about one photo, prevents overconfidence. Without it, the
    best temperature of a network that is correct on every validation photo would be 0.

    Raises:
        DataError: there are no validation photos.
    """
    if len(scored_valid) == 0:
        raise DataError("Expected validation photos to fit a temperature on, got none. Give the data a valid split.")

    def loss(log_temperature: float) -> float:
        probabilities = scored_valid.probabilities(temperature=math.exp(log_temperature))
        return float(per_sample_nll(probabilities, scored_valid.labels).sum()) + 0.5 * log_temperature**2

    within = (math.log(bounds[0]), math.log(bounds[1]))
    found = optimize.minimize_scalar(loss, bounds=within, method="bounded", options={"xatol": 1e-6})
    return float(math.exp(found.x))


def calibrated_ece(
    scored: Predictions, *, temperature: float = 1.0, draws: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Simulate the calibration error that a calibrated model with these probabilities shows by chance, float64 [draws].

    A photo is right with the probability that it was given; photos of one group are right together where they can be.

    Raises:
        DataError: there are no photos.
    """
    if len(scored) == 0:
        raise DataError("Expected photos to simulate a calibration error for, got none.")
    confidence = scored.probabilities(temperature=temperature).max(axis=1)
    groups = scored.group_numbers()
    rng, member = np.random.default_rng(seed), equal_mass_bins(confidence)
    errors = np.empty(draws)
    for number in range(draws):
        right = rng.random(int(groups.max()) + 1)[groups] < confidence
        errors[number] = np.abs(np.bincount(member, weights=right - confidence)).sum() / len(scored)
    return errors


def reliability(scored: Predictions, *, temperature: float = 1.0, bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Return the reliability curve over equal-mass bins, from the least confident photos to the most confident."""
    probabilities = scored.probabilities(temperature=temperature)
    confidence, right = probabilities.max(axis=1), scored.predicted() == scored.labels
    member = equal_mass_bins(confidence, bins=bins)
    groups = scored.group_numbers()
    points = []
    for number in np.unique(member):
        inside = member == number
        accuracy = float(right[inside].mean())
        low, high = proportion_interval(accuracy, groups[inside])
        points.append(ReliabilityBin(float(confidence[inside].mean()), accuracy, low, high, n=int(inside.sum())))
    return tuple(points)

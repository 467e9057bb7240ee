"""Accuracy of a window without labels, estimated from its confidence: to be shown, and never to be alerted on alone.

Both estimates take the confidence for the truth, in one way or the other. Photos that change it otherwise than the
accuracy mislead them: noise does.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from petmood.monitoring.feedback.review import NORMAL_95
from petmood.monitoring.measurements import Measurements

__all__ = ["FEWEST", "EstimatedAccuracy", "estimate_accuracy"]

FEWEST: Final = 30
"""Fewest reference photos with known labels, and fewest rows of a window, for an estimate."""


@dataclass(frozen=True, slots=True)
class EstimatedAccuracy:
    """Estimates for a window, and the accuracy of the reference, all in 0..1.

    ``confidence_based`` is the mean of the highest calibrated probabilities (CBPE), with the 95% interval from ``low``
    to ``high`` that chance leaves if the probabilities are right. ``difference_based`` is the accuracy of the reference
    plus the change of that mean (DoC; Guillory et al. 2021). ``error`` is what the first estimate is off by on the
    ``known`` reference photos whose labels are known and were not learned.
    """

    confidence_based: float
    low: float
    high: float
    difference_based: float
    reference: float
    error: float
    known: int


def estimate_accuracy(reference: Measurements, window: Measurements) -> EstimatedAccuracy | None:
    """Return the estimates, or None if there are fewer than ``FEWEST`` rows or known labels."""
    known = np.flatnonzero(reference.correct >= 0) if reference.correct is not None else np.empty(0, np.int64)
    if reference.correct is None or min(len(known), len(window)) < FEWEST:
        return None
    before = float(reference.probabilities[known].max(axis=1).mean(dtype=np.float64))
    accuracy = float(reference.correct[known].mean(dtype=np.float64))
    tops = window.probabilities.max(axis=1).astype(np.float64)
    now = float(tops.mean())
    half = NORMAL_95 * float(np.sqrt((tops * (1 - tops)).sum())) / len(tops)
    return EstimatedAccuracy(
        confidence_based=now,
        low=max(0.0, now - half),
        high=min(1.0, now + half),
        difference_based=min(1.0, max(0.0, accuracy + now - before)),
        reference=accuracy,
        error=before - accuracy,
        known=len(known),
    )

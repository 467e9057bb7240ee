"""Differences in accuracy between two models on the same photos, with intervals over groups, and their texts."""

import math

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.differences import estimate_difference
from petmood.evaluation.predictions import Predictions
from petmood.promotion.limits import CONFIDENCE
from petmood.promotion.records import SliceComparison

__all__ = [
    "compare_slice",
    "difference",
    "differences_by_group",
    "number_text",
    "points_text",
    "side_by_side",
    "with_interval",
]

Floats = NDArray[np.float64]


def difference(candidate: Predictions, champion: Predictions, *, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the candidate's accuracy minus the champion's, with its interval; both have the same photos in order."""
    apart = _right(candidate) - _right(champion)
    return estimate_difference(apart, candidate.group_numbers(), confidence=confidence)


def differences_by_group(candidate: Predictions, champion: Predictions) -> Floats:
    """Return the number of correct predictions of the candidate minus the champion's, for every group, float64 [G]."""
    apart = _right(candidate) - _right(champion)
    return np.asarray(np.bincount(candidate.group_numbers(), weights=apart), np.float64)


def _right(scored: Predictions) -> Floats:
    return np.asarray(scored.predicted() == scored.labels, dtype=np.float64)


def compare_slice(
    name: str, candidate: Predictions, champion: Predictions, *, confidence: float = CONFIDENCE
) -> SliceComparison:
    """Return both accuracies on the same photos and their difference."""
    accuracies = float(_right(candidate).mean()), float(_right(champion).mean())
    return SliceComparison(name, *accuracies, difference(candidate, champion, confidence=confidence))


def side_by_side(candidate: Predictions, champion: Predictions) -> tuple[Predictions, Predictions]:
    """Return both models' predictions in one order; raises DataError if they are not of the same photos."""
    first, second = (scored.take(np.argsort(np.array(scored.paths))) for scored in (candidate, champion))
    if (first.paths, first.groups, first.classes) != (second.paths, second.groups, second.classes) or (
        first.labels.tolist() != second.labels.tolist()
    ):
        raise DataError("Expected both bundles to predict the same photos, got different ones. Run both again.")
    return first, second


def points_text(share: float) -> str:
    """Return a difference of two shares in points, with its sign."""
    return f"{100 * share:+z.1f} points"


def with_interval(estimate: Estimate) -> str:
    """Return a difference of two shares in points, with its interval if there is one."""
    interval = f" ({100 * estimate.low:+z.1f} to {100 * estimate.high:+z.1f})" if math.isfinite(estimate.low) else ""
    return points_text(estimate.value) + interval


def number_text(estimate: Estimate) -> str:
    """Return a difference of two numbers, with its interval if there is one."""
    interval = f" ({estimate.low:+z.3f} to {estimate.high:+z.3f})" if math.isfinite(estimate.low) else ""
    return f"{estimate.value:+z.3f}{interval}"

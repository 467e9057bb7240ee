"""Decision rule from logits to a prediction: label, probability, confidence flag and prediction set."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["DecisionRule", "Prediction", "decide", "softmax"]


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """Parameters of the rule from logits to a prediction; fitted on validation photos and stored in the bundle.

    ``classes`` are the column names. A prediction is confident when its probability reaches ``confidence_threshold``
    (0..1; 0 = always, above 1 = never). A class is in the prediction set when
    ``1 - probability <= conformal_quantile``; 1 = all classes. The method is split conformal prediction with the LAC
    score (Sadinle, Lei, Wasserman 2019).
    """

    classes: tuple[str, ...]
    confidence_threshold: float = 0.0
    conformal_quantile: float = 1.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """Prediction for one photo: ``probabilities`` by class sum to 1; ``prediction_set`` always contains ``label``."""

    label: str
    probability: float
    probabilities: dict[str, float]
    confident: bool
    prediction_set: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=())


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities for logits [..., K]: float64 of the same shape, each row summing to 1.

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    weights = np.exp(shifted)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def decide(logits: NDArray[np.floating], decision: DecisionRule, *, warnings: Sequence[str] = ()) -> Prediction:
    """Turn the calibrated logits [K] of one photo into a prediction.

    >>> decide(np.array([0.0, 9.0]), DecisionRule(("sad", "happy"), confidence_threshold=0.9)).label
    'happy'
    """
    chances: list[float] = softmax(logits).tolist()
    top = chances.index(max(chances))
    possible = [k for k in range(len(chances)) if k == top or 1 - chances[k] <= decision.conformal_quantile]
    possible.sort(key=lambda k: -chances[k])
    return Prediction(
        label=decision.classes[top],
        probability=chances[top],
        probabilities=dict(zip(decision.classes, chances, strict=True)),
        confident=chances[top] >= decision.confidence_threshold,
        prediction_set=tuple(decision.classes[k] for k in possible),
        warnings=tuple(warnings),
    )

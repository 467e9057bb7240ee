"""How is a linear head found without gradient steps? Logistic regression, or ridge regression in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from petmood.core.prediction import softmax

__all__ = ["LinearHead", "fit_logistic", "fit_ridge", "negative_log_likelihood"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UNSEEN: Final = -30.0
"""The bias of a class without training photos: no photo reaches it."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Logits are ``features @ weight.T + bias``: weight [K, D], bias [K]."""

    weight: Floats
    bias: Floats

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Return logits [N, K]."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float64)

    def unscaled(self, middle: Floats, scale: Floats) -> "LinearHead":
        """Return the same head for features that were not brought to ``(features - middle) * scale``."""
        weight = self.weight * scale
        return LinearHead(weight, self.bias - weight @ middle)


def negative_log_likelihood(logits: Floats, labels: Ints) -> float:
    """Return the mean negative log-likelihood of the labels."""
    return float(-np.log(np.maximum(softmax(logits)[np.arange(len(labels)), labels], 1e-12)).mean())


def fit_logistic(features: Floats, labels: Ints, *, strength: float, classes: int, balanced: bool) -> LinearHead:
    """Fit multinomial logistic regression to standardised features, with an L2 penalty of ``strength`` a photo."""
    weighting = "balanced" if balanced else None
    model = LogisticRegression(C=1 / (strength * len(features)), max_iter=1000, class_weight=weighting)
    model.fit(features, labels)
    coef, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coef, intercept = np.vstack([-coef / 2, coef / 2]), np.concatenate([-intercept / 2, intercept / 2])
    weight, bias = np.zeros((classes, coef.shape[1])), np.full(classes, UNSEEN)
    weight[model.classes_], bias[model.classes_] = coef, intercept
    return LinearHead(weight, bias)


def fit_ridge(
    features: Floats, labels: Ints, groups: Sequence[object], *, strengths: Sequence[float], classes: int
) -> LinearHead:
    """Fit ridge regression on one-hot labels in closed form; each group weighs 1, however many photos it has.

    The strength, in units of the mean squared length of a photo's features, is the candidate with the least loss on
    groups left out, one at a time, which costs nothing more here (the residuals of leave-one-group-out are known in
    closed form). The same left-out scores give the factor that makes logits of the regression's values.
    """
    members = _members(groups)
    weights = np.empty(len(labels))
    for rows in members:
        weights[rows] = 1 / len(rows)
    targets = np.eye(classes)[labels]
    middle = (weights[:, None] * targets).sum(axis=0) / weights.sum()
    root = np.sqrt(weights)[:, None]
    gram = (root * features) @ (root * features).T
    unit = float(np.trace(gram) / weights.sum())
    found = [_solve(gram, root * (targets - middle), strength * unit, members) for strength in strengths]
    scored = [(*_scale(root * targets - left_out, root, labels), alpha) for alpha, left_out in found]
    _, factor, alpha = min(scored, key=lambda item: item[0])
    return LinearHead(factor * (root * alpha).T @ features, factor * middle)


def _members(groups: Sequence[object]) -> list[Ints]:
    places: dict[object, list[int]] = {}
    for row, group in enumerate(groups):
        places.setdefault(group, []).append(row)
    return [np.array(rows, dtype=np.int64) for rows in places.values()]


def _solve(gram: Floats, targets: Floats, penalty: float, members: Sequence[Ints]) -> tuple[Floats, Floats]:
    """Return the dual weights, and the residual of each row when its group is left out."""
    inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
    alpha = inverse @ targets
    residual = np.empty_like(alpha)
    for rows in members:
        residual[rows] = np.linalg.solve(inverse[np.ix_(rows, rows)], alpha[rows])
    return alpha, residual


def _scale(weighted_scores: Floats, root: Floats, labels: Ints) -> tuple[float, float]:
    """Return the least loss that the left-out scores reach as logits, and the factor that reaches it."""
    scores = weighted_scores / root
    best = minimize_scalar(
        lambda log_factor: negative_log_likelihood(np.exp(log_factor) * scores, labels),
        bounds=(0.0, np.log(100.0)),
        method="bounded",
    )
    return float(best.fun), float(np.exp(best.x))

"""Linear heads fitted on features: logistic regression, and ridge regression in closed form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from petmood.core.prediction import softmax

__all__ = ["LinearHead", "class_weights", "fit_logistic", "fit_ridge", "negative_log_likelihood"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Solution = tuple[Floats, Callable[[Ints], Floats]]
UNSEEN: Final = -30.0
"""Bias of a class without training photos, so low that the class is never predicted."""


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A linear head: logits are ``features @ weight.T + bias``, with weight [K, D] and bias [K]."""

    weight: Floats
    bias: Floats

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Return logits [N, K] of features [N, D]."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float64)

    def unscaled(self, middle: Floats, scale: Floats) -> "LinearHead":
        """Return the equivalent head for raw features, given a head fitted on ``(features - middle) * scale``."""
        weight = self.weight * scale
        return LinearHead(weight, self.bias - weight @ middle)


def class_weights(labels: Ints, *, classes: int, power: float) -> Floats:
    """Return one weight per class [K], proportional to its frequency to ``-power``; 1 for a class without photos.

    They have mean 1 over the photos.
    """
    counts = np.bincount(labels, minlength=classes)
    rarity = np.where(counts > 0, counts, 1.0) ** -power
    return np.where(counts > 0, rarity * counts.sum() / max(1.0, (counts * rarity).sum()), 1.0)


def negative_log_likelihood(logits: Floats, labels: Ints) -> float:
    """Return the mean negative log-likelihood of labels [N] under logits [N, K], in nats."""
    return float(-np.log(np.maximum(softmax(logits)[np.arange(len(labels)), labels], 1e-12)).mean())


def fit_logistic(
    features: Floats, labels: Ints, *, strength: float, classes: int, class_weight_power: float
) -> LinearHead:
    """Fit multinomial logistic regression to standardized features, with an L2 penalty of ``strength`` per photo.

    For ``class_weight_power`` see ``class_weights``.
    """
    weights = class_weights(labels, classes=classes, power=class_weight_power)
    model = LogisticRegression(C=1 / (strength * len(features)), max_iter=1000)
    model.fit(features, labels, sample_weight=weights[labels])
    coef, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        coef, intercept = np.vstack([-coef / 2, coef / 2]), np.concatenate([-intercept / 2, intercept / 2])
    weight, bias = np.zeros((classes, coef.shape[1])), np.full(classes, UNSEEN)
    weight[model.classes_], bias[model.classes_] = coef, intercept
    return LinearHead(weight, bias)


def fit_ridge(
    features: Floats, labels: Ints, groups: Sequence[object], *, strengths: Sequence[float], classes: int
) -> LinearHead:
    """Fit ridge regression on one-hot labels in closed form; each group has weight 1, whatever its number of photos.

    The chosen strength has the lowest loss in leave-one-group-out cross-validation, whose residuals have a closed
    form. Its unit is the mean squared norm of a photo's features. The same left-out scores give the factor that scales
    regression values to logits. The time grows with N^3 or, where the D features are fewer, with N * D^2.
    """
    members = _members(groups)
    weights = np.empty(len(labels))
    for rows in members:
        weights[rows] = 1 / len(rows)
    targets = np.eye(classes)[labels]
    middle = (weights[:, None] * targets).sum(axis=0) / weights.sum()
    root = np.sqrt(weights)[:, None]
    weighted = root * features
    unit = float(np.square(weighted).sum() / weights.sum())
    solve = (_by_features if features.shape[1] < len(features) else _by_rows)(weighted, root * (targets - middle))
    found = [_left_out(*solve(strength * unit), members) for strength in strengths]
    scored = [(*_scale(root * targets - left_out, root, labels), alpha) for alpha, left_out in found]
    _, factor, alpha = min(scored, key=lambda item: item[0])
    return LinearHead(factor * (root * alpha).T @ features, factor * middle)


def _members(groups: Sequence[object]) -> list[Ints]:
    positions: dict[object, list[int]] = {}
    for row, group in enumerate(groups):
        positions.setdefault(group, []).append(row)
    return [np.array(rows, dtype=np.int64) for rows in positions.values()]


def _by_rows(features: Floats, targets: Floats) -> Callable[[float], Solution]:
    """Return what gives for a penalty the dual weights [N, K], and the block of some rows of the inverse [N, N]."""
    gram = features @ features.T

    def solve(penalty: float) -> Solution:
        inverse = np.linalg.inv(gram + penalty * np.eye(len(gram)))
        return inverse @ targets, lambda rows: inverse[np.ix_(rows, rows)]

    return solve


def _by_features(features: Floats, targets: Floats) -> Callable[[float], Solution]:
    """Return the same as ``_by_rows`` from one eigendecomposition [D, D]; the inverse [N, N] is never made.

    By the identity of Woodbury, ``(XX' + pI)^-1 = (I - X (X'X + pI)^-1 X') / p``.
    """
    values, vectors = np.linalg.eigh(features.T @ features)
    turned = features @ vectors
    known = turned.T @ targets

    def solve(penalty: float) -> Solution:
        shrunk = turned / (np.maximum(values, 0.0) + penalty)

        def block(rows: Ints) -> Floats:
            return np.asarray((np.eye(len(rows)) - shrunk[rows] @ turned[rows].T) / penalty)

        return (targets - shrunk @ known) / penalty, block

    return solve


def _left_out(alpha: Floats, block: Callable[[Ints], Floats], members: Sequence[Ints]) -> tuple[Floats, Floats]:
    """Return the dual weights, and the leave-one-group-out residual of each row."""
    residual = np.empty_like(alpha)
    for rows in members:
        residual[rows] = np.linalg.solve(block(rows), alpha[rows])
    return alpha, residual


def _scale(weighted_scores: Floats, root: Floats, labels: Ints) -> tuple[float, float]:
    """Return the lowest loss of the left-out scores as scaled logits, and the scale factor."""
    scores = weighted_scores / root
    best = minimize_scalar(
        lambda log_factor: negative_log_likelihood(np.exp(log_factor) * scores, labels),
        bounds=(0.0, np.log(100.0)),
        method="bounded",
    )
    return float(best.fun), float(np.exp(best.x))

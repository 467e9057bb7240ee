"""Likely label errors by confident learning, from out-of-fold probabilities.

A class counts as confident for a photo if its probability reaches the mean that it has among the photos of that label.
A photo whose most probable confident class is not its label is a likely label error. The quality of a label is its
probability (self-confidence): with planted errors it ranked more of them first than the normalized margin did.

Source: C. Northcutt, L. Jiang, I. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, Journal of
Artificial Intelligence Research 70 (2021).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petmood.core.errors import DataError

__all__ = ["LabelErrors", "find_label_errors"]

ROUNDING = 1e-9
"""A probability this close to its threshold reaches it: the mean of equal numbers differs from them by rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelErrors:
    """What confident learning finds for N photos and K classes.

    ``quality`` is float [N], from 0 (another class) to 1 (this class). ``suggested`` is int [N], the confident class
    of a likely error, else the label. ``confident_joint`` is int [K, K]: photos by label (row) and confident class
    (column).
    """

    labels: NDArray[np.int64]
    quality: NDArray[np.float64]
    suggested: NDArray[np.int64]
    confident_joint: NDArray[np.int64]

    @property
    def likely(self) -> NDArray[np.int64]:
        """Positions of the likely label errors, int [E], the lowest quality first."""
        found = np.flatnonzero(self.suggested != self.labels)
        return np.asarray(found[np.argsort(self.quality[found], kind="stable")], dtype=np.int64)

    @property
    def ranking(self) -> NDArray[np.int64]:
        """Positions of all photos, int [N], the lowest quality first."""
        return np.asarray(np.argsort(self.quality, kind="stable"), dtype=np.int64)


def find_label_errors(probabilities: ArrayLike, labels: ArrayLike) -> LabelErrors:
    """Compare labels int [N] with out-of-fold probabilities float [N, K] of the same photos.

    Raises:
        DataError: the shapes disagree, or there are fewer than two classes.
    """
    chances, given = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if chances.ndim != 2 or chances.shape[1] < 2 or given.shape != chances.shape[:1]:
        raise DataError(
            f"Expected probabilities [N, K] of 2 classes or more with N labels, got shapes {chances.shape} "
            f"and {given.shape}."
        )
    classes = chances.shape[1]
    own = chances[np.arange(len(given)), given]
    thresholds = np.array([own[given == k].mean() if (given == k).any() else np.inf for k in range(classes)])
    reaches = chances >= thresholds - ROUNDING
    confident = np.where(reaches, chances, -1.0).argmax(axis=1)
    counted = reaches.any(axis=1)
    joint = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(joint, (given[counted], confident[counted]), 1)
    return LabelErrors(given, own, np.where(counted, confident, given).astype(np.int64), joint)

"""Division of validation photos: one part chooses among models, the other calibrates the chosen one.

The temperature, the confidence threshold and the prediction sets hold for new photos only if their photos had no part
in the choice of the model (docs/decisions/abstention.md).
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petmood.data.index import IndexRow

__all__ = ["ValidationParts", "divide_rows", "divide_validation"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ValidationParts:
    """Indices of the validation photos that choose the model, and of those that calibrate it; int, ascending.

    Both are all photos if the photos can't or should not be divided.
    """

    choosing: Ints
    calibrating: Ints

    @property
    def separate(self) -> bool:
        """Whether no photo does both."""
        return not np.intersect1d(self.choosing, self.calibrating).size


def divide_rows(rows: Sequence[IndexRow], *, share: float, min_groups: int = 2) -> ValidationParts:
    """Divide index rows as `divide_validation` does."""
    groups, labels = [row.group_id for row in rows], [row.label for row in rows]
    return divide_validation(groups, labels, share=share, min_groups=min_groups)


def divide_validation(
    groups: Sequence[str], labels: Sequence[str], *, share: float, min_groups: int = 2
) -> ValidationParts:
    """Divide photos, given by their group and class, so that about `share` of the groups of each class calibrate.

    A group stays whole. The result depends on the names of groups and classes, not on the order of the photos. With a
    share of 0, or fewer groups than `min_groups`, every photo is in both parts.
    """
    label_of: dict[str, str] = {}
    for group, label in zip(groups, labels, strict=True):
        label_of[group] = min(label, label_of.get(group, label))
    everything = np.arange(len(groups), dtype=np.int64)
    if share == 0 or len(label_of) < max(min_groups, 2):
        return ValidationParts(everything, everything)
    ranked = sorted(label_of, key=lambda group: (label_of[group], hashlib.sha256(group.encode()).digest()))
    limits = [min(math.ceil(place * share), len(ranked) - 1) for place in range(len(ranked) + 1)]
    calibrating = {group for place, group in enumerate(ranked) if limits[place + 1] > limits[place]}
    inside = np.array([group in calibrating for group in groups], dtype=bool)
    return ValidationParts(everything[~inside], everything[inside])

"""Check of the recall of every class: no class may have become worse.

Classes are tested one-sided by sign flips over groups, and together by Holm's procedure (1979). Equal models are
refused in at most 5% of cases, however many classes there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from petmood.evaluation.paired import sign_flip_p_value
from petmood.evaluation.predictions import Predictions
from petmood.promotion.differences import compare_slice, differences_by_group, points_text, with_interval
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check, SliceComparison

__all__ = ["JOINT_LEVEL", "check_class_recall", "holm_rejections", "loss_p_value", "smallest_shown_loss"]

JOINT_LEVEL: Final = 0.05
"""Largest share of equal models that are refused by the tests of all classes together."""
MIN_LOST_GROUPS: Final = 2.5
"""A loss of fewer groups than this is not held against a candidate unless it is significant."""
FLIPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Class:
    part: SliceComparison
    groups: int
    p_value: float

    @property
    def drop(self) -> float:
        return -self.part.difference.value


def check_class_recall(candidate: Predictions, champion: Predictions, limits: PromotionLimits) -> Check:
    """Refuse a candidate with a significant loss of recall in a class, or with one beyond ``max_class_drop``."""
    classes = [_compare(label, candidate, champion) for label in candidate.classes if _of(candidate, label).any()]
    significant = holm_rejections({one.part.name: one.p_value for one in classes}, level=JOINT_LEVEL)
    worse = [one for one in classes if one.part.name in significant or _is_large(one, limits)]
    lowest = min(classes, key=lambda one: one.part.difference.value)
    fewest = min(classes, key=lambda one: one.groups)
    shown = smallest_shown_loss(fewest.groups, tests=len(classes))
    limit = f"no significant loss, none of more than {100 * limits.max_class_drop:g} points"
    return Check(
        "per_class_recall",
        not worse,
        f"{lowest.part.name} {with_interval(lowest.part.difference)}",
        limit,
        " ".join([_verdict(worse), *_unseen(candidate, classes), _undecided(fewest, shown)]),
        {"smallest_shown_loss": shown, **{f"p_value_{one.part.name}": one.p_value for one in classes}},
        tuple(one.part for one in classes),
    )


def loss_p_value(sums: NDArray[np.float64]) -> float:
    """Return the one-sided p-value of a total below 0 under sign flips of the groups' differences [G].

    Exact if all groups that differ do so by the same amount (the sign test), else as ``sign_flip_p_value``.
    """
    moving = sums[np.abs(sums) > 1e-12]
    if not len(moving) or moving.sum() >= 0:
        return 1.0
    if np.ptp(np.abs(moving)) < 1e-12:
        return float(stats.binom.cdf(int((moving > 0).sum()), len(moving), 0.5))
    return sign_flip_p_value(moving, permutations=FLIPS, seed=0) / 2


def holm_rejections(p_values: Mapping[str, float], *, level: float) -> frozenset[str]:
    """Return the names whose null hypotheses Holm's step-down procedure rejects at a level for all together."""
    rejected = set()
    for left, name in zip(range(len(p_values), 0, -1), sorted(p_values, key=lambda one: p_values[one]), strict=True):
        if p_values[name] > level / left:
            break
        rejected.add(name)
    return frozenset(rejected)


def smallest_shown_loss(groups: int, *, tests: int) -> float:
    """Return the smallest loss (share of a class's groups) that is significant if no group is won; 1.0 is all of them.

    A value above 1 says that not even the loss of all groups is significant.
    """
    needed = int(np.ceil(np.log2(tests / JOINT_LEVEL)))
    return needed / groups


def _compare(label: str, candidate: Predictions, champion: Predictions) -> _Class:
    chosen = _of(candidate, label)
    first, second = candidate.take(chosen), champion.take(chosen)
    sums = differences_by_group(first, second)
    return _Class(compare_slice(label, first, second), len(sums), loss_p_value(sums))


def _of(scored: Predictions, label: str) -> NDArray[np.bool_]:
    return np.asarray(scored.labels == scored.classes.index(label))


def _is_large(one: _Class, limits: PromotionLimits) -> bool:
    return one.drop > limits.max_class_drop and one.drop * one.groups > MIN_LOST_GROUPS


def _verdict(worse: list[_Class]) -> str:
    if not worse:
        return "No class lost a significant amount of recall."
    losses = [
        f"{one.part.name} by {100 * one.drop:.1f} points ({one.part.champion:.1%} to {one.part.candidate:.1%})"
        for one in worse
    ]
    return f"Lower recall: {'; '.join(losses)}."


def _unseen(candidate: Predictions, classes: list[_Class]) -> list[str]:
    seen = {one.part.name for one in classes}
    unseen = [label for label in candidate.classes if label not in seen]
    return [f"There are no photos of {', '.join(unseen)}."] if unseen else []


def _undecided(fewest: _Class, shown: float) -> str:
    """Return the sentence on what the smallest class can't show."""
    about = f"With {fewest.groups} groups of {fewest.part.name}"
    if shown > 1:
        return f"{about}, no loss of that class can be distinguished from chance."
    return f"{about}, a loss of less than {points_text(shown).lstrip('+')} can't be distinguished from chance."

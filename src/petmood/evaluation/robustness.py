"""Accuracy under image corruptions at five levels, beside the accuracy on the same photos without them.

The kinds are those of `petmood.evaluation.corruptions`. Accuracies have exact intervals over groups; a drop is compared
photo by photo. The mean over the corruptions is a plain mean of accuracies. It is not the mCE of ImageNet-C, which
divides by the errors of a reference network.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.data.index import Split
from petmood.evaluation.bootstrap import Estimate, estimate_proportion
from petmood.evaluation.corruptions import LEVELS, MIDDLE_LEVEL
from petmood.evaluation.differences import estimate_difference, widened
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.proportions import CONFIDENCE
from petmood.presentation.display_names import VALIDATION_NOTE, photos_of_split, title

__all__ = ["CorruptedAccuracy", "Robustness", "evaluate_robustness", "spread_sample"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CorruptedAccuracy:
    """Accuracy at one level, and its drop: the clean accuracy minus it, on the same photos; both are shares."""

    level: int
    accuracy: Estimate
    drop: Estimate

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return {"level": self.level, "accuracy": self.accuracy.to_json(), "drop": self.drop.to_json()}


@dataclass(frozen=True, slots=True)
class Robustness:
    """Accuracies on the same photos without corruptions, and under each at every level, from low to high.

    `mean` is over the corruptions. `available` is the number of photos of the split, from which those measured were
    drawn. `groups` is the number of groups that the measured photos belong to.
    """

    split: str
    available: int
    groups: int
    clean: Estimate
    corruptions: Mapping[str, tuple[CorruptedAccuracy, ...]]
    mean: tuple[CorruptedAccuracy, ...]

    @property
    def photos(self) -> str:
        """How many photos were measured, and which ones, in words."""
        if self.clean.n == self.available:
            return photos_of_split(self.split, self.available)
        return f"{self.clean.n} of {photos_of_split(self.split, self.available)}"

    @property
    def weakest(self) -> str:
        """Name of the corruption with the largest drop at the middle level."""
        return max(self.corruptions, key=lambda name: _at_middle(self.corruptions[name]).drop.value)

    @property
    def sentence(self) -> str:
        """What the middle level shows, in plain words.

        Its interval is corrected for the number of corruptions (Bonferroni). Where no corruption lowers the accuracy,
        one is said to do so in at most 5% of cases.
        """
        found = {
            name: _corrected(_at_middle(levels).drop, len(self.corruptions))
            for name, levels in self.corruptions.items()
        }
        drop, accuracy = found[self.weakest], _at_middle(self.corruptions[self.weakest]).accuracy
        before, level = f"{self.clean.value:.1%}", f"At level {MIDDLE_LEVEL} of {LEVELS[-1]}"
        corrected = f", corrected for {len(found)} corruptions" if len(found) > 1 else ""
        by = (
            f"by {_points(drop.value)} points (95% interval {_points(drop.low)} to {_points(drop.high)}"
            f"{corrected}), on {self.photos}."
        )
        if drop.value <= 0:
            text = f"{level} no corruption lowers the accuracy of {before}, on {self.photos}."
        elif all(one.low <= 0 for one in found.values()):
            name = title(self.weakest)
            text = f"{level} no corruption is shown to lower the accuracy of {before}; {name} lowers it most, {by}"
        else:
            fall = f"from {before} to {accuracy.value:.1%}"
            text = f"{level} the accuracy falls most for {title(self.weakest)}: {fall}, {by}"
        return f"{text} {VALIDATION_NOTE}" if self.split == Split.VALID else text

    def to_json(self) -> dict[str, object]:
        """Return all results as JSON values."""
        kinds = {name: [one.to_json() for one in levels] for name, levels in self.corruptions.items()}
        return {
            "split": self.split,
            "available": self.available,
            "groups": self.groups,
            "sentence": self.sentence,
            "clean": self.clean.to_json(),
            "mean": [one.to_json() for one in self.mean],
            "corruptions": kinds,
        }


def _at_middle(levels: tuple[CorruptedAccuracy, ...]) -> CorruptedAccuracy:
    """Return the accuracy at the middle level."""
    return levels[LEVELS.index(MIDDLE_LEVEL)]


def _corrected(drop: Estimate, comparisons: int) -> Estimate:
    """Return a drop with the interval that is right for all of several comparisons together (Bonferroni)."""
    wide = widened(drop, confidence=1 - (1 - CONFIDENCE) / comparisons)
    return replace(wide, low=max(wide.low, -1.0), high=min(wide.high, 1.0))


def evaluate_robustness(
    clean: Predictions, corrupted: Mapping[tuple[str, int], Predictions], *, split: str, available: int
) -> Robustness:
    """Compare the predictions of photos with those of the same photos by the name and level of a corruption.

    Raises:
        DataError: no photos, no corruption, one without some level, or other photos than `clean` or in another order.
    """
    names = list(dict.fromkeys(name for name, _ in corrupted))
    wanted = {(name, level) for name in names for level in LEVELS}
    if not len(clean) or not names or wanted != set(corrupted):
        got = f"{len(clean)} photos, {len(names)} corruptions and {len(corrupted)} predictions"
        raise DataError(f"Expected photos, and a prediction of each at all {len(LEVELS)} levels; got {got}.")
    if any(one.paths != clean.paths or one.labels.tolist() != clean.labels.tolist() for one in corrupted.values()):
        raise DataError("Expected predictions of the same photos in one order for every corruption, got others.")
    groups, before = clean.group_numbers(), _right(clean)
    right = {key: _right(one) for key, one in corrupted.items()}
    means = {level: np.mean([right[name, level] for name in names], axis=0) for level in LEVELS}
    return Robustness(
        split=split,
        available=available,
        groups=len(set(clean.groups)),
        clean=estimate_proportion(before, groups),
        corruptions={name: tuple(_at(level, right[name, level], before, groups) for level in LEVELS) for name in names},
        mean=tuple(_at(level, means[level], before, groups) for level in LEVELS),
    )


def spread_sample(scored: Predictions, most: int, *, seed: int) -> Ints:
    """Return the numbers of at most this many photos, spread over classes and groups, in ascending order.

    Classes keep their shares. Within a class a photo is drawn at random, but a group's second photo only after the
    first one of each other group.
    """
    order = np.random.default_rng(seed).permutation(len(scored))
    taken: Counter[str] = Counter()
    turn = np.zeros(len(scored), dtype=np.int64)
    for number in order:
        turn[number] = taken[scored.groups[number]]
        taken[scored.groups[number]] += 1
    place = np.zeros(len(scored))
    for label in np.unique(scored.labels):
        inside = order[scored.labels[order] == label]
        ranked = inside[np.argsort(turn[inside], kind="stable")]
        place[ranked] = (np.arange(len(ranked)) + 0.5) / len(ranked)
    chosen = order[np.argsort(place[order], kind="stable")][:most]
    return np.sort(chosen).astype(np.int64)


def _at(level: int, right: Floats, before: Floats, groups: Ints) -> CorruptedAccuracy:
    return CorruptedAccuracy(level, estimate_proportion(right, groups), estimate_difference(before - right, groups))


def _right(scored: Predictions) -> Floats:
    return np.asarray(scored.predicted() == scored.labels, dtype=np.float64)


def _points(share: float) -> str:
    return f"{100 * share:z.1f}"

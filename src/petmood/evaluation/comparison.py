"""Comparison of a model with chance and with its baselines on the same photos."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from petmood.evaluation.bootstrap import Estimate, estimate_metrics
from petmood.evaluation.metrics import METRICS, metrics
from petmood.evaluation.paired import sign_flip_p_value
from petmood.evaluation.permutation import PermutationTest, Permuted, compared_with_permuted, permutation_test
from petmood.evaluation.predictions import Predictions

__all__ = [
    "HOG_SVM",
    "MOST_FREQUENT",
    "PERMUTED_LABELS",
    "SIGNIFICANT",
    "Comparison",
    "Difference",
    "compare",
    "estimate_baseline",
]

PERMUTED_LABELS = "permuted_labels"
"""The baseline with one Predictions for each permutation of the training labels of ``HOG_SVM``."""
HOG_SVM = "hog_svm"
MOST_FREQUENT = "most_frequent"
_NOT_COMPARED = frozenset({PERMUTED_LABELS, "group_split", "random_split"})
"""Baselines that show chance and leakage."""
SIGNIFICANT = 0.05
"""A p-value below it shows a difference."""
_SIGN_FLIPS = 10_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Accuracy of the model minus that of a baseline on the same photos, with a two-sided p-value over groups."""

    value: float
    p_value: float

    @property
    def better(self) -> bool:
        """Whether the model is shown to be better."""
        return self.value > 0 and self.p_value < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of a model with `chance`, and with each of its `baselines` that was scored on the same photos.

    `hog_svm` compares the HOG + SVM with its own fits to permuted labels (None if there are none).
    """

    chance: PermutationTest
    hog_svm: PermutationTest | None = None
    baselines: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def not_shown_better(self) -> tuple[str, ...]:
        """The baselines than which the model is not shown to be better."""
        return tuple(name for name, found in self.baselines.items() if not found.better)

    def to_json(self) -> dict[str, object]:
        """Return all results as JSON values."""
        return {
            "chance": self.chance.to_json(),
            "hog_svm": self.hog_svm.to_json() if self.hog_svm else None,
            "baselines": {
                name: {"difference": found.value, "p_value": found.p_value} for name, found in self.baselines.items()
            },
        }


def compare(
    repeats: Sequence[Predictions],
    baselines: Mapping[str, Sequence[Predictions]],
    *,
    chance: PermutationTest | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare a model with chance, and with the baselines that were scored on the same photos.

    `repeats` are one or more predictions of the same photos in the same order. `chance` is the test of a model that was
    fitted again to permuted labels; by default labels are permuted against the finished predictions. A baseline on
    other photos is left out, and so are those that show chance or leakage.
    """
    permuted = baselines.get(PERMUTED_LABELS, ())
    same = {
        name: found
        for name, parts in baselines.items()
        if name not in _NOT_COMPARED and (found := _difference(repeats, parts, seed=seed)) is not None
    }
    hog_svm = None
    if permuted and HOG_SVM in baselines:
        accuracies = [float(_right([one]).mean()) for one in permuted]
        observed = float(_right(baselines[HOG_SVM]).mean())
        hog_svm = compared_with_permuted(observed, accuracies, permuted=Permuted.REFITS)
    return Comparison(chance or permutation_test(repeats, seed=seed), hog_svm, same)


def estimate_baseline(parts: Sequence[Predictions], *, seed: int) -> dict[str, Estimate]:
    """Estimate the metrics of a baseline; of several permutations, their means and where 95% of them lie."""
    if len(parts) == 1:
        return estimate_metrics(parts[0], seed=seed)
    scores = [metrics(scored.probabilities(), scored.labels) for scored in parts]
    return {name: _over_permutations([float(one[name][0]) for one in scores], n=len(parts[0])) for name in METRICS}


def _over_permutations(values: Sequence[float], *, n: int) -> Estimate:
    if not all(map(math.isfinite, values)):
        return Estimate(math.nan, math.nan, math.nan, n=n)
    low, high = np.quantile(values, [0.025, 0.975])
    return Estimate(float(np.mean(values)), float(low), float(high), n=n)


def _difference(repeats: Sequence[Predictions], baseline: Sequence[Predictions], *, seed: int) -> Difference | None:
    first = repeats[0]
    at = {path: number for number, path in enumerate(baseline[0].paths)}
    if len(at) != len(first) or set(at) != set(first.paths):
        return None
    apart = _right(repeats) - _right(baseline)[[at[path] for path in first.paths]]
    sums = np.bincount(first.group_numbers(), weights=apart).astype(np.float64)
    p_value = sign_flip_p_value(sums, permutations=_SIGN_FLIPS, seed=seed)
    return Difference(float(apart.mean()), p_value)


def _right(repeats: Sequence[Predictions]) -> NDArray[np.float64]:
    """Return for each photo the share of the predictions that are right."""
    return np.asarray(np.mean([scored.predicted() == scored.labels for scored in repeats], axis=0), dtype=np.float64)

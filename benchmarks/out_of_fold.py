"""Error of confident predictions and coverage of sets, calibrated out of fold. Targets: as stated.

Photos of four classes in groups of one to three, and a ridge head as `petmood run` fits it: 293 groups to train on and
36 for validation. Temperature, threshold and quantile come from the validation photos, or from out-of-fold predictions
of both, and belong to the head that is fitted on the training photos. What is true of it is measured on new groups.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.promises import COVERAGE, TARGET_ERROR, report_guarantees
from petmood.configs.schema import FALLBACK_ERRORS
from petmood.evaluation.calibration import fit_temperature
from petmood.evaluation.conformal import conformal_quantile, prediction_sets
from petmood.evaluation.folds import stratified_group_folds
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.selective import choose_threshold
from petmood.models.linear import LinearHead, fit_ridge

__all__ = ["Outcome", "Population", "calibrated", "main", "shares"]

DRAWS: Final = 1000
TRAIN, VALID, NEW = 293, 36, 3000
CLASSES: Final = ("a", "b", "c", "d")
FEATURES: Final = 24
STRENGTHS: Final = (0.03, 0.3, 3.0)
DISTANCES: Final = (2.0, 2.8, 3.3)
"""Distances of the classes, in units of a photo's spread: the head is right on 62%, 77% and 84%."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a threshold was found and breaks its target; share of confident predictions, sets, accuracy."""

    found: bool
    is_broken: bool
    confident: float
    coverage: float
    size: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Population:
    """Classes at a distance, with groups that share half of the variance of a photo."""

    means: Floats

    @classmethod
    def of(cls, rng: np.random.Generator, *, distance: float) -> "Population":
        """Draw the means [K, D] of the classes."""
        return cls(rng.normal(size=(len(CLASSES), FEATURES)) * distance / np.sqrt(2 * FEATURES))

    def draw(self, rng: np.random.Generator, *, groups: int) -> tuple[Floats, Ints, Ints]:
        """Return features [N, D], labels [N] and group numbers [N] of new groups."""
        group = np.repeat(np.arange(groups), rng.choice([1, 2, 3], size=groups, p=[0.8, 0.15, 0.05]))
        label = rng.integers(0, len(CLASSES), groups)[group]
        shared, own = rng.normal(size=(groups, FEATURES))[group], rng.normal(size=(len(group), FEATURES))
        return self.means[label] + np.sqrt(0.5) * (shared + own), label, group


def calibrated(rng: np.random.Generator, *, distance: float) -> dict[str, Outcome]:
    """Draw a dataset, fit the head, calibrate it in both ways, and return what is true of it by way."""
    population = Population.of(rng, distance=distance)
    features, labels, groups = population.draw(rng, groups=TRAIN + VALID)

    def head_of(train: Ints) -> LinearHead:
        return fit_ridge(
            features[train], labels[train], groups[train].tolist(), strengths=STRENGTHS, classes=len(CLASSES)
        )

    head = head_of(np.flatnonzero(groups < TRAIN))
    valid = np.flatnonzero(groups >= TRAIN)
    names = [f"{group:04d}" for group in groups]
    logits = np.empty((len(labels), len(CLASSES)))
    for fold in stratified_group_folds(labels, names, seed=int(rng.integers(2**31))):
        logits[fold.test] = head_of(fold.train).logits(features[fold.test])
    by_way = {
        "validation": _predictions(head.logits(features[valid]), labels[valid], groups[valid]),
        "out_of_fold": _predictions(logits, labels, groups),
    }
    new, truth, _ = population.draw(rng, groups=NEW)
    return {way: _true_of(scored, head.logits(new), truth) for way, scored in by_way.items()}


def _predictions(logits: Floats, labels: Ints, groups: Ints) -> Predictions:
    names, blank = tuple(f"{group:04d}" for group in groups), ("",) * len(labels)
    return Predictions(logits, labels, names, names, CLASSES, blank, np.full((len(labels), 2), 99), blank)


def _true_of(scored: Predictions, logits: Floats, truth: Ints) -> Outcome:
    """Calibrate as `evaluate` does, and measure the delivered head on new photos."""
    temperature = fit_temperature(scored)
    rule = choose_threshold(scored, target_error=TARGET_ERROR, fallback_errors=FALLBACK_ERRORS, temperature=temperature)
    quantile = conformal_quantile(scored, coverage=COVERAGE, temperature=temperature)
    powers = np.exp(logits / temperature - (logits / temperature).max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    confident = probabilities.max(axis=1) >= (2.0 if rule.threshold is None else rule.threshold)
    wrong = probabilities.argmax(axis=1) != truth
    inside = prediction_sets(probabilities, quantile=quantile)
    is_broken = bool(confident.any()) and float(wrong[confident].mean()) > rule.target_error
    covered = inside[np.arange(len(truth)), truth].mean()
    return Outcome(
        found=rule.threshold is not None,
        is_broken=is_broken,
        confident=float(confident.mean()),
        coverage=float(covered),
        size=float(inside.sum(axis=1).mean()),
        accuracy=float(1 - wrong.mean()),
    )


def shares(found: list[Outcome]) -> dict[str, Any]:
    """Return how often the error is above the target and a threshold is found, and the mean coverage of the sets."""
    coverages = [one.coverage for one in found]
    return {
        "error_above_target": round(sum(one.is_broken for one in found) / len(found), 4),
        "with_threshold": round(sum(one.found for one in found) / len(found), 4),
        "confident": round(float(np.mean([one.confident for one in found])), 4),
        "coverage": round(float(np.mean(coverages)), 4),
        "coverage_5th_percentile": round(float(np.quantile(coverages, 0.05)), 4),
        "accuracy": round(float(np.mean([one.accuracy for one in found])), 3),
        "set_size": round(float(np.mean([one.size for one in found])), 3),
    }


def measured(*, distance: float, draws: int = DRAWS) -> dict[str, dict[str, Any]]:
    """Return the shares of both ways over many datasets."""
    rng = np.random.default_rng(round(1000 * distance))
    found = [calibrated(rng, distance=distance) for _ in range(draws)]
    return {way: shares([one[way] for one in found]) for way in ("validation", "out_of_fold")}


def main() -> None:
    """Simulate and report; the ratio is the largest chance of an error above the target over the allowed 10%."""
    table = {f"distance {distance}": measured(distance=distance) for distance in DISTANCES}
    cells = [cell["out_of_fold"] for cell in table.values()]
    report_guarantees("of out-of-fold calibration", cells, table)


if __name__ == "__main__":
    main()

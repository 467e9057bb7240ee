"""Error of confident predictions and coverage of sets after a choice among models. Targets: as guaranteed.

Equally good models of two classes, whose confidences and errors are alike between models (Gaussian copula, correlation
0.3). The one with the lowest NLL on the validation photos is chosen, and calibrated on the same photos ("same", as
before) or on those that chose nothing ("separate"). The true error and the true coverage are known exactly.
"""

import collections
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.common import report
from petmood.configs.schema import FALLBACK_ERRORS
from petmood.data.validation_parts import divide_validation
from petmood.evaluation.calibration import fit_temperature
from petmood.evaluation.conformal import conformal_quantile
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.selective import choose_threshold

__all__ = ["COVERAGE", "TARGET_ERROR", "Outcome", "calibrated_after_choice", "main", "report_guarantees"]

PHOTOS: Final = (36, 109, 300)
TRIED: Final = (1, 20, 40, 100)
ROUNDS: Final = 2000
CORRELATION: Final = 0.3
TARGET_ERROR: Final = 0.1
COVERAGE: Final = 0.9
SHARES: Final = {"same": 0.0, "separate": 0.5}
TOLERANCE: Final = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """True error of confident predictions and its target, both None without a threshold; true coverage of the sets."""

    error: float | None
    target: float | None
    coverage: float


def calibrated_after_choice(rng: np.random.Generator, *, photos: int, tried: int, share: float) -> Outcome:
    """Draw validation photos and equal models, choose one, calibrate it, and return what is true of it."""
    confidence = 0.5 + 0.5 * stats.norm.cdf(_alike(rng, photos=photos, tried=tried))
    right = stats.norm.cdf(_alike(rng, photos=photos, tried=tried)) < confidence
    names = tuple(f"{number:04d}" for number in range(photos))
    parts = divide_validation(names, ["a"] * photos, share=share)
    losses = -np.log(np.where(right, confidence, 1 - confidence))
    best = int(losses[:, parts.choosing].mean(axis=1).argmin())
    return _true_of(_predictions(confidence[best], right[best], names).take(parts.calibrating))


def _alike(rng: np.random.Generator, *, photos: int, tried: int) -> Floats:
    """Draw normal numbers [tried, photos] that correlate between the models."""
    shared, own = rng.normal(size=photos), rng.normal(size=(tried, photos))
    return np.asarray(math.sqrt(CORRELATION) * shared + math.sqrt(1 - CORRELATION) * own)


def _predictions(confidence: Floats, right: NDArray[np.bool_], names: tuple[str, ...]) -> Predictions:
    photos, blank = len(names), ("",) * len(names)
    logits = np.stack([np.log(confidence / (1 - confidence)), np.zeros(photos)], axis=1)
    labels = np.where(right, 0, 1)
    return Predictions(logits, labels, names, names, ("a", "b"), blank, np.full((photos, 2), 99), blank)


def _true_of(valid: Predictions) -> Outcome:
    """Calibrate as `evaluate` does; confidences are uniform from 0.5 to 1, and right as often as they say."""
    temperature = fit_temperature(valid)

    def untempered(probability: float) -> float:
        return float(1 / (1 + np.exp(-temperature * np.log(probability / (1 - probability)))))

    rule = choose_threshold(valid, target_error=TARGET_ERROR, fallback_errors=FALLBACK_ERRORS, temperature=temperature)
    error = None if rule.threshold is None else (1 - untempered(rule.threshold)) / 2
    quantile = conformal_quantile(valid, coverage=COVERAGE, temperature=temperature)
    coverage = 1.0 if quantile >= 1 else 1 - (1 - untempered(max(quantile, 1e-12))) ** 2
    return Outcome(error, None if error is None else rule.target_error, coverage)


def measured(*, photos: int, tried: int, share: float) -> dict[str, Any]:
    """Return how often the error is above the target, how often there is a threshold, and the mean coverage."""
    rng = np.random.default_rng(photos * 1000 + tried)
    found = [calibrated_after_choice(rng, photos=photos, tried=tried, share=share) for _ in range(ROUNDS)]
    chosen = [(one.error, one.target) for one in found if one.error is not None and one.target is not None]
    targets = collections.Counter(target for _, target in chosen)
    return {
        "error_above_target": round(sum(error > target for error, target in chosen) / ROUNDS, 4),
        "with_threshold": round(len(chosen) / ROUNDS, 4),
        "by_target": {str(target): round(count / ROUNDS, 4) for target, count in sorted(targets.items())},
        "coverage": round(float(np.mean([outcome.coverage for outcome in found])), 4),
    }


def main() -> None:
    """Simulate and report; the ratio is the largest chance of an error above the target over the allowed 10%."""
    table = {
        name: {n: {m: measured(photos=n, tried=m, share=share) for m in TRIED} for n in PHOTOS}
        for name, share in SHARES.items()
    }
    cells = [cell for by_tried in table["separate"].values() for cell in by_tried.values()]
    report_guarantees("after a choice among models", cells, table)


def report_guarantees(what: str, cells: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> None:
    """Report the largest chance of an error above the target over the allowed 10%, and whether sets cover the truth."""
    report(
        f"guarantees {what}: chance of an error above the target",
        ratio=max(cell["error_above_target"] for cell in cells) / 0.1,
        target=1.0,
        details=details,
        conditions={"sets contain the truth in 90%": min(c["coverage"] for c in cells) >= COVERAGE - TOLERANCE},
    )


if __name__ == "__main__":
    main()

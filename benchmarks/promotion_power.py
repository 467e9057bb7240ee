"""False refusals of equal models by each promotion check, and detection of doubled logits, by simulation.

python -m benchmarks.promotion_power [PAIRS]

Target: at most 5% of equal models refused by a check at 108 and 330 photos; 80% of doubled logits refused at 108.
"""

import sys
from collections import Counter
from functools import partial
from itertools import product
from typing import Final

from benchmarks.common import report
from petmood.promotion.calibration import check_calibration
from petmood.promotion.checks import evaluate_checks
from petmood.promotion.compare import Latency
from petmood.promotion.limits import PromotionLimits
from tests.support.model_pairs import ABOUT_75, ABOUT_90, pair_of_models

__all__ = ["main", "refused"]

PAIRS: Final = 1_000
"""At 5%, the standard error of a share of so many pairs is 0.7 points."""
SKILLS: Final = {"75%": ABOUT_75, "90%": ABOUT_90}
CORRELATIONS: Final = (0.3, 0.9)
"""Correlation of the two models' noise."""
CHECKS: Final = ("per_class_recall", "calibration", "robustness")
EQUAL_LATENCY: Final = Latency(10.0, 10.0, 60)
MAX_FALSE: Final = 0.05
MIN_POWER: Final = 0.8


def refused(photos: int, *, skill: float, shared: float, pairs: int) -> dict[str, float]:
    """Return the share of simulated pairs of equal models that each check refuses."""
    counts: Counter[str] = Counter()
    for number in range(pairs):
        models = pair_of_models(number, photos, skill=skill, shared=shared)
        checks = evaluate_checks(*models, latency=EQUAL_LATENCY, limits=PromotionLimits())
        counts.update(check.name for check in checks if not check.passed)
    return {name: counts[name] / pairs for name in CHECKS}


def miscalibrated_refused(
    photos: int, *, skill: float, shared: float, pairs: int, factors: tuple[float, float]
) -> float:
    """Return the share of pairs that the calibration check refuses if both models' logits are multiplied."""
    candidate, champion = factors
    made = (
        pair_of_models(
            number,
            photos,
            skill=skill,
            shared=shared,
            sharpness=candidate,
            champion_sharpness=champion,
            corruptions=(),
        )
        for number in range(pairs)
    )
    return sum(not check_calibration(new.clean, old.clean, PromotionLimits()).passed for new, old in made) / pairs


def main() -> None:
    """Measure and report."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    for photos in (36, 108, 330):
        for (accuracy, skill), shared in product(SKILLS.items(), CORRELATIONS):
            equal = refused(photos, skill=skill, shared=shared, pairs=pairs)
            multiplied = partial(miscalibrated_refused, photos, skill=skill, shared=shared, pairs=pairs)
            doubled, both = multiplied(factors=(2.0, 1.0)), multiplied(factors=(2.0, 2.0))
            halved, both_halved = multiplied(factors=(0.5, 1.0)), multiplied(factors=(0.5, 0.5))
            wanted = {"doubled logits refused": doubled >= MIN_POWER} if photos == 108 else {}
            report(
                f"promotion: equal models refused, {photos} photos, {accuracy} right, correlation {shared}",
                ratio=max(equal.values()),
                target=1.0 if photos == 36 else MAX_FALSE,
                details={
                    "pairs": pairs,
                    **equal,
                    "doubled_logits_refused": doubled,
                    "halved_logits_refused": halved,
                    "both_doubled_refused": both,
                    "both_halved_refused": both_halved,
                },
                conditions=wanted,
            )


if __name__ == "__main__":
    main()

"""False promotions of equal models when many candidates are tried on one test set, with and without the correction.

python -m benchmarks.test_set_reuse [TEST_SETS]

Target: at most 10% of test sets promote one of 20 equal candidates with the correction.
"""

import sys
from typing import Final

from benchmarks.common import report
from petmood.promotion.limits import PromotionLimits
from tests.support.model_pairs import promoted_by_chance

__all__ = ["main"]

TEST_SETS: Final = 200
TRIES: Final = (1, 5, 20)
MAX_FALSE: Final = 0.1


def main() -> None:
    """Measure and report."""
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else TEST_SETS
    limits = {"without": PromotionLimits(max_uncorrected_uses=1_000_000), "with": PromotionLimits()}
    rates = {
        f"{tries} tries, {name} correction": sum(
            promoted_by_chance(number, tries=tries, limits=one) for number in range(sets)
        )
        / sets
        for tries in TRIES
        for name, one in limits.items()
    }
    report(
        "promotion: one of 20 equal candidates promoted on one test set",
        ratio=rates["20 tries, with correction"],
        target=MAX_FALSE,
        details={"test_sets": sets, "photos": 108, **rates},
    )


if __name__ == "__main__":
    main()

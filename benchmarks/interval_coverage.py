"""Coverage of the 95% intervals of proportions. Targets: at least 94%, and at most 4% beyond either end.

Photos that are groups of their own: exact, as sums over the binomial distribution for p from 0.5 to 0.995, beside
Wilson's interval (scipy) and the bootstrap. Groups of 1 to 6 photos: simulated, for intraclass correlations 0.5 and 1.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.common import report
from petmood.evaluation.bootstrap import estimate_mean
from petmood.evaluation.proportions import proportion_interval

__all__ = ["main"]

PHOTOS: Final = (27, 36, 108, 330)
TRUTHS: Final = (*np.arange(0.5, 0.99, 0.005).round(3).tolist(), 0.99, 0.9925, 0.995)
GROUPED_TRUTHS: Final = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
CORRELATIONS: Final = (0.5, 1.0)
LARGEST_GROUP: Final = 6
ROUNDS: Final = 2000
LEAST_COVERAGE: Final = 0.94
LARGEST_TAIL: Final = 0.04

Ints = NDArray[np.int64]
Interval = Callable[[int, int], tuple[float, float]]


def published(successes: int, photos: int) -> tuple[float, float]:
    """Return the interval that reports show."""
    return proportion_interval(successes / photos, np.arange(photos))


def wilson(successes: int, photos: int) -> tuple[float, float]:
    """Return Wilson's interval."""
    found = stats.binomtest(successes, photos).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def bootstrap(successes: int, photos: int) -> tuple[float, float]:
    """Return the expanded percentile interval of the bootstrap; that of Clopper and Pearson at 0 and 1."""
    if successes in (0, photos):
        return published(successes, photos)
    found = estimate_mean((np.arange(photos) < successes).astype(np.float64), np.arange(photos))
    return found.low, found.high


def exact(interval: Interval, photos: int) -> dict[str, Any]:
    """Return the least coverage, the largest tails and whether the ends rise with the successes."""
    ends = [interval(successes, photos) for successes in range(photos + 1)]
    lows, highs = np.array(ends).T
    above, below = [], []
    for truth in TRUTHS:
        chances = stats.binom.pmf(np.arange(photos + 1), photos, truth)
        above.append(float(chances[lows > truth].sum()))
        below.append(float(chances[highs < truth].sum()))
    return {
        "least_coverage": round(1 - max(a + b for a, b in zip(above, below, strict=True)), 4),
        "mean_coverage": round(1 - float(np.mean(np.array(above) + below)), 4),
        "low_above_truth": round(max(above), 4),
        "high_below_truth": round(max(below), 4),
        "monotone": all(more[0] >= fewer[0] and more[1] >= fewer[1] for fewer, more in pairwise(ends)),
    }


def simulated(photos: int, *, correlation: float) -> dict[str, Any]:
    """Return the least coverage and the largest tail over `GROUPED_TRUTHS`, for groups of mixed sizes."""
    rng = np.random.default_rng(photos)
    spread = (1 - correlation) / correlation
    coverage, tail = {}, 0.0
    for truth in GROUPED_TRUTHS:
        above = below = 0
        for _ in range(ROUNDS):
            sizes = np.minimum(rng.geometric(0.5, photos), LARGEST_GROUP)
            groups: Ints = np.repeat(np.arange(photos), sizes)[:photos]
            shares = rng.beta(truth * spread, (1 - truth) * spread, photos) if spread else rng.random(photos) < truth
            low, high = proportion_interval(float((rng.random(photos) < shares[groups]).mean()), groups)
            above, below = above + (low > truth), below + (high < truth)
        coverage[truth] = 1 - (above + below) / ROUNDS
        tail = max(tail, above / ROUNDS, below / ROUNDS)
    return {
        "least_coverage": round(min(coverage.values()), 4),
        "at_0.9": round(coverage[0.9], 4),
        "largest_tail": round(tail, 4),
    }


def main() -> None:
    """Compute and report; the ratio is the largest chance of a miss over the allowed one."""
    methods: dict[str, Interval] = {"published": published, "wilson": wilson, "bootstrap": bootstrap}
    single = {name: {n: exact(interval, n) for n in PHOTOS} for name, interval in methods.items()}
    grouped = {f"icc {icc:g}": {n: simulated(n, correlation=icc) for n in PHOTOS} for icc in CORRELATIONS}
    own = single["published"].values()
    mixed = [found for by_size in grouped.values() for found in by_size.values()]
    least = min(found["least_coverage"] for found in (*own, *mixed))
    tails = [max(found["low_above_truth"], found["high_below_truth"]) for found in own]
    report(
        "coverage of the 95% intervals of proportions: chance of a miss of 6%",
        ratio=(1 - least) / (1 - LEAST_COVERAGE),
        target=1.0,
        details={"single photos, exact": single, "mixed groups, simulated": grouped},
        conditions={
            "each end beyond the truth in at most 4%": max(tails) <= LARGEST_TAIL,
            "more successes never lower an end": all(found["monotone"] for found in own),
        },
    )


if __name__ == "__main__":
    main()

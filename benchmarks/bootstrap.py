"""Vectorized bootstrap of all metrics against one replicate after the other. Target: 0.05x.

1000 predictions for photos of four classes; both ways give equal results.
"""

from typing import Final

import numpy as np

from benchmarks.common import best_of, report
from petmood.evaluation.metrics import metrics

__all__ = ["main"]

PHOTOS: Final = 1000
REPLICATES: Final = 200
CLASSES: Final = 4
ROUNDS: Final = 5
TARGET: Final = 0.05


def main() -> None:
    """Measure and report."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(CLASSES, 0.7), size=PHOTOS)
    labels = rng.integers(0, CLASSES, PHOTOS)
    weights = rng.multinomial(PHOTOS, np.full(PHOTOS, 1 / PHOTOS), size=REPLICATES).astype(float)

    def at_once() -> dict[str, np.ndarray]:
        return dict(metrics(probabilities, labels, weights=weights))

    def one_by_one() -> list[dict[str, np.ndarray]]:
        return [dict(metrics(probabilities, labels, weights=one[None])) for one in weights]

    seconds = best_of(ROUNDS, at_once=at_once, one_by_one=one_by_one)
    found, alone = at_once(), one_by_one()
    equal = all(np.allclose(found[name], [one[name][0] for one in alone]) for name in found)
    report(
        f"bootstrap: {REPLICATES} replicates at once against one by one",
        ratio=seconds["at_once"] / seconds["one_by_one"],
        target=TARGET,
        details={name: round(value, 4) for name, value in seconds.items()},
        conditions={"equal numbers": equal},
    )


if __name__ == "__main__":
    main()

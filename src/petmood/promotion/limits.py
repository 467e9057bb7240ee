"""Limits of the promotion checks, and the confidence after a test set was used several times."""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum

from petmood.core.errors import ConfigError

__all__ = ["CONFIDENCE", "Criterion", "PromotionLimits"]

CONFIDENCE = 0.95


class Criterion(StrEnum):
    """What the interval of the difference in accuracy must show."""

    SUPERIOR = "superior"
    """It lies above 0."""
    NON_INFERIOR = "non_inferior"
    """It lies above ``-margin``."""


@dataclass(frozen=True, slots=True)
class PromotionLimits:
    """Limits of the promotion checks; shares are from 0 to 1.

    Raises:
        ConfigError: unknown criterion, or a limit that is negative or not finite.
    """

    criterion: Criterion = Criterion.SUPERIOR
    margin: float = 0.02
    max_class_drop: float = 0.5
    """Largest allowed drop of a class's recall, if more than two groups are affected, even if not significant."""
    max_nll_increase: float = 0.02
    """In nats per photo, also for overconfidence; only a significant increase fails the check."""
    max_corrupted_drop: float = 0.15
    """Largest allowed drop of the accuracy under corruption, even if not significant."""
    max_latency_ratio: float = 1.5
    max_size_ratio: float = 3.0
    max_latency_ms: float = 250.0
    """On one thread; a candidate that is no slower than the champion passes even above this limit."""
    max_size_mb: float = 500.0
    max_ece: float = 0.2
    """For a first model, without a champion to compare with; more is allowed where chance shows more."""
    max_uncorrected_uses: int = 5
    """Comparisons on one test set that are decided at 95% confidence; each later one needs more."""
    min_non_pets_refused: float = 0.95
    """Share of the images without a pet that a candidate must refuse."""
    max_false_alarms: float = 0.05
    """Share of held-out photos that may be refused as being of another kind; only a significant excess fails."""
    min_photos: int = 20
    min_groups: int = 10

    def __post_init__(self) -> None:
        """Reject an unknown criterion, and limits that are negative or not finite."""
        if self.criterion not in tuple(Criterion):
            raise ConfigError(f"Unknown promotion limit criterion={self.criterion!r}. Known: {', '.join(Criterion)}.")
        object.__setattr__(self, "criterion", Criterion(self.criterion))  # what a person typed is a plain text
        for name, value in asdict(self).items():
            if name != "criterion" and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"Expected a finite promotion limit {name} of 0 or more, got {value}.")

    def confidence(self, *, earlier_uses: int) -> float:
        """Return the confidence of the interval of superiority after this many comparisons on the same test set.

        Up to ``max_uncorrected_uses`` comparisons it is 95%. In the comparison number n after that, the error of 5% is
        divided by n (Bonferroni).
        """
        uses = earlier_uses + 1
        return CONFIDENCE if uses <= self.max_uncorrected_uses else 1 - (1 - CONFIDENCE) / uses

    def to_json(self) -> dict[str, str | float]:
        """Return the limits by name."""
        return asdict(self)

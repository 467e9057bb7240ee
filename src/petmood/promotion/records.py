"""Records of a promotion decision: checks, held-out photos and the whole report."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from petmood.evaluation.bootstrap import Estimate
from petmood.promotion.compare import BundleInfo

__all__ = ["SCHEMA_VERSION", "Check", "HeldOut", "PromotionReport", "SliceComparison"]

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class SliceComparison:
    """One class, one corruption or all photos within a check: both accuracies, and the difference with its interval."""

    name: str
    candidate: float
    champion: float
    difference: Estimate

    def to_json(self) -> dict[str, object]:
        """Give the fields by name."""
        return {**asdict(self), "difference": self.difference.to_json()}


@dataclass(frozen=True, slots=True)
class Check:
    """One question that was asked of the candidate: what was measured against which limit, and in a sentence why."""

    name: str
    passed: bool
    measured: str
    limit: str
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[SliceComparison, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Give the fields by name; numbers that are not finite become None."""
        texts = {name: getattr(self, name) for name in ("name", "passed", "measured", "limit", "sentence")}
        numbers = {name: value if math.isfinite(value) else None for name, value in self.numbers.items()}
        return {**texts, "numbers": numbers, "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Which photos were judged by: of which data version and split, how many of each class, and how many were left out.

    ``excluded`` counts photos of the split that a bundle may have learned from.
    """

    data_hash: str
    split: str
    classes: Mapping[str, int]
    groups: int
    excluded: int

    @property
    def photos(self) -> int:
        """Count the photos that are left."""
        return sum(self.classes.values())

    def to_json(self) -> dict[str, object]:
        """Give the fields by name, and the count of photos."""
        return {**asdict(self), "classes": dict(self.classes), "photos": self.photos}


@dataclass(frozen=True, slots=True)
class PromotionReport:
    """The verdict on a candidate, with everything that led to it; ``held_out`` is None where it never came to photos.

    ``created`` is the caller's time, as text.
    """

    candidate: BundleInfo
    champion: BundleInfo | None
    held_out: HeldOut | None
    limits: Mapping[str, str | float]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    created: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check passed; a report without checks is no proof."""
        return bool(self.checks) and not self.failed

    @property
    def verdict(self) -> str:
        """The verdict in a word: "passed" or "refused"."""
        return "passed" if self.passed else "refused"

    @property
    def failed(self) -> tuple[str, ...]:
        """A line for each check that failed: its name, why, and what would have passed."""
        told = (f"{check.name}: {check.sentence} Allowed: {check.limit}." for check in self.checks if not check.passed)
        return tuple(" ".join(line.split()) for line in told)

    def to_json(self) -> dict[str, object]:
        """Give the whole report by name, ready for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "verdict": self.verdict,
            "failed": list(self.failed),
            "candidate": self.candidate.to_json(),
            "champion": self.champion.to_json() if self.champion else None,
            "held_out": self.held_out.to_json() if self.held_out else None,
            "limits": dict(self.limits),
            "checks": [check.to_json() for check in self.checks],
            "notes": list(self.notes),
            "created": self.created,
        }

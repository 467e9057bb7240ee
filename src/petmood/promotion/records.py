"""Records of a promotion decision: checks, held-out photos and the report."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from petmood.core.bundle import DUPLICATES_NAME
from petmood.evaluation.bootstrap import Estimate
from petmood.promotion.compare import BundleInfo
from petmood.promotion.limits import CONFIDENCE

__all__ = ["SCHEMA_VERSION", "Check", "HeldOut", "PromotionReport", "SliceComparison"]

SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class SliceComparison:
    """Comparison on one class, one corruption or all photos: both accuracies, and the difference with its interval."""

    name: str
    candidate: float
    champion: float
    difference: Estimate

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return {**asdict(self), "difference": self.difference.to_json()}


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one promotion check: the measured value, the limit, and an explanation in one sentence."""

    name: str
    passed: bool
    measured: str
    limit: str
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[SliceComparison, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the fields by name; numbers that are not finite become None."""
        texts = {name: getattr(self, name) for name in ("name", "passed", "measured", "limit", "sentence")}
        numbers = {name: value if math.isfinite(value) else None for name, value in self.numbers.items()}
        return {**texts, "numbers": numbers, "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Photos used for the checks: data version, split, counts by class, groups, and photos left out.

    ``excluded`` counts photos of the split that a bundle may have seen: by equal bytes or groups, and, of these,
    ``excluded_by_content`` from the pixels. ``by_bytes_only`` names bundles whose photos could be compared by bytes
    only, because they have no features of photos. ``test_set`` is the SHA-256 of the split's photos.
    """

    data_hash: str
    split: str
    classes: Mapping[str, int]
    groups: int
    excluded: int
    excluded_by_content: int = 0
    by_bytes_only: tuple[str, ...] = ()
    test_set: str = ""

    @property
    def excluded_by_bytes(self) -> int:
        """Number of photos left out because of equal bytes or the bundle's own groups."""
        return self.excluded - self.excluded_by_content

    @property
    def photos(self) -> int:
        """Number of held-out photos."""
        return sum(self.classes.values())

    def to_json(self) -> dict[str, object]:
        """Return the fields by name, and the number of photos."""
        further = {"photos": self.photos, "excluded_by_bytes": self.excluded_by_bytes}
        return {**asdict(self), "classes": dict(self.classes), **further}

    def excluded_text(self) -> str:
        """Return how many photos were left out and why; "" if none were."""
        if not self.excluded:
            return ""
        return f"{self.excluded} left out ({self.excluded_by_bytes} by bytes, {self.excluded_by_content} by content)"

    def matching_text(self) -> str:
        """Return a sentence on the bundles whose photos were matched by bytes only; "" if there are none."""
        if not self.by_bytes_only:
            return ""
        who = " and ".join(self.by_bytes_only)
        return (
            f"The photos that {who} saw were matched by bytes only: copies that were encoded again are not recognized. "
            f"To compare by content, export the run again for a {DUPLICATES_NAME} of this version."
        )


@dataclass(frozen=True, slots=True)
class PromotionReport:
    """Promotion decision on a candidate, with all checks and limits.

    ``held_out`` is None if no photos were selected. ``created`` is the caller's time, as text. ``earlier_uses`` counts
    the comparisons that this test set has decided before. ``confidence`` is that of the interval of superiority.
    """

    candidate: BundleInfo
    champion: BundleInfo | None
    held_out: HeldOut | None
    limits: Mapping[str, str | float]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    created: str = ""
    earlier_uses: int = 0
    confidence: float = CONFIDENCE

    @property
    def passed(self) -> bool:
        """Whether every check passed; False for a report without checks."""
        return bool(self.checks) and not self.failed

    @property
    def verdict(self) -> str:
        """The decision: "passed" or "refused"."""
        return "passed" if self.passed else "refused"

    @property
    def failed(self) -> tuple[str, ...]:
        """One line for each failed check: its name, the reason and the limit."""
        lines = (f"{check.name}: {check.sentence} Allowed: {check.limit}." for check in self.checks if not check.passed)
        return tuple(" ".join(line.split()) for line in lines)

    def reuse_text(self) -> str:
        """Return how often the test set was used before, and what follows; "" without photos."""
        if self.held_out is None:
            return ""
        times = "1 promotion" if self.earlier_uses == 1 else f"{self.earlier_uses} promotions"
        text = f"This test set has decided {times} before."
        if self.confidence > CONFIDENCE:
            text += f" The interval of superiority therefore has {100 * self.confidence:.3g}% confidence."
        return text

    def to_json(self) -> dict[str, object]:
        """Return the complete report as JSON values."""
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
            "earlier_uses": self.earlier_uses,
            "confidence": self.confidence,
        }

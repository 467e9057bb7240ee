"""Comparison of smaller or faster variants of a network with the network itself: records, limits and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

from petmood.core.errors import DataError
from petmood.core.graph_outputs import EMBEDDING, LOGITS, RESIDUAL
from petmood.core.prediction import softmax
from petmood.core.variants import relative_deviation
from petmood.evaluation.bootstrap import Estimate, estimate_proportion
from petmood.evaluation.paired import PairedTest, paired_test
from petmood.evaluation.predictions import Predictions

__all__ = [
    "MAX_DROP",
    "MAX_MOVED",
    "MAX_PROBABILITIES_MOVED",
    "OutputShift",
    "Speed",
    "VariantResult",
    "VariantVerdict",
    "compare_variant",
    "drop_refusal",
    "output_shift",
    "verdict_of",
]

MAX_DROP: Final = 0.01
"""Largest measured drop of the accuracy of a variant that is exported: one point."""
MAX_MOVED: Final = 0.5
"""Largest relative deviation of embedding and residual norm: half of their own spread among photos."""
MAX_PROBABILITIES_MOVED: Final = 0.1
"""Largest mean change of a photo's probabilities, by the class that changes most: thresholds are those of fp32."""


class VariantVerdict(StrEnum):
    """What the paired interval shows of a variant's accuracy."""

    NON_INFERIOR = "non_inferior"
    """All of it lies above the largest drop."""
    UNDECIDED = "undecided"
    """It reaches below the largest drop, but the measured difference doesn't."""
    INFERIOR = "inferior"
    """The measured difference lies below the largest drop, or all of the interval does."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Median and 95th percentile of the time of one photo in milliseconds, network alone on one thread."""

    p50_ms: float
    p95_ms: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Speed":
        """Return the speed that was measured as times in seconds."""
        p50, p95 = np.quantile(np.array(seconds) * 1000, [0.5, 0.95])
        return cls(float(p50), float(p95))

    def beside(self, own: "Speed") -> str:
        """Return in words how much faster or slower than fp32 this is, by the medians."""
        ratio = own.p50_ms / self.p50_ms
        if ratio < 1:
            return f"slower than fp32: it takes {1 / ratio:.2f} times as long"
        return f"{ratio:.2f} times as fast as fp32"


@dataclass(frozen=True, slots=True)
class OutputShift:
    """How far a variant's outputs are from those of fp32 for the same ``photos`` photos.

    ``embedding`` and ``residual`` are relative deviations (see ``core.variants``). ``probabilities`` is the mean over
    photos of the largest change of a class. ``drift`` is the status of the drift test of the variant's outputs against
    those of fp32: with drift, a service with the variant would report drift of unchanged photos.
    """

    photos: int
    embedding: float
    residual: float
    probabilities: float
    drift: str

    @property
    def refusal(self) -> str:
        """Why thresholds and drift reference of fp32 don't hold for the variant; empty if they do."""
        for name, moved in (("embedding", self.embedding), ("residual norm", self.residual)):
            if not moved <= MAX_MOVED:
                return f"its {name} deviates by {moved:.2f} of its spread, allowed are {MAX_MOVED:g}"
        if not self.probabilities <= MAX_PROBABILITIES_MOVED:
            allowed = f"{MAX_PROBABILITIES_MOVED:.0%}"
            return f"its probabilities change by {self.probabilities:.1%} on average, allowed are {allowed}"
        return "the drift test finds a change from the outputs of fp32" if self.drift == "drift" else ""


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One row of the table; ``paired`` is the variant minus fp32 and ``shift`` its outputs, None for fp32 itself.

    ``shift`` is None too for another network, which has thresholds and a drift reference of its own. ``note`` says
    what else a reader must know.
    """

    name: str
    what: str
    accuracy: Estimate
    speed: Speed
    size_bytes: int
    paired: PairedTest | None = None
    shift: OutputShift | None = None
    note: str = ""

    @property
    def verdict(self) -> VariantVerdict | None:
        """What the paired interval shows; None for fp32 itself."""
        if self.paired is None:
            return None
        return verdict_of(self.paired)

    @property
    def refusal(self) -> str:
        """Why the variant is not exported; empty if it may be."""
        if self.paired is not None and (lost := drop_refusal(self.paired)):
            return lost
        return self.shift.refusal if self.shift is not None else ""

    def to_json(self) -> dict[str, Any]:
        """Return the row by name, with the verdict and the reason of a refusal."""
        shift = self.shift
        return {
            "name": self.name,
            "what": self.what,
            "accuracy": self.accuracy.to_json(),
            "p50_ms": round(self.speed.p50_ms, 3),
            "p95_ms": round(self.speed.p95_ms, 3),
            "size_bytes": self.size_bytes,
            "paired": self.paired.to_json() if self.paired else None,
            "verdict": self.verdict,
            "refusal": self.refusal,
            "shift": {name: getattr(shift, name) for name in OutputShift.__slots__} if shift else None,
            "note": self.note,
        }


def verdict_of(paired: PairedTest) -> VariantVerdict:
    """Return what the paired interval of a variant minus fp32 shows."""
    found = paired.difference
    if found.value < -MAX_DROP or found.high < -MAX_DROP:
        return VariantVerdict.INFERIOR
    return VariantVerdict.NON_INFERIOR if found.low >= -MAX_DROP else VariantVerdict.UNDECIDED


def drop_refusal(paired: PairedTest) -> str:
    """Return why a variant is refused for its accuracy; empty if it isn't."""
    if verdict_of(paired) is not VariantVerdict.INFERIOR:
        return ""
    found = paired.difference
    return (
        f"its accuracy changes by {100 * found.value:+.1f} points ({100 * found.low:+.1f} to "
        f"{100 * found.high:+.1f}) on {found.n} photos, allowed are {-100 * MAX_DROP:+.0f}"
    )


def compare_variant(own: Predictions, other: Predictions | None = None) -> tuple[Estimate, PairedTest | None]:
    """Return the accuracy of predictions with its interval, and the paired test against those of fp32, if given.

    Raises:
        DataError: no photos, or the two are not of the same photos.
    """
    if not len(own):
        raise DataError("Expected held-out photos to compare variants on, got none.")
    accuracy = estimate_proportion(own.predicted() == own.labels, own.group_numbers())
    return accuracy, None if other is None else paired_test(own, other)


def output_shift(
    expected: Mapping[str, np.ndarray[Any, Any]], got: Mapping[str, np.ndarray[Any, Any]], *, drift: str
) -> OutputShift:
    """Return how far outputs by name, each [N, ...], are from the expected ones for the same photos."""
    before, after = softmax(expected[LOGITS].astype(np.float64)), softmax(got[LOGITS].astype(np.float64))
    return OutputShift(
        photos=len(before),
        embedding=relative_deviation(expected[EMBEDDING], got[EMBEDDING]),
        residual=relative_deviation(expected[RESIDUAL], got[RESIDUAL]),
        probabilities=float(np.abs(after - before).max(axis=1).mean()),
        drift=drift,
    )

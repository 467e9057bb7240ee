"""Promotion report with one passed and one failed check, and JSON values as tests write them out."""

from typing import Any

from petmood.data.index import Split
from petmood.evaluation.bootstrap import Estimate
from petmood.promotion.compare import BundleInfo
from petmood.promotion.records import Check, HeldOut, PromotionReport, SliceComparison

ALL = SliceComparison("all photos", 0.9, 0.7, Estimate(0.2, 0.1, 0.3, 120))
SAD = SliceComparison("sad", 0.5, 0.8, Estimate(-0.3, -0.62, -0.1, 30))
REPORT = PromotionReport(
    candidate=BundleInfo("new", "abc123", "a" * 64, "d" * 64, 2_000_000),
    champion=BundleInfo("old", "def456", "b" * 64, "e" * 64, 1_000_000),
    held_out=HeldOut("f" * 64, Split.TEST, {"happy": 90, "sad": 30}, 110, 7, test_set="e" * 64),
    limits={"criterion": "superior", "max_class_drop": 0.15},
    checks=(
        Check("superiority", True, "+20.0 points", "interval above 0", "It is better.", {"p_value": 0.001}, (ALL,)),
        Check("per_class_recall", False, "sad -30.0", "none below", "Found more seldom: sad.", parts=(SAD,)),
    ),
    notes=("Can't tell what old learned from.",),
    created="2026-01-01T00:00:00Z",
)


def rounded(value: Any, *, digits: int = 4) -> Any:  # noqa: ANN401 - any JSON value
    """Return a JSON value whose numbers with a fraction are rounded."""
    if isinstance(value, dict):
        return {name: rounded(one, digits=digits) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one, digits=digits) for one in value]
    return round(float(value), digits) + 0.0 if isinstance(value, float) else value

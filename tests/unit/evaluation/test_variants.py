"""Tests of the comparison of variants: verdicts by the paired interval, moved outputs, speed in words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.evaluation.bootstrap import Estimate
from petmood.evaluation.paired import PairedTest
from petmood.evaluation.variants import OutputShift, Speed, VariantResult, VariantVerdict, compare_variant, output_shift
from tests.support.variants import scored

SHIFT = OutputShift(100, embedding=0.2, residual=0.3, probabilities=0.03, drift="ok")


def result(value: float, low: float, high: float, **changes: object) -> VariantResult:
    """Return a row with a difference."""
    difference = Estimate(value, low, high, n=500)
    paired = PairedTest("accuracy", 0.9 + value, 0.9, difference, p_value=0.5, groups=400)
    row = VariantResult("int8", "integers", difference, Speed(2.0, 3.0), 100, paired=paired, shift=SHIFT)
    return replace(row, **changes)  # type: ignore[arg-type] # any field of the record


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.0, -0.01, 0.01), VariantVerdict.NON_INFERIOR),
        ((0.002, -0.02, 0.03), VariantVerdict.UNDECIDED),
        ((-0.01, -0.04, 0.02), VariantVerdict.UNDECIDED),
        ((-0.011, -0.04, 0.02), VariantVerdict.INFERIOR),
        ((-0.05, -0.08, -0.02), VariantVerdict.INFERIOR),
    ],
)
def test_a_drop_over_one_point_is_inferior_and_few_photos_leave_it_undecided(
    interval: tuple[float, float, float], verdict: VariantVerdict
) -> None:
    row = result(*interval)
    assert row.verdict is verdict
    assert bool(row.refusal) is (verdict is VariantVerdict.INFERIOR)


def test_a_refusal_says_the_difference_with_its_interval_and_what_is_allowed() -> None:
    expected = "its accuracy changes by -5.0 points (-8.0 to -2.0) on 500 photos, allowed are -1"
    assert result(-0.05, -0.08, -0.02).refusal == expected


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"embedding": 0.51}, "its embedding deviates by 0.51 of its spread, allowed are 0.5"),
        ({"residual": float("inf")}, "its residual norm deviates by inf of its spread"),
        ({"probabilities": 0.11}, "its probabilities change by 11.0% on average, allowed are 10%"),
        ({"drift": "drift"}, "the drift test finds a change from the outputs of fp32"),
    ],
)
def test_outputs_that_moved_too_far_are_refused_at_any_accuracy(changes: dict[str, Any], told: str) -> None:
    row = result(0.0, -0.005, 0.005, shift=replace(SHIFT, **changes))
    assert row.verdict is VariantVerdict.NON_INFERIOR
    assert told in row.refusal


def test_fp32_has_no_verdict() -> None:
    row = VariantResult("fp32", "float", Estimate(0.9, 0.8, 0.95, n=50), Speed(3.0, 4.0), 400)
    assert (row.verdict, row.refusal) == (None, "")
    assert row.to_json()["shift"] is None


def test_a_row_is_json_with_verdict_and_shift() -> None:
    found = result(-0.05, -0.08, -0.02).to_json()
    assert (found["verdict"], found["shift"]["embedding"], found["size_bytes"]) == ("inferior", 0.2, 100)


def test_the_difference_is_paired_by_groups() -> None:
    groups = [f"g{number // 4}" for number in range(200)]
    own = scored([True] * 200, groups=groups)
    worse = scored([number >= 8 for number in range(200)], groups=groups)
    (_, none), (accuracy, paired) = compare_variant(own), compare_variant(worse, own)
    assert none is None
    assert paired is not None
    assert (accuracy.value, paired.groups) == (0.96, 50)
    assert paired.difference.value == pytest.approx(-0.04)


def test_no_photos_are_one_line() -> None:
    with pytest.raises(DataError, match="Expected held-out photos to compare variants on, got none"):
        compare_variant(scored([]))


@pytest.mark.parametrize(
    ("own", "told"), [(4.0, "2.00 times as fast as fp32"), (1.0, "slower than fp32: it takes 2.00 times as long")]
)
def test_speed_is_told_in_words(own: float, told: str) -> None:
    assert Speed(2.0, 3.0).beside(Speed(own, 5.0)) == told


def test_speed_is_the_median_and_the_95th_percentile_in_milliseconds() -> None:
    found = Speed.of([0.001 * number for number in range(1, 102)])
    assert found.p50_ms == pytest.approx(51)
    assert found.p95_ms == pytest.approx(96)


def test_the_shift_of_outputs_is_relative_to_their_spread() -> None:
    rng = np.random.default_rng(0)
    own = {
        "logits": rng.normal(0, 1, (300, 3)),
        "embedding": rng.normal(5, 2, (300, 8)),
        "residual": rng.normal(9, 1, 300),
    }
    moved = output_shift(own, {**own, "embedding": own["embedding"] + 0.2}, drift="ok")
    assert (moved.photos, moved.residual, moved.probabilities) == (300, 0, 0)
    assert moved.embedding == pytest.approx(0.1, rel=0.1)
    flipped = output_shift(own, {**own, "logits": -own["logits"]}, drift="ok")
    assert flipped.probabilities > 0.3

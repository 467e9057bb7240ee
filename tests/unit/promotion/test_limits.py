"""Tests of the limits of promotion."""

import math
import re
from dataclasses import fields
from typing import Any

import pytest

from petmood.core.errors import ConfigError
from petmood.promotion.limits import Criterion, PromotionLimits


@pytest.mark.parametrize(
    "wrong", [{"criterion": "luckier"}, {"margin": -0.1}, {"max_ece": math.nan}, {"max_size_ratio": math.inf}]
)
def test_limits_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    ((name, value),) = wrong.items()
    said = (
        f"Expected a finite promotion limit {name} of 0 or more, got {value}."
        if name != "criterion"
        else "Unknown promotion limit criterion='luckier'. Known: superior, non_inferior."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        PromotionLimits(**wrong)


def test_limits_are_all_in_the_report() -> None:
    assert set(PromotionLimits().to_json()) == {field.name for field in fields(PromotionLimits)}


def test_an_unknown_criterion_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"criterion='better'\. Known: superior, non_inferior\."):
        PromotionLimits(criterion="better")  # type: ignore[arg-type]  # what a person may type


def test_the_limits_without_settings_and_limits_of_0() -> None:
    assert PromotionLimits().to_json() == {
        "criterion": "superior",
        "margin": 0.02,
        "max_class_drop": 0.5,
        "max_nll_increase": 0.02,
        "max_corrupted_drop": 0.15,
        "max_latency_ratio": 1.5,
        "max_size_ratio": 3.0,
        "max_latency_ms": 250.0,
        "max_size_mb": 500.0,
        "max_ece": 0.2,
        "max_uncorrected_uses": 5,
        "min_non_pets_refused": 0.95,
        "max_false_alarms": 0.05,
        "min_photos": 20,
        "min_groups": 10,
    }
    assert PromotionLimits(margin=0.0, min_photos=0).to_json()["margin"] == 0.0


def test_a_criterion_that_was_typed_is_one_of_the_known() -> None:
    typed = PromotionLimits(criterion="non_inferior")  # type: ignore[arg-type]  # what a person may type
    assert typed.criterion is Criterion.NON_INFERIOR


def test_the_error_is_divided_from_the_first_comparison_after_the_uncorrected_ones() -> None:
    limits = PromotionLimits(max_uncorrected_uses=2)
    found = [limits.confidence(earlier_uses=uses) for uses in range(4)]
    assert found == pytest.approx([0.95, 0.95, 1 - 0.05 / 3, 1 - 0.05 / 4])

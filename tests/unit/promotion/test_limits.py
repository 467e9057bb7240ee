"""Tests of the limits of promotion."""

import math
from dataclasses import fields
from typing import Any

import pytest

from petmood.core.errors import ConfigError
from petmood.promotion.limits import PromotionLimits


@pytest.mark.parametrize(
    "wrong", [{"criterion": "luckier"}, {"margin": -0.1}, {"max_ece": math.nan}, {"max_size_ratio": math.inf}]
)
def test_limits_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PromotionLimits(**wrong)


def test_limits_are_all_in_the_report() -> None:
    assert set(PromotionLimits().to_json()) == {field.name for field in fields(PromotionLimits)}


def test_an_unknown_criterion_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"criterion='better'\. Known: superior, non_inferior\."):
        PromotionLimits(criterion="better")  # type: ignore[arg-type]  # what a person may type

"""Tests of the rule that tells whether a photo is of the kind that a model was trained on."""

import math

import pytest
from pydantic import ValidationError

from petmood.core.domain import NO_ANIMAL, UNFAMILIAR, DomainRule, DomainScores

RULE = DomainRule(features="efficientnet_lite0", animal_threshold=0.9, target_false_alarms=0.02)


@pytest.mark.parametrize(
    ("novelty", "animal", "warning"),
    [
        (0.3, 0.99, None),
        (1.0, 0.9, None),
        (1.0001, 0.99, UNFAMILIAR),
        (0.3, 0.8999, NO_ANIMAL),
        (3.0, 0.1, NO_ANIMAL),
        (0.3, None, NO_ANIMAL),
        (math.nan, 0.99, UNFAMILIAR),
        (0.3, math.nan, NO_ANIMAL),
        (math.inf, 0.99, UNFAMILIAR),
    ],
)
def test_a_photo_is_out_of_the_domain_below_the_animal_score_or_above_the_novelty(
    novelty: float, animal: float | None, warning: str | None
) -> None:
    assert RULE.warning(DomainScores(novelty, animal)) == warning


def test_without_an_animal_threshold_only_the_novelty_decides() -> None:
    rule = DomainRule(features="hog", target_false_alarms=0.05)
    found = [rule.warning(DomainScores(novelty, animal)) for novelty, animal in ((0.5, 0.0), (0.5, None), (1.5, 0.99))]
    assert found == [None, None, UNFAMILIAR]


def test_a_threshold_of_zero_accepts_every_animal_score() -> None:
    rule = DomainRule(features="hog", animal_threshold=0.0, target_false_alarms=0.05)
    assert [rule.warning(DomainScores(0.5, animal)) for animal in (0.0, None, 1.0)] == [None, None, None]


@pytest.mark.parametrize(
    "change",
    [
        {"animal_threshold": 1.1},
        {"animal_threshold": -0.1},
        {"target_false_alarms": 0},
        {"target_false_alarms": 1},
        {"novelty_limit": 1},
    ],
    ids=str,
)
def test_limits_out_of_range_and_unknown_fields_are_refused(change: dict[str, float]) -> None:
    fields = {"features": "hog", "animal_threshold": 0.9, "target_false_alarms": 0.02}
    with pytest.raises(ValidationError, match=next(iter(change))):
        DomainRule.model_validate(fields | change)

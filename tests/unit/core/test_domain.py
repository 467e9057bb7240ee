"""Tests of the rule that tells whether a photo is of the kind that a model was trained on."""

import math

import pytest
from pydantic import ValidationError

from petmood.core.domain import NO_ANIMAL, UNFAMILIAR, DomainRule, DomainScores, SceneWarning

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


SCENES = RULE.model_copy(update={"scene_warnings": ("two_pets", "face_unclear")})


@pytest.mark.parametrize(
    ("novelty", "animal", "scores", "found"),
    [
        (0.3, 0.99, {"two_pets": 0.01, "face_unclear": -0.2}, ("two_pets",)),
        (0.3, 0.99, {"two_pets": -0.01, "face_unclear": 0.2}, ("face_unclear",)),
        (0.3, 0.99, {"two_pets": 0.5, "face_unclear": 0.2}, ("two_pets", "face_unclear")),
        (0.3, 0.99, {"two_pets": 0.0, "face_unclear": -1.0}, ()),
        (1.5, 0.99, {"two_pets": -0.1, "face_unclear": 0.2}, ("face_unclear",)),
        (0.3, 0.1, {"two_pets": 0.5, "face_unclear": 0.2}, ()),
        (0.3, 0.99, {"two_pets": math.nan, "face_unclear": math.nan}, ()),
        (0.3, 0.99, {}, ()),
    ],
    ids=str,
)
def test_scores_above_0_are_warned_of_unless_there_is_no_animal(
    novelty: float, animal: float, scores: dict[SceneWarning, float], found: tuple[str, ...]
) -> None:
    assert SCENES.scenes(DomainScores(novelty, animal, scores)) == found


def test_a_rule_warns_only_of_its_own_scenes_and_names_its_outputs() -> None:
    given = DomainScores(0.3, 0.99, {"two_pets": 0.5, "face_unclear": 0.2})
    only = RULE.model_copy(update={"scene_warnings": ("face_unclear",)})
    assert [rule.scenes(given) for rule in (RULE, only)] == [(), ("face_unclear",)]
    assert [rule.outputs for rule in (RULE, only, SCENES)] == [
        ("novelty", "animal"),
        ("novelty", "animal", "face_unclear"),
        ("novelty", "animal", "two_pets", "face_unclear"),
    ]


def test_a_rule_without_scene_warnings_is_stored_as_before_there_were_any() -> None:
    old = {"features": "efficientnet_lite0", "animal_threshold": 0.9, "target_false_alarms": 0.02}
    assert RULE.model_dump(mode="json") == old
    assert DomainRule.model_validate(old) == RULE
    assert SCENES.model_dump(mode="json") == {**old, "scene_warnings": ["two_pets", "face_unclear"]}


@pytest.mark.parametrize(
    "change",
    [
        {"scene_warnings": ("three_pets",)},
        {"animal_threshold": 1.1},
        {"animal_threshold": -0.1},
        {"target_false_alarms": 0},
        {"target_false_alarms": 1},
        {"novelty_limit": 1},
    ],
    ids=str,
)
def test_limits_out_of_range_and_unknown_names_are_refused(change: dict[str, object]) -> None:
    fields = {"features": "hog", "animal_threshold": 0.9, "target_false_alarms": 0.02}
    with pytest.raises(ValidationError, match=next(iter(change))):
        DomainRule.model_validate(fields | change)

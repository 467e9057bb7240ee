"""Tests of the check of probabilities: equal models pass, doubled logits don't."""

from dataclasses import replace

import numpy as np
import pytest

from petmood.promotion.calibration import calibration_error, check_calibration, overconfidence
from petmood.promotion.limits import PromotionLimits
from tests.support.model_pairs import ABOUT_75, ABOUT_90, pair_of_models
from tests.support.right_answers import answers, shares


def refused(photos: int, *, skill: float, pairs: int, sharpness: float = 1.0) -> int:
    made = (pair_of_models(seed, photos, skill=skill, sharpness=sharpness, corruptions=()) for seed in range(pairs))
    return sum(not check_calibration(new.clean, old.clean, PromotionLimits()).passed for new, old in made)


@pytest.mark.parametrize("skill", [ABOUT_75, ABOUT_90])
def test_equal_models_are_seldom_refused(skill: float) -> None:
    """At most 5% may be: 9 of 60 draws would be three and a half standard deviations above that."""
    assert refused(108, skill=skill, pairs=60) <= 8


def test_doubled_logits_are_refused() -> None:
    """80% are demanded of 108 photos: 21 of 30 draws are one and a half standard deviations below that."""
    assert refused(108, skill=ABOUT_75, pairs=30, sharpness=2.0) >= 22


def test_halved_logits_are_refused_as_underconfident() -> None:
    new, old = pair_of_models(0, 330, skill=ABOUT_75, sharpness=0.4, corruptions=())
    check = check_calibration(new.clean, old.clean, PromotionLimits())
    assert not check.passed
    assert "more underconfident than the champion's" in check.sentence


def test_overconfidence_is_the_mean_logit_minus_that_of_the_true_class() -> None:
    """Logits 0, 0, 0 and log 3: probabilities 1/6, 1/6, 1/6, 1/2, so the mean logit is log 3 / 2."""
    scored = answers(np.ones(4, bool))
    logits = np.tile([0.0, 0.0, 0.0, np.log(3)], (4, 1))
    found = overconfidence(replace(scored, logits=logits))
    assert found == pytest.approx([np.log(3) / 2] * 3 + [-np.log(3) / 2])


def test_what_few_photos_can_not_decide_is_said() -> None:
    new, old = (one.clean for one in pair_of_models(0, 36, skill=ABOUT_75, corruptions=()))
    check = check_calibration(new, old, PromotionLimits())
    assert check.numbers["smallest_shown"] > 0.1
    said = f"With 36 groups, a difference in overconfidence of less than {check.numbers['smallest_shown']:.2f} can't be"
    assert said in check.sentence


def test_the_calibration_error_is_that_of_all_photos() -> None:
    assert calibration_error(answers(shares(200, 0.9))) == pytest.approx(0, abs=0.02)

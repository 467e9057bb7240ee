"""Tests of the check of every class's recall, with examples computed by hand."""

import numpy as np
import pytest
from scipy import stats

from petmood.promotion.class_recall import check_class_recall, holm_rejections, loss_p_value, smallest_shown_loss
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check
from tests.support.model_pairs import ABOUT_75, pair_of_models
from tests.support.right_answers import answers


def lost(**photos: int) -> Check:
    """Check a candidate that lost this many of 28 photos of a class, and won none, against a perfect champion."""
    right = np.ones(112, bool)
    for number, label in enumerate(("angry", "happy", "other", "sad")):
        right[number : 4 * photos.get(label, 0) : 4] = False
    return check_class_recall(answers(right), answers(np.ones(112, bool)), PromotionLimits())


def test_a_class_that_lost_seven_of_28_photos_is_refused_and_six_are_chance() -> None:
    """Without a win the sign test gives 1/128 and 1/64. Holm's first level for four classes is 0.05 / 4 = 0.0125."""
    seven, six = lost(sad=7), lost(sad=6)
    assert (seven.passed, seven.numbers["p_value_sad"]) == (False, 1 / 128)
    assert seven.sentence.startswith("Lower recall: sad by 25.0 points (100.0% to 75.0%).")
    assert (six.passed, six.numbers["p_value_sad"], six.numbers["p_value_angry"]) == (True, 1 / 64, 1.0)


def test_the_second_class_is_held_to_the_next_level() -> None:
    """1/64 = 0.0156 is above 0.05 / 4, and below 0.05 / 3: it counts beside a class with 1/128."""
    both = lost(sad=7, happy=6)
    assert "happy by" in both.sentence
    assert "sad by" in both.sentence
    assert lost(angry=6, sad=6).passed


def test_a_large_drop_is_refused_even_if_it_is_not_significant() -> None:
    """Three of a class's four photos: 1/8 is not significant, but 75 points are more than 50."""
    labels = np.where(np.arange(120) < 4, 3, np.arange(120) % 3)
    champion = answers(np.ones(120, bool), labels=labels)
    for count, passed in ((3, False), (2, True)):
        candidate = answers(np.arange(120) >= count, labels=labels)
        check = check_class_recall(candidate, champion, PromotionLimits())
        assert check.passed is passed
        assert check.numbers["p_value_sad"] == 0.5**count


def test_holm_stops_at_the_first_that_is_not_rejected() -> None:
    """Levels 0.0125, 0.0167, 0.025 and 0.05 in the order of the p-values."""
    p_values = {"a": 0.02, "b": 0.01, "c": 0.03, "d": 0.04}
    assert holm_rejections(p_values, level=0.05) == {"b"}
    assert holm_rejections({"a": 0.016, "b": 0.01, "c": 0.02, "d": 0.9}, level=0.05) == {"a", "b", "c"}
    assert holm_rejections({}, level=0.05) == frozenset()


def test_the_p_value_is_that_of_the_sign_test_and_of_sign_flips() -> None:
    assert loss_p_value(np.array([-1.0, -1, -1, 1, 0, 0])) == stats.binomtest(1, 4, alternative="less").pvalue == 5 / 16
    assert loss_p_value(np.array([1.0, 1, -1])) == 1.0
    assert loss_p_value(np.zeros(5)) == 1.0
    assert loss_p_value(np.array([-2.0, -1, 0])) == 1 / 4, "of four patterns of signs one is as low"


def test_what_few_photos_can_not_decide_is_said() -> None:
    """Seven losses are needed at 0.05 / 4, since 1/64 is above it: 7 of 9 are 78 points, and 7 of 28 are 25."""
    assert smallest_shown_loss(28, tests=4) == 0.25
    candidate, champion = (one.clean for one in pair_of_models(0, 36, skill=ABOUT_75))
    sentence = check_class_recall(candidate, champion, PromotionLimits()).sentence
    assert "With 9 groups of angry, a loss of less than 77.8 points can't be distinguished from chance." in sentence
    few, other = (one.take(range(20)) for one in (candidate, champion))
    assert "no loss of that class can be distinguished" in check_class_recall(few, other, PromotionLimits()).sentence


@pytest.mark.parametrize("photos", [108, 330])
def test_equal_models_are_seldom_refused(photos: int) -> None:
    """At most 5% may be: 12 of 120 draws would be two and a half standard deviations above that."""
    pairs = (pair_of_models(seed, photos, skill=ABOUT_75, shared=0.3, corruptions=()) for seed in range(120))
    refused = sum(not check_class_recall(new.clean, old.clean, PromotionLimits()).passed for new, old in pairs)
    assert refused <= 11

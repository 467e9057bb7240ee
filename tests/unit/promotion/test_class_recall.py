"""Tests of the check of every class's recall, with examples computed by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from petmood.promotion.class_recall import check_class_recall, holm_rejections, loss_p_value, smallest_shown_loss
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check
from tests.support.model_pairs import ABOUT_75, pair_of_models
from tests.support.promotion import rounded
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


def test_the_whole_record_of_a_lost_class_and_of_a_class_without_photos() -> None:
    """Of 12, 8 and 40 photos of angry, happy and other, 9, 3 and 2 are lost, and there are none of sad.

    The sign test has p = 1 / 2**9, 1/8 and 1/4. The intervals are the wider of Agresti and Min, such as
    (-3 + 1.96 * sqrt(4 - 9 / 10)) / 10 = 0.0451, and of the binomial distribution: 12 of 12, 6 of 8 and 5 of 40 lost.
    Three classes need ceil(log2(3 / 0.05)) = 6 losses.
    """
    labels = np.repeat([0, 1, 2], [12, 8, 40])
    old, new = np.ones(60, bool), np.ones(60, bool)
    old[20] = new[[*range(9), *range(12, 15), *range(20, 23)]] = False
    check = check_class_recall(answers(new, labels=labels), answers(old, labels=labels), PromotionLimits())
    assert rounded(check.to_json()) == {
        "name": "per_class_recall",
        "passed": False,
        "measured": "angry -75.0 points (-100.0 to -35.5)",
        "limit": "no significant loss, none of more than 50 points",
        "sentence": "Lower recall: angry by 75.0 points (100.0% to 25.0%). There are no photos of sad. "
        "With 8 groups of happy, a loss of less than 75.0 points can't be distinguished from chance.",
        "numbers": {
            "smallest_shown_loss": 0.75,
            "p_value_angry": 0.002,
            "p_value_happy": 0.125,
            "p_value_other": 0.25,
        },
        "parts": [
            {
                "name": "angry",
                "candidate": 0.25,
                "champion": 1.0,
                "difference": {"value": -0.75, "low": -1.0, "high": -0.3555, "n": 12},
            },
            {
                "name": "happy",
                "candidate": 0.625,
                "champion": 1.0,
                "difference": {"value": -0.375, "low": -0.75, "high": 0.0451, "n": 8},
            },
            {
                "name": "other",
                "candidate": 0.925,
                "champion": 0.975,
                "difference": {"value": -0.05, "low": -0.1272, "high": 0.0319, "n": 40},
            },
        ],
    }


def test_the_whole_record_of_one_class_that_few_photos_can_decide_about() -> None:
    """One class needs ceil(log2(1 / 0.05)) = 5 losses: 5 of 6 are 83.3 points."""
    labels = np.full(6, 2)
    candidate, champion = answers(np.arange(6) >= 3, labels=labels), answers(np.arange(6) >= 1, labels=labels)
    check = check_class_recall(candidate, champion, PromotionLimits(max_class_drop=0.4))
    assert rounded(check.to_json()) == {
        "name": "per_class_recall",
        "passed": True,
        "measured": "other -33.3 points (-83.3 to +13.7)",
        "limit": "no significant loss, none of more than 40 points",
        "sentence": "No class lost a significant amount of recall. There are no photos of angry, happy, sad. "
        "With 6 groups of other, a loss of less than 83.3 points can't be distinguished from chance.",
        "numbers": {"smallest_shown_loss": 0.8333, "p_value_other": 0.25},
        "parts": [
            {
                "name": "other",
                "candidate": 0.5,
                "champion": 0.8333,
                "difference": {"value": -0.3333, "low": -0.8333, "high": 0.1374, "n": 6},
            }
        ],
    }


def test_all_lost_classes_are_named() -> None:
    check = lost(sad=7, happy=14)
    assert check.sentence == (
        "Lower recall: happy by 50.0 points (100.0% to 50.0%); sad by 25.0 points (100.0% to 75.0%). "
        "With 28 groups of angry, a loss of less than 25.0 points can't be distinguished from chance."
    )
    assert check.measured.startswith("happy -50.0 points (")


@pytest.mark.parametrize(("count", "passed"), [(6, True), (4, True), (3, False)])
def test_a_drop_of_exactly_the_limit_is_no_large_one(count: int, passed: bool) -> None:
    """3 of 6 lost are the allowed 50 points, 2 of 4 as well (of two groups); 3 of 3 are more, and three groups."""
    labels = np.where(np.arange(120) < count, 3, np.arange(120) % 3)
    lost_photos = 3 if count != 4 else 2
    candidate = answers(np.arange(120) >= lost_photos, labels=labels)
    check = check_class_recall(candidate, answers(np.ones(120, bool), labels=labels), PromotionLimits())
    assert check.passed is passed


@pytest.mark.parametrize(("photos", "passed"), [(5, True), (6, False)])
def test_a_large_drop_counts_from_more_than_two_and_a_half_groups_on(photos: int, passed: bool) -> None:
    """4 groups of 2 photos: 5 photos lost are 2.5 groups, 6 are 3. The p-values, 1/8, are not significant."""
    labels = np.where(np.arange(120) < 8, 3, np.arange(120) % 3)
    candidate = answers(np.arange(120) >= photos, labels=labels, group_size=2)
    champion = answers(np.ones(120, bool), labels=labels, group_size=2)
    check = check_class_recall(candidate, champion, PromotionLimits())
    assert (check.passed, check.numbers["p_value_sad"]) == (passed, 1 / 8)


def test_the_loss_of_all_groups_of_a_class_is_the_smallest_that_seven_groups_can_show() -> None:
    """Four classes need seven losses: 7 of 7 are 100 points, and 7 of 6 can't be lost."""
    for photos, said in (
        (28, "With 7 groups of angry, a loss of less than 100.0 points can't be distinguished from chance."),
        (24, "With 6 groups of angry, no loss of that class can be distinguished from chance."),
    ):
        same = answers(np.ones(photos, bool))
        sentence = check_class_recall(same, same, PromotionLimits()).sentence
        assert sentence == f"No class lost a significant amount of recall. {said}"


def test_a_p_value_at_holms_level_is_rejected() -> None:
    assert holm_rejections({"a": 0.5, "b": 0.25}, level=0.5) == {"a", "b"}


def test_the_p_value_of_unequal_amounts_is_that_of_all_patterns_of_signs() -> None:
    """Of the 16 patterns of 2, 1, 1 and 1, four have a total of -3 or less. A total of 0 is no loss."""
    assert loss_p_value(np.array([-2.0, -1, -1, 1])) == 4 / 16
    assert loss_p_value(np.array([-1.0, 1])) == 1.0
    assert loss_p_value(np.array([-3.0, 1, 1])) == 4 / 8, "-5, twice -3, and -1"


def test_the_p_value_of_many_groups_is_drawn_reproducibly() -> None:
    """16 groups have 65,536 patterns of signs. 10,000 are drawn: the standard error of the exact share is 0.002."""
    sums = np.array([-2.0] * 4 + [-1.0] * 7 + [1.0] * 5)
    totals = np.array([np.dot(signs, np.abs(sums)) for signs in itertools.product((-1, 1), repeat=16)])
    found = loss_p_value(sums)
    assert found == pytest.approx((totals <= -10).mean(), abs=0.004)
    assert found == loss_p_value(sums)
    assert found == pytest.approx(0.0447455, abs=1e-6)


@pytest.mark.parametrize("photos", [108, 330])
def test_equal_models_are_seldom_refused(photos: int) -> None:
    """At most 5% may be: 12 of 120 draws would be two and a half standard deviations above that."""
    pairs = (pair_of_models(seed, photos, skill=ABOUT_75, shared=0.3, corruptions=()) for seed in range(120))
    refused = sum(not check_class_recall(new.clean, old.clean, PromotionLimits()).passed for new, old in pairs)
    assert refused <= 11

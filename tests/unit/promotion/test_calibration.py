"""Tests of the check of probabilities: equal models pass, doubled logits don't."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from petmood.evaluation.metrics import per_sample_nll
from petmood.evaluation.predictions import Predictions
from petmood.promotion.calibration import (
    calibration_error,
    check_calibration,
    check_first_calibration,
    overconfidence,
    removable_nll,
)
from petmood.promotion.limits import PromotionLimits
from tests.support.model_pairs import ABOUT_75, ABOUT_90, pair_of_models
from tests.support.right_answers import answers, shares


def refused(photos: int, *, skill: float, pairs: int, sharpness: tuple[float, float] = (1.0, 1.0)) -> int:
    new, old = sharpness
    made = (
        pair_of_models(seed, photos, skill=skill, sharpness=new, champion_sharpness=old, corruptions=())
        for seed in range(pairs)
    )
    return sum(not check_calibration(new.clean, old.clean, PromotionLimits()).passed for new, old in made)


@pytest.mark.parametrize("skill", [ABOUT_75, ABOUT_90])
def test_equal_models_are_seldom_refused(skill: float) -> None:
    """At most 5% may be: 9 of 60 draws would be three and a half standard deviations above that."""
    assert refused(108, skill=skill, pairs=60) <= 8


@pytest.mark.parametrize("sharpness", [2.0, 0.5])
def test_equally_miscalibrated_models_are_seldom_refused(sharpness: float) -> None:
    """At 15%, as many as of a calibrated champion, 15 of 100 would be."""
    assert refused(108, skill=ABOUT_75, pairs=100, sharpness=(sharpness, sharpness)) <= 8


def test_doubled_logits_are_refused() -> None:
    """80% are demanded of 108 photos: 21 of 30 draws are one and a half standard deviations below that."""
    assert refused(108, skill=ABOUT_75, pairs=30, sharpness=(2.0, 1.0)) >= 22


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
    assert check.numbers["smallest_shown"] > 0.05
    said = f"With 36 groups, a difference in overconfidence of less than {check.numbers['smallest_shown']:.2f} can't be"
    assert said in check.sentence


def test_the_calibration_error_is_that_of_all_photos() -> None:
    assert calibration_error(answers(shares(200, 0.9))) == pytest.approx(0, abs=0.02)


def of_40(wrong: int, *, factor: float = 1.0) -> Predictions:
    """Return 40 predictions, the first ones wrong, with logits that are multiplied by a factor."""
    scored = answers(np.arange(40) >= wrong)
    return replace(scored, logits=scored.logits * factor)


def check_of(candidate: Predictions, champion: Predictions, *, least: float = 0.02) -> tuple[bool, str]:
    """Return whether the check passed, and the verdict in its sentence."""
    check = check_calibration(candidate, champion, PromotionLimits(max_nll_increase=least))
    return check.passed, check.sentence.split(" the champion's")[0]


def test_the_numbers_are_those_of_the_paired_t_test() -> None:
    candidate, champion = of_40(4, factor=2.0), of_40(12)
    pair = overconfidence(candidate), overconfidence(champion)
    nll = [per_sample_nll(one.probabilities(), one.labels) for one in (candidate, champion)]
    apart, losses = stats.ttest_rel(*pair), stats.ttest_rel(*nll).confidence_interval(0.95)
    check = check_calibration(candidate, champion, PromotionLimits())
    assert check.numbers == pytest.approx(
        {
            "overconfidence": pair[0].mean() - pair[1].mean(),
            "excess": pair[0].mean() - pair[1].mean(),
            "smallest_shown": stats.t.ppf(0.86, 39) * (pair[0] - pair[1]).std(ddof=1) / math.sqrt(40),
            "own_overconfidence": pair[0].mean(),
            "nll": nll[0].mean() - nll[1].mean(),
            "nll_low": losses.low,
            "nll_high": losses.high,
            "ece": calibration_error(candidate) - calibration_error(champion),
            "removable_nll": (removable_nll(candidate) - removable_nll(champion)).mean(),
        }
    )
    assert (check.name, check.passed, check.parts) == ("calibration", False, ())
    assert check.limit == "no significant difference of more than 0.02"
    ends = apart.confidence_interval(0.95)
    assert (round(ends.low, 3), round(ends.high, 3)) == (0.080, 1.185)
    measured = (
        "overconfidence +0.632 (+0.080 to +1.185), negative log likelihood -0.277 (-0.830 to +0.275), "
        "removable by a temperature +0.228 (-0.086 to +0.543), calibration error +9.6 points"
    )
    assert check.measured == measured
    assert check.sentence == (
        f"The probabilities are more overconfident than the champion's: {measured}. With 40 groups, a difference in "
        "overconfidence of less than 0.30 can't be distinguished from chance."
    )


def test_photos_of_one_group_count_together() -> None:
    """With groups of equal size the error is that of the groups' means."""
    candidate, champion = (answers(np.arange(40) % 10 >= wrong, group_size=4) for wrong in (1, 3))
    apart = overconfidence(candidate) - overconfidence(champion)
    check = check_calibration(candidate, champion, PromotionLimits())
    reach = stats.t.ppf(0.86, 9) * stats.sem(apart.reshape(10, 4).mean(axis=1))
    assert check.numbers["smallest_shown"] == pytest.approx(reach)
    assert "With 10 groups, a difference" in check.sentence


def test_two_groups_leave_one_degree_of_freedom_and_one_group_decides_nothing() -> None:
    """The quantile of t with one degree of freedom at 86% is tan(0.36 * pi) = 2.1251."""
    new, old = (answers(np.arange(4) > wrong, group_size=2) for wrong in (0, 2))
    apart = overconfidence(new) - overconfidence(old)
    means = apart.reshape(2, 2).mean(axis=1)
    check = check_calibration(new, old, PromotionLimits())
    assert check.numbers["smallest_shown"] == pytest.approx(math.tan(0.36 * math.pi) * abs(means[0] - means[1]) / 2)
    new, old = (answers(np.arange(4) > wrong, group_size=4) for wrong in (0, 2))
    check = check_calibration(new, old, PromotionLimits())
    assert check.passed
    assert math.isinf(check.numbers["smallest_shown"])
    assert check.sentence.endswith(" With one group, no difference in overconfidence can be distinguished from chance.")


@pytest.mark.parametrize(
    ("candidate", "champion", "found"),
    [
        pytest.param(of_40(4, factor=2.0), of_40(12), (False, "more overconfident than"), id="over"),
        pytest.param(of_40(4, factor=0.3), of_40(12), (False, "more underconfident than"), id="under"),
        # With probabilities of 0.5 for the right half, the candidate is calibrated, but of lower accuracy.
        pytest.param(of_40(20, factor=1 / 3), of_40(4), (False, "significantly worse than"), id="nll"),
        pytest.param(of_40(2, factor=0.4), of_40(12), (True, "not significantly worse than"), id="under, lower NLL"),
        pytest.param(of_40(4, factor=0.02), of_40(5), (False, "more underconfident than"), id="almost uniform"),
        pytest.param(
            of_40(4, factor=0.02), of_40(12, factor=2.0), (False, "more underconfident than"), id="uniform beside over"
        ),
        pytest.param(of_40(12), of_40(12, factor=0.3), (True, "not significantly worse than"), id="own is 0"),
        pytest.param(of_40(12), of_40(12, factor=3.0), (True, "not significantly worse than"), id="own is 0, too"),
        pytest.param(of_40(12, factor=2.0), of_40(12, factor=2.0), (True, "not significantly worse than"), id="same"),
        pytest.param(
            of_40(4, factor=2.2), of_40(12, factor=2.0), (True, "not significantly worse than"), id="not apart"
        ),
        pytest.param(of_40(12, factor=0.3), of_40(12), (True, "not significantly worse than"), id="under, p = 0.03"),
        # Logits of 4.6 have p = 0.97, so overconfidence is 4.6 * (0.97 - 0.9) = 0.33; of 0.99 it is -0.42, of 7.3 0.71.
        pytest.param(of_40(4, factor=1.4), of_40(4, factor=0.3), (True, "not significantly worse than"), id="less off"),
        pytest.param(of_40(4, factor=0.3), of_40(4, factor=2.2), (True, "not significantly worse than"), id="less too"),
        pytest.param(
            of_40(4, factor=1.8), of_40(4, factor=0.3), (True, "not significantly worse than"), id="alike off"
        ),
        pytest.param(of_40(4, factor=5.0), of_40(4, factor=0.3), (False, "more overconfident than"), id="further off"),
        pytest.param(of_40(4, factor=0.0), of_40(0, factor=0.05), (False, "significantly worse than"), id="own 0"),
        pytest.param(of_40(4, factor=0.0), of_40(40, factor=-1.0), (True, "not significantly worse than"), id="better"),
    ],
)
def test_a_candidate_is_refused_for_a_difference_that_its_own_probabilities_show(
    candidate: Predictions, champion: Predictions, found: tuple[bool, str]
) -> None:
    passed, verdict = found
    assert check_of(candidate, champion) == (passed, f"The probabilities are {verdict}")


def test_a_difference_of_exactly_the_limit_passes() -> None:
    for candidate, champion, name in (
        (of_40(4, factor=2.0), of_40(12, factor=1.2), "overconfidence"),
        (of_40(4, factor=0.3), of_40(12, factor=0.8), "removable_nll"),
        (of_40(20, factor=1 / 3), of_40(4), "nll"),
    ):
        least = check_calibration(candidate, champion, PromotionLimits()).numbers[name]
        assert check_of(candidate, champion, least=least)[0]
        assert not check_of(candidate, champion, least=math.nextafter(least, 0))[0]


def test_the_calibration_error_is_the_distance_of_probability_and_accuracy() -> None:
    """Logits of log(27) and 0 give 90%; squared they give 729 / 732, so 4 wrong of 40 are 0.9 - 729 / 732 apart."""
    assert calibration_error(of_40(4)) == pytest.approx(0)
    assert calibration_error(of_40(4, factor=2.0)) == pytest.approx(729 / 732 - 0.9)


def test_a_calibrated_first_model_is_seldom_refused_for_few_photos() -> None:
    """Of 36 photos, at a limit of 0.2 alone, a fifth of the models of this skill would be."""
    made = [pair_of_models(seed, 36, skill=1.2, corruptions=())[0].clean for seed in range(60)]
    checks = [check_first_calibration(one, PromotionLimits()) for one in made]
    assert sum(check.numbers["ece"] > 0.2 for check in checks) >= 8
    assert sum(not check.passed for check in checks) <= 2


def test_an_overconfident_first_model_is_refused() -> None:
    made = (pair_of_models(seed, 108, skill=1.2, sharpness=4.0, corruptions=())[0].clean for seed in range(30))
    assert sum(not check_first_calibration(one, PromotionLimits()).passed for one in made) >= 24


def test_a_limit_below_what_chance_shows_is_not_applied() -> None:
    """Of 40 photos with one confidence of 0.9, at most 8 are wrong in 98.5% and at most 9 in 99.5% of all draws."""
    check = check_first_calibration(of_40(8), PromotionLimits(max_ece=0.0))
    assert check.passed
    assert check.numbers["ece"] == pytest.approx(0)
    limit = check.numbers["calibrated_ece"]
    assert check.limit == f"at most {limit:.1%}"
    assert check.sentence == (
        "The calibration error is 0.0 points; with these photos, calibrated models show up to "
        f"{100 * limit:.1f} points."
    )


def test_one_group_of_most_photos_does_not_excuse_any_error() -> None:
    """Photos of one group are right together: 91 of 100 in one group show up to 82 points by chance."""
    scored = answers(np.arange(100) % 10 < 5)
    together = ("together",) * 91 + tuple(map(str, range(9)))
    wrong = replace(scored, logits=scored.logits * 4, groups=together)
    check = check_first_calibration(wrong, PromotionLimits())
    assert check.numbers["calibrated_ece"] > 0.5 > check.numbers["ece"] > 0.35
    assert not check.passed
    assert check.limit == "at most 35.0%"


def test_beside_an_underconfident_champion_the_distance_from_0_is_named_and_shown() -> None:
    """Overconfidence of 0.33 and -0.42 has distances of 0.33 and 0.42 from 0."""
    new, old = of_40(4, factor=1.4), of_40(4, factor=0.3)
    pair = overconfidence(new).mean(), overconfidence(old).mean()
    check = check_calibration(new, old, PromotionLimits())
    assert check.numbers["overconfidence"] == pytest.approx(pair[0] - pair[1])
    assert check.numbers["excess"] == pytest.approx(abs(pair[0]) - abs(pair[1]))
    assert check.measured.startswith(f"distance of overconfidence from 0 {check.numbers['excess']:+.3f} (")
    assert "40 groups, a difference in distance of overconfidence from 0 of less than" in check.sentence
    same_side = check_calibration(of_40(4, factor=0.2), old, PromotionLimits())
    assert same_side.measured.startswith("overconfidence ")

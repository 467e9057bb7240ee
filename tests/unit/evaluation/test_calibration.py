"""Tests of temperature scaling and reliability curves."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from petmood.core.errors import DataError
from petmood.evaluation.calibration import TEMPERATURES, ReliabilityBin, calibrated_ece, fit_temperature, reliability
from petmood.evaluation.metrics import per_sample_nll
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.proportions import clopper_pearson_interval
from tests.support.evaluation import MakeScored


def true_answers(n: int, *, seed: int) -> Predictions:
    """Return photos whose labels follow the softmax of their logits, so that the best temperature is 1."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 3)) * 2
    labels = (logits + rng.gumbel(size=(n, 3))).argmax(axis=1)
    names = tuple(map(str, range(n)))
    blank = ("",) * n
    return Predictions(logits, labels, names, names, ("a", "b", "c"), blank, np.full((n, 2), 99), blank)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_temperature_undoes_a_known_overconfidence(factor: float) -> None:
    answers = true_answers(4000, seed=1)
    assert fit_temperature(replace(answers, logits=answers.logits * factor)) == pytest.approx(factor, rel=0.08)


def test_no_temperature_nearby_has_a_lower_loss(make_scored: MakeScored) -> None:
    scored = make_scored(500)
    best = fit_temperature(scored)

    def loss(temperature: float) -> float:
        return float(per_sample_nll(scored.probabilities(temperature=temperature), scored.labels).mean())

    assert loss(best) <= min(loss(best * 0.9), loss(best * 1.1), loss(1.0))


def test_a_network_that_is_always_right_is_not_made_confident_of_everything(make_scored: MakeScored) -> None:
    perfect = make_scored(20, skill=9.0)
    assert fit_temperature(perfect) > 3 * TEMPERATURES[0]


@pytest.mark.parametrize("gap", [0.5, 1.0, 1.5, 3.0, 5.0, 8.0])
def test_one_right_photo_is_weighed_against_a_standard_normal_prior_to_a_millionth(gap: float) -> None:
    """The loss of a photo with two classes is log(1 + exp(-x)), x = gap / T; its slope in log T is x / (1 + exp(x))."""

    def slope(log_temperature: float) -> float:
        x = gap * math.exp(-log_temperature)
        return x / (1 + math.exp(x)) + log_temperature

    one, blank = ("photo",), ("",)
    scored = Predictions(np.array([[gap, 0.0]]), np.array([0]), one, one, ("a", "b"), blank, np.full((1, 2), 99), blank)
    best = optimize.brentq(slope, *map(math.log, TEMPERATURES), xtol=1e-12)
    assert math.log(fit_temperature(scored)) == pytest.approx(best, abs=1e-6)


def test_the_bounds_hold(make_scored: MakeScored) -> None:
    assert fit_temperature(make_scored(300, skill=0.0), bounds=(0.5, 2.0)) == pytest.approx(2.0, abs=0.01)


def test_no_validation_photos_is_a_clear_error(make_scored: MakeScored) -> None:
    message = "Expected validation photos to fit a temperature on, got none. Give the data a valid split."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        fit_temperature(make_scored(0))


def test_the_reliability_curve_counts_every_photo_once_and_rises() -> None:
    answers = true_answers(2000, seed=2)
    points = reliability(answers)
    assert sum(point.n for point in points) == 2000
    assert [point.confidence for point in points] == sorted(point.confidence for point in points)
    assert all(point.low <= point.accuracy <= point.high for point in points)
    assert max(abs(point.accuracy - point.confidence) for point in points) < 0.08


def test_intervals_of_the_curve_count_groups(make_scored: MakeScored) -> None:
    scored = make_scored(8)
    one = reliability(replace(scored, groups=("same",) * 8), bins=1)[0]
    assert (one.low, one.high) == pytest.approx(clopper_pearson_interval(one.accuracy, 1))
    assert one.to_json()["n"] == 8


@pytest.mark.parametrize(("asked", "counts"), [({}, [20] * 10), ({"bins": 4}, [50] * 4)])
def test_the_curve_has_ten_bins_of_equal_mass_or_as_many_as_asked(asked: dict[str, int], counts: list[int]) -> None:
    assert [point.n for point in reliability(true_answers(200, seed=3), **asked)] == counts


def test_a_point_of_the_curve_is_the_mean_of_its_photos() -> None:
    logits = np.log([[0.7, 0.3], [0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
    names, blank = ("k", "l", "m", "n"), ("",) * 4
    scored = Predictions(logits, np.array([0, 0, 0, 1]), names, names, ("a", "b"), blank, np.full((4, 2), 99), blank)
    low, high = clopper_pearson_interval(3, 4)
    (point,) = reliability(scored)
    assert (point.confidence, point.accuracy, point.low, point.high) == pytest.approx((0.75, 0.75, low, high))
    assert point.n == 4


def test_a_point_as_json_has_all_fields() -> None:
    assert ReliabilityBin(confidence=0.7, accuracy=0.6, low=0.3, high=0.8, n=12).to_json() == {
        "confidence": 0.7,
        "accuracy": 0.6,
        "low": 0.3,
        "high": 0.8,
        "n": 12,
    }


def test_no_photos_give_no_points(make_scored: MakeScored) -> None:
    assert reliability(make_scored(0)) == ()


def one_confidence(photos: int, *, groups: int, probability: float = 0.8) -> Predictions:
    """Return photos of two classes, all with one confidence."""
    logits = np.tile([math.log(probability / (1 - probability)), 0.0], (photos, 1))
    names = tuple(str(number) for number in range(photos))
    members = tuple(str(number % groups) for number in range(photos))
    blank = ("",) * photos
    labels = np.zeros(photos, int)
    return Predictions(logits, labels, members, names, ("a", "b"), blank, np.full((photos, 2), 99), blank)


def test_the_error_of_a_calibrated_model_is_that_of_binomial_draws() -> None:
    """Of 25 photos with 0.8 each, the mean distance of the share that is right from 0.8 is 0.0627 (binomial sum)."""
    drawn = calibrated_ece(one_confidence(25, groups=25), draws=20_000)
    exact = sum(math.comb(25, k) * 0.8**k * 0.2 ** (25 - k) * abs(k / 25 - 0.8) for k in range(26))
    assert drawn.shape == (20_000,)
    assert drawn.mean() == pytest.approx(exact, abs=0.001)
    assert calibrated_ece(one_confidence(25, groups=25)).shape == (1000,)


def test_photos_of_one_group_are_right_together() -> None:
    drawn = calibrated_ece(one_confidence(25, groups=1), draws=2000)
    assert np.unique(drawn.round(9)).tolist() == [0.2, 0.8]
    assert (drawn > 0.5).mean() == pytest.approx(0.2, abs=0.03)


def test_bins_do_not_compensate_each_other() -> None:
    """Two bins of confidence: the mean error is that of each, though the gaps of both have mean 0."""
    low, high = one_confidence(10, groups=10, probability=0.6), one_confidence(10, groups=10, probability=0.9)
    both = replace(one_confidence(20, groups=20), logits=np.concatenate([low.logits, high.logits]))
    apart = [calibrated_ece(one, draws=4000).mean() for one in (low, high)]
    assert calibrated_ece(both, draws=4000).mean() == pytest.approx(np.mean(apart), abs=0.005)


def test_the_error_by_chance_is_that_of_the_probabilities_after_the_temperature() -> None:
    """Logits of 4 divided by 2 are logits of 2."""
    plain = one_confidence(30, groups=30, probability=0.7)
    hot = replace(plain, logits=plain.logits * 2)
    assert np.array_equal(calibrated_ece(hot, temperature=2.0), calibrated_ece(plain))
    assert calibrated_ece(hot).mean() < calibrated_ece(plain).mean()


def test_no_photos_have_no_calibration_error(make_scored: MakeScored) -> None:
    with pytest.raises(DataError, match="Expected photos to simulate a calibration error for, got none"):
        calibrated_ece(make_scored(4).take(np.zeros(4, bool)))

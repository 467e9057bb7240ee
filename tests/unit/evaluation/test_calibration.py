"""Tests of temperature scaling and reliability curves."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize

from petmood.core.errors import DataError
from petmood.evaluation.calibration import TEMPERATURES, ReliabilityBin, fit_temperature, reliability
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

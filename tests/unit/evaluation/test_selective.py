"""Tests of selective classification: error guarantee of the threshold and missing thresholds."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from petmood.core.errors import ConfigError
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.selective import AbstainRule, choose_threshold, evaluate_selective, risk_coverage
from tests.support.evaluation import MakeScored


def two_classes(confidence: np.ndarray, right: np.ndarray) -> Predictions:
    """Make predictions of class 0 with given confidences, correct where `right` is true."""
    n = len(confidence)
    logits = np.stack([np.log(confidence / (1 - confidence)), np.zeros(n)], axis=1)
    names, blank = tuple(map(str, range(n))), ("",) * n
    labels = np.where(right, 0, 1)
    return Predictions(logits, labels, names, names, ("a", "b"), blank, np.full((n, 2), 99), blank)


def test_a_rule_is_written_as_json() -> None:
    rule = AbstainRule(0.75, 0.125, 0.9, error=0.0625, coverage=0.875, n=40, reason="because")
    assert rule.to_json() == {
        "threshold": 0.75,
        "target_error": 0.125,
        "confidence": 0.9,
        "valid_error": 0.0625,
        "valid_coverage": 0.875,
        "n": 40,
        "reason": "because",
    }


def test_the_curve_is_the_running_error_of_the_most_confident_answers() -> None:
    scored = two_classes(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    curve = risk_coverage(scored)
    np.testing.assert_allclose(curve.thresholds, [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_equal_confidences_are_answered_or_withheld_together() -> None:
    curve = risk_coverage(two_classes(np.array([0.9, 0.8, 0.8, 0.8]), np.array([True, False, True, True])))
    np.testing.assert_allclose(curve.thresholds, [0.9, 0.8])
    np.testing.assert_allclose(curve.coverage, [0.25, 1.0])
    assert curve.aurc == pytest.approx(0.25 * 3 / 4)


def test_the_curve_of_no_photos_has_no_points(make_scored: MakeScored) -> None:
    curve = risk_coverage(make_scored(0))
    assert [len(values) for values in (curve.thresholds, curve.coverage, curve.risk)] == [0, 0, 0]
    assert math.isnan(curve.aurc)


def test_confidences_are_those_at_the_temperature() -> None:
    # At temperature 2 the odds 9 and 4 become 3 and 2.
    scored = two_classes(np.array([0.9, 0.8] * 30), np.array([True] * 60))
    np.testing.assert_allclose(risk_coverage(scored, temperature=2.0).thresholds, [3 / 4, 2 / 3])
    assert choose_threshold(scored, temperature=2.0).threshold == pytest.approx(2 / 3)
    assert evaluate_selective(scored, threshold=0.7, temperature=2.0).coverage.value == 0.5


def test_sorting_by_confidence_beats_a_random_order(make_scored: MakeScored) -> None:
    scored = make_scored(400)
    assert risk_coverage(scored).aurc < 0.7 * (scored.predicted() != scored.labels).mean()


@pytest.mark.parametrize(("target", "often"), [(0.1, 30), (0.2, 250)])
def test_the_true_error_stays_under_the_target_in_nine_of_ten_data_sets(target: float, often: int) -> None:
    broken, chosen = 0, 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.5, 1.0, 300)
        rule = choose_threshold(two_classes(confidence, rng.random(300) < confidence), target_error=target)
        if rule.threshold is not None:
            chosen += 1
            broken += 1 - (rule.threshold + 1.0) / 2 > target
    assert broken / 300 <= 0.1
    assert chosen > often


def test_a_good_model_answers_everything(make_scored: MakeScored) -> None:
    scored = make_scored(300, skill=8.0)
    rule = choose_threshold(scored)
    assert rule.coverage == 1.0
    assert rule.threshold == pytest.approx(scored.probabilities().max(axis=1).min())
    assert rule.to_json()["valid_error"] == rule.error
    assert (rule.n, rule.target_error, rule.confidence) == (300, 0.1, 0.9)
    assert rule.reason == "error at most 10% with 90% confidence (Learn-then-Test, binomial)"
    assert rule.threshold is not None
    measured = evaluate_selective(scored, threshold=rule.threshold)  # the least confident photo is at the threshold
    assert (measured.coverage.value, measured.error.n) == (1.0, 300)


def test_too_little_data_is_said_with_the_number_that_would_do(make_scored: MakeScored) -> None:
    rule = choose_threshold(make_scored(20, skill=9.0))
    assert rule.threshold is None
    assert rule.reason == (
        "too little data: to guarantee an error of at most 10% takes at least 22 validation groups without an error; "
        "there are 20"
    )
    assert (rule.n, rule.coverage, rule.target_error, rule.confidence) == (20, 0.0, 0.1, 0.9)
    assert rule.to_json()["valid_error"] is None
    assert choose_threshold(make_scored(22, skill=9.0)).threshold is not None


def test_each_of_four_starts_gets_a_quarter_of_the_risk() -> None:
    # Of 148 photos the starts are the 37, 74, 111 and 148 most confident. No error of 37 has 0.9^37 = 0.0203, below
    # 0.1 / 4. One error of 53 has 0.02588, just above it, and of 54 has 0.02367. Two of 70 have 0.0242.
    confidence, rank = np.linspace(0.99, 0.6, 148), np.arange(1, 149)
    assert choose_threshold(two_classes(confidence, rank <= 37)).coverage == pytest.approx(37 / 148)
    assert choose_threshold(two_classes(confidence, (rank <= 54) & (rank != 53))).coverage == pytest.approx(52 / 148)
    assert choose_threshold(two_classes(confidence, (rank <= 54) & (rank != 36))).threshold is None


@pytest.mark.parametrize(
    ("photos", "wrong", "reached"),
    [
        (143, 36, None),  # the most confident 25% are 36 photos of 144, and too few here: 0.9^35 = 0.0250316
        (
            143,
            72,
            73,
        ),  # the first of two starts are 72 photos; P(at most 2 of 73) = 0.0193, P(at most 3 of 74) = 0.0541
        (58, 30, 29),  # the first start is at 29 photos: 0.9^28 = 0.0523, 0.9^29 = 0.0471
        (57, 29, None),
        (22, 22, None),  # one start: all 22, 0.9^22 = 0.0985
        (22, 23, 22),
    ],
)
def test_few_photos_have_two_starts_or_one(photos: int, wrong: int, reached: int | None) -> None:
    """All photos from a rank on are wrong."""
    confidence, rank = np.linspace(0.99, 0.6, photos), np.arange(1, photos + 1)
    rule = choose_threshold(two_classes(confidence, rank < wrong))
    assert rule.coverage == pytest.approx((reached or 0) / photos)


def test_half_a_wrong_group_counts_as_a_whole_error() -> None:
    # One of 80 photos in 40 groups of two is wrong, in the most confident group. No error in 40 trials would have
    # 0.9^40 = 0.0148, which is under 0.025. One error has 0.9^40 + 40 * 0.1 * 0.9^39 = 0.0805.
    right = np.arange(80) != 1
    scored = two_classes(np.linspace(0.99, 0.6, 80), right)
    scored = replace(scored, groups=tuple(f"{i // 2:03d}" for i in range(80)))
    assert choose_threshold(scored).threshold is None
    assert choose_threshold(replace(scored, labels=np.zeros(80, dtype=np.int64))).coverage == 1.0


@pytest.mark.parametrize(("wrong", "reached"), [(3, 1.0), (4, 0.0)])
def test_a_group_counts_with_the_share_of_its_accepted_photos_that_are_wrong(wrong: int, reached: float) -> None:
    """Each of 60 groups has a photo among the 60 most confident, the next 60 and the last 60; the first are wrong."""
    # Of the starts, 45 photos have 3 errors. 90 photos have 3 / 2, so 2 of 60 groups: P = 0.0531 is above 0.025.
    # 135 photos have 3 / 3, so 1 of 60 groups: P = 0.0138. With a fourth wrong photo they have 4 / 3, so 2 again.
    scored = two_classes(np.linspace(0.99, 0.6, 180), np.arange(180) >= wrong)
    scored = replace(scored, groups=tuple(f"{photo % 60:02d}" for photo in range(180)))
    assert choose_threshold(scored).coverage == reached


def test_a_bound_that_is_met_exactly_is_met() -> None:
    # One right answer of one has probability 1 / 2 at an error of 1 / 2.
    one = two_classes(np.array([0.75]), np.array([True]))
    assert choose_threshold(one, target_error=0.5, confidence=0.5).threshold == pytest.approx(0.75)
    assert choose_threshold(one, target_error=0.5, confidence=0.501).threshold is None


def test_the_threshold_is_not_lowered_past_a_failed_test() -> None:
    # P(at most 2 errors of 77) = 0.0137 passes, P(at most 3 of 78) = 0.046 fails, P(at most 3 of 85) = 0.0245 would
    # pass again. The starts are the 75, 150, 225 and 300 most confident photos; those after 85 photos are wrong.
    confidence = np.linspace(0.99, 0.6, 300)
    rank = np.arange(1, 301)
    rule = choose_threshold(two_classes(confidence, ~np.isin(rank, (76, 77, 78)) & (rank <= 85)))
    assert rule.threshold == pytest.approx(confidence[76])
    assert rule.coverage == pytest.approx(77 / 300)
    assert rule.error == pytest.approx(2 / 77)


def test_copies_of_a_photo_are_no_extra_evidence(make_scored: MakeScored) -> None:
    scored = make_scored(20, skill=9.0)
    assert choose_threshold(scored.take(np.repeat(np.arange(20), 10))).threshold is None


def test_a_bad_model_gets_no_threshold_and_the_reason(make_scored: MakeScored) -> None:
    rule = choose_threshold(make_scored(200, skill=0.0))
    assert rule.threshold is None
    assert rule.reason == "no threshold guarantees an error of at most 10% on 200 validation groups"
    assert choose_threshold(make_scored(22, skill=-9.0)).reason.startswith("no threshold guarantees")


def test_no_photos_give_no_threshold(make_scored: MakeScored) -> None:
    assert "there are 0" in choose_threshold(make_scored(0)).reason


def test_a_larger_error_is_the_target_where_no_threshold_has_the_wanted_one() -> None:
    # Every tenth photo is wrong, so none of the starts shows an error below 10%; 12 of 120 show one below 20%.
    confidence, rank = np.linspace(0.99, 0.6, 400), np.arange(1, 401)
    scored = two_classes(confidence, rank % 10 != 0)
    assert choose_threshold(scored).threshold is None
    rule = choose_threshold(scored, fallback_errors=(0.3, 0.2, 0.05))
    assert (rule.target_error, rule.confidence, rule.coverage) == (0.2, 0.9, 1.0)
    assert rule.reason == "error at most 20% with 90% confidence (Learn-then-Test, binomial); none for 10%"


def test_the_wanted_error_keeps_four_fifths_of_the_risk_and_fallbacks_share_the_rest() -> None:
    # Starts get 0.08 / 4 of the risk: 0.9^38 = 0.0182 passes, 0.9^37 = 0.0203 doesn't. For 20%, 0.01 / 4: 0.8^27 does.
    confidence, rank = np.linspace(0.99, 0.6, 152), np.arange(1, 153)
    kept = choose_threshold(two_classes(confidence, rank <= 38), fallback_errors=(0.15, 0.2))
    assert (kept.target_error, kept.coverage) == (0.1, 38 / 152)
    fewer = choose_threshold(two_classes(confidence[:148], rank[:148] <= 37), fallback_errors=(0.15, 0.2))
    assert (fewer.target_error, fewer.coverage) == (0.15, 37 / 148)
    without = choose_threshold(two_classes(confidence[:148], rank[:148] <= 37), fallback_errors=(0.1, 0.05))
    assert (without.target_error, without.coverage) == (0.1, 37 / 148)


def test_the_reason_names_the_largest_error_if_none_has_a_threshold(make_scored: MakeScored) -> None:
    rule = choose_threshold(make_scored(20, skill=9.0), fallback_errors=(0.15, 0.2))
    assert (rule.threshold, rule.target_error) == (None, 0.2)
    assert rule.reason.endswith("at most 20% takes at least 21 validation groups without an error; there are 20")
    assert choose_threshold(make_scored(21, skill=9.0), fallback_errors=(0.15, 0.2)).target_error == 0.2


def test_the_true_error_stays_under_whichever_target_was_taken_in_nine_of_ten_data_sets() -> None:
    broken, targets = 0, set()
    for seed in range(300):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.5, 1.0, 300)
        scored = two_classes(confidence, rng.random(300) < confidence)
        rule = choose_threshold(scored, fallback_errors=(0.15, 0.2))
        if rule.threshold is not None:
            targets.add(rule.target_error)
            broken += 1 - (rule.threshold + 1.0) / 2 > rule.target_error
    assert broken / 300 <= 0.1
    assert targets == {0.1, 0.15, 0.2}


def test_an_impossible_fallback_error_is_refused(make_scored: MakeScored) -> None:
    with pytest.raises(ConfigError, match=r"Expected fallback_errors between 0 and 1, got 1\.5"):
        choose_threshold(make_scored(9), fallback_errors=(0.2, 1.5))


@pytest.mark.parametrize("name", ["target_error", "confidence"])
@pytest.mark.parametrize("number", [-0.1, 0.0, 1.0, 1.5])
def test_impossible_targets_are_refused(make_scored: MakeScored, name: str, number: float) -> None:
    message = f"Expected {name} between 0 and 1, got {number}. For example: {name}=0.1."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        choose_threshold(make_scored(9), **{name: number})  # type: ignore[arg-type] # both are floats


def test_error_and_coverage_are_measured_at_the_threshold() -> None:
    confidence = np.array([0.95, 0.9, 0.8, 0.7, 0.6] * 8)
    right = np.array([True, True, False, True, False] * 8)
    found = evaluate_selective(two_classes(confidence, right), threshold=0.75)
    assert found.coverage.value == pytest.approx(0.6)
    assert found.error.value == pytest.approx(1 / 3)
    assert found.error.n == 24
    assert found.error.low < 1 / 3 < found.error.high


def test_answering_nothing_has_no_error_to_measure(make_scored: MakeScored) -> None:
    found = evaluate_selective(make_scored(10), threshold=1.5)
    assert found.error.to_json() == {"value": None, "low": None, "high": None, "n": 0}
    assert found.coverage.value == 0.0
    nothing = evaluate_selective(make_scored(0), threshold=0.5)
    assert nothing.coverage.to_json()["value"] is None


def test_groups_answered_in_part_count_once_with_their_share_of_errors(make_scored: MakeScored) -> None:
    scored = replace(make_scored(120, skill=9.0), groups=tuple(f"f{i // 2}" for i in range(120)))
    wrong = scored.labels.copy()
    wrong[:10:2] = (wrong[:10:2] + 1) % 4
    rule = choose_threshold(replace(scored, labels=wrong), target_error=0.2)
    assert rule.threshold is not None
    assert rule.n == 120

"""Tests of the promotion checks: each fails for its own reason, and better candidates pass."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.evaluation.predictions import Predictions
from petmood.promotion.checks import evaluate_checks
from petmood.promotion.compare import BundleInfo, BundlePredictions, Latency
from petmood.promotion.differences import difference
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check
from tests.support.evaluation import MakeScored
from tests.support.promotion import rounded
from tests.support.right_answers import answers, shares

SUBJECT = BundleInfo("demo", "1", "a" * 64, "d" * 64, 2_000_000)
FAST = Latency(10.0, 10.0, 60)
KINDS = ("blur", "noise")


def under_corruption(scored: Predictions) -> Predictions:
    """Return the same predictions once per corruption."""
    twice = scored.take([*range(len(scored))] * 2)
    kinds = tuple(kind for kind in KINDS for _ in range(len(scored)))
    paths = tuple(f"{path}#{kind}" for path, kind in zip(twice.paths, kinds, strict=True))
    return replace(twice, source=kinds, paths=paths)


def corrupted_by(blur: Predictions, noise: Predictions) -> Predictions:
    """Return the predictions of the same photos under two corruptions."""
    logits = np.concatenate([blur.logits, noise.logits])
    return replace(under_corruption(blur), logits=logits)


def predicted(
    clean: Predictions, corrupted: Predictions | None = None, *, model_bytes: int = 2_000_000
) -> BundlePredictions:
    return BundlePredictions(replace(SUBJECT, model_bytes=model_bytes), clean, corrupted or under_corruption(clean))


def verdicts(
    candidate: BundlePredictions,
    champion: BundlePredictions | None,
    latency: Latency = FAST,
    **limits: Any,  # noqa: ANN401 - any limit
) -> dict[str, Check]:
    found = evaluate_checks(candidate, champion, latency=latency, limits=PromotionLimits(**limits))
    for check in found:
        json.dumps(check.to_json(), allow_nan=False)
        assert "nan" not in check.measured + check.sentence
    return {check.name: check for check in found}


def failed(found: dict[str, Check]) -> list[str]:
    return [name for name, check in found.items() if not check.passed]


GOOD, WEAK = answers(shares(200, 0.9)), answers(shares(200, 0.7))


def test_a_better_model_passes_every_check() -> None:
    found = verdicts(predicted(GOOD), predicted(WEAK))
    assert list(found) == ["superiority", "per_class_recall", "calibration", "robustness", "latency", "size"]
    assert failed(found) == []
    (part,) = found["superiority"].parts
    assert part.difference.value == pytest.approx(part.candidate - part.champion)
    assert part.difference.low > 0
    assert [part.name for part in found["robustness"].parts] == ["all corruptions", *KINDS]
    assert [part.name for part in found["per_class_recall"].parts] == list(DEFAULT_CLASSES)


@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("superiority", lambda: (predicted(WEAK), predicted(WEAK), FAST)),
        (
            "calibration",
            lambda: (predicted(replace(GOOD, logits=GOOD.logits * 0.02)), predicted(WEAK), FAST),
        ),
        (
            "robustness",
            lambda: (
                predicted(GOOD, under_corruption(answers(shares(200, 0.5)))),
                predicted(WEAK),
                FAST,
            ),
        ),
        ("latency", lambda: (predicted(GOOD), predicted(WEAK), Latency(16.0, 10.0, 60))),
        ("size", lambda: (predicted(GOOD, model_bytes=6_000_001), predicted(WEAK), FAST)),
    ],
)
def test_each_fault_is_refused_for_its_own_reason(
    reason: str, make: Callable[[], tuple[BundlePredictions, BundlePredictions, Latency]]
) -> None:
    candidate, champion, latency = make()
    assert failed(verdicts(candidate, champion, latency)) == [reason]


def test_a_model_that_forgot_a_label_is_refused_though_it_is_better_on_the_whole() -> None:
    forgetful = answers((GOOD.labels != 3) | shares(200, 0.4))
    found = verdicts(predicted(forgetful), predicted(WEAK))
    assert failed(found) == ["per_class_recall"]
    assert "sad by 30.0 points (72.0% to 42.0%)" in found["per_class_recall"].sentence
    assert "angry by" not in found["per_class_recall"].sentence


def test_a_worse_model_fails_what_it_is_worse_at() -> None:
    assert failed(verdicts(predicted(WEAK), predicted(GOOD))) == [
        "superiority",
        "per_class_recall",
        "calibration",
        "robustness",
    ]


def test_better_models_are_mostly_promoted(make_scored: MakeScored) -> None:
    """120 photos, accuracies of about 70% and 90%, independent predictions: the checks need this much power."""
    passed = 0
    for seed in range(40):
        runs = []
        for skill, noise in ((3.3, 2 * seed), (1.8, 2 * seed + 1)):
            drawn = make_scored(120, seed=seed)
            logits = np.random.default_rng(noise).normal(size=(120, 4))
            logits[np.arange(120), drawn.labels] += skill
            runs.append(predicted(replace(drawn, logits=logits)))
        candidate, champion = runs
        passed += not failed(verdicts(candidate, champion))
    assert passed >= 34


def test_the_order_of_photos_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    candidate = predicted(GOOD.take(rng.permutation(200)), under_corruption(GOOD).take(rng.permutation(400)))
    assert verdicts(candidate, predicted(WEAK)) == verdicts(predicted(GOOD), predicted(WEAK))


def test_different_photos_can_not_be_compared() -> None:
    apart = r"^Expected both bundles to predict the same photos, got different ones\. Run both again\.$"
    with pytest.raises(DataError, match=apart):
        verdicts(predicted(GOOD), predicted(WEAK.take(range(100))))
    with pytest.raises(DataError, match=apart):
        verdicts(predicted(GOOD), predicted(replace(WEAK, labels=(WEAK.labels + 1) % 4)))
    none = r"^Expected photos to evaluate a candidate on, got none\. Give data with a test split\.$"
    with pytest.raises(DataError, match=none):
        verdicts(predicted(GOOD.take([])), None)


def test_no_worse_is_shown_by_many_photos_and_not_by_few() -> None:
    """A 95% interval around a difference of 0 reaches 2 points or more with up to about 96 groups."""
    for count, shown in ((60, False), (120, True)):
        same = predicted(answers(shares(count, 0.8)))
        assert failed(verdicts(same, same, criterion="non_inferior")) == ([] if shown else ["superiority"])
        assert failed(verdicts(same, same, criterion="non_inferior", margin=0.05)) == []
    assert "superiority" in failed(verdicts(predicted(WEAK), predicted(GOOD), criterion="non_inferior"))


def test_a_label_without_photos_is_said_and_not_held_against_anybody() -> None:
    labels = np.arange(120) % 3
    good, weak = (answers(shares(120, share), labels=labels) for share in (0.95, 0.6))
    found = verdicts(predicted(good), predicted(weak))
    assert failed(found) == []
    assert "no photos of sad" in found["per_class_recall"].sentence


def test_two_lost_photos_of_a_rare_label_are_not_a_label_lost() -> None:
    labels = np.where(np.arange(120) < 4, 3, np.arange(120) % 3)
    weak = answers(shares(120, 0.6) | (labels == 3), labels=labels)
    for lost, refused in ((2, False), (3, True)):
        good = answers(np.where(labels == 3, np.arange(120) >= lost, True), labels=labels)
        assert failed(verdicts(predicted(good), predicted(weak))) == (["per_class_recall"] if refused else [])


def test_a_difference_in_probabilities_that_is_significant_but_tiny_is_let_through() -> None:
    sharper = replace(GOOD, logits=GOOD.logits * 1.004)
    champion = predicted(WEAK)
    twin = predicted(replace(WEAK, logits=WEAK.logits * 1.0001))
    calibration = verdicts(twin, champion)["calibration"]
    assert calibration.passed
    assert verdicts(predicted(sharper), predicted(GOOD))["calibration"].passed
    assert not verdicts(predicted(replace(GOOD, logits=GOOD.logits * 30)), predicted(GOOD))["calibration"].passed


def test_slowness_and_size_are_measured_against_the_champion_and_against_bounds() -> None:
    both = predicted(GOOD), predicted(WEAK)
    assert verdicts(*both, Latency(15.0, 10.0, 60))["latency"].passed
    assert not verdicts(*both, Latency(260.0, 240.0, 60))["latency"].passed
    assert verdicts(*both, Latency(260.0, 280.0, 60))["latency"].passed, "slow, but quicker than what serves now"
    large = predicted(GOOD, model_bytes=600_000_000)
    assert not verdicts(large, predicted(WEAK, model_bytes=400_000_000))["size"].passed
    assert verdicts(large, predicted(WEAK, model_bytes=700_000_000))["size"].passed
    assert verdicts(predicted(GOOD, model_bytes=6_000_000), predicted(WEAK))["size"].passed


def test_a_first_model_is_held_to_chance_and_to_bounds() -> None:
    slow = Latency(251.0, None, 60)
    assert failed(verdicts(predicted(GOOD), None, Latency(249.0, None, 60))) == []
    assert failed(verdicts(predicted(GOOD, model_bytes=500_000_001), None, slow)) == ["latency", "size"]
    assert failed(verdicts(predicted(replace(GOOD, logits=GOOD.logits * 0.1)), None, FAST)) == ["calibration"]
    guessing = answers(shares(200, 0.27))
    assert failed(verdicts(predicted(guessing), None)) == ["superiority"]


def test_a_first_model_that_always_gives_the_most_frequent_label_is_refused() -> None:
    labels = np.where(np.arange(200) < 180, 1, np.arange(200) % 4)
    constant = answers(labels == 1, labels=labels)
    logits = np.tile([0.0, 3.0, 0.0, 0.0], (200, 1))
    found = verdicts(predicted(replace(constant, logits=logits)), None)
    assert failed(found) == ["superiority"]
    assert "not shown to be better than always predicting the most frequent class" in found["superiority"].sentence


def corrupted_alone(right: np.ndarray) -> BundlePredictions:
    """Return predictions that are all correct, but for those under one corruption."""
    count = len(right)
    under = answers(right)
    paths = tuple(f"{path}#blur" for path in under.paths)
    return predicted(answers(np.ones(count, bool)), replace(under, source=("blur",) * count, paths=paths))


@pytest.mark.parametrize(
    ("photos", "lost", "high", "passed"),
    [
        (100, 8, -8 / 102 + 1.959964 * math.sqrt(9 - 102 * (8 / 102) ** 2) / 102, False),
        (100, 3, -3 / 102 + 1.959964 * math.sqrt(4 - 102 * (3 / 102) ** 2) / 102, True),
        (12, 3, -3 / 14 + 1.959964 * math.sqrt(4 - 14 * (3 / 14) ** 2) / 14, False),
    ],
)
def test_robustness_is_refused_by_its_interval_or_by_the_size_of_the_drop(
    photos: int, lost: int, high: float, passed: bool
) -> None:
    """8 of 100 lost: at most -2.3 points, 3 of 100: up to +0.9. 3 of 12: up to +4.2, but 25 points are above 15."""
    pair = corrupted_alone(np.arange(photos) >= lost), corrupted_alone(np.ones(photos, bool))
    check = verdicts(*pair)["robustness"]
    assert check.parts[0].difference.high >= high - 1e-6
    assert (check.parts[0].difference.high < 0) == (high < 0)
    assert check.passed is passed


def estimate(value: float, low: float, high: float, n: int) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "n": n}


def part(name: str, candidate: float, champion: float, *numbers: Any) -> dict[str, Any]:  # noqa: ANN401 - an estimate's
    return {"name": name, "candidate": candidate, "champion": champion, "difference": estimate(*numbers)}


def sharper_and_weaker() -> tuple[BundlePredictions, BundlePredictions]:
    """Return two bundles of 40 photos: the first is wrong on 4 (on 8 with noise), the second on these and more, 12."""
    number = np.arange(40)
    new, noisy, old = (answers(number >= wrong) for wrong in (4, 8, 12))
    corrupted = replace(under_corruption(new), logits=np.concatenate([new.logits, noisy.logits]))
    sharper = replace(new, logits=new.logits * 1.1)
    return predicted(sharper, corrupted, model_bytes=3_000_000), predicted(old)


def records(*bundles: BundlePredictions | None, latency: Latency, **settings: Any) -> Any:  # noqa: ANN401 - JSON values
    confidence = settings.pop("confidence", 0.95)
    candidate, champion = bundles
    assert candidate is not None
    limits = PromotionLimits(**settings)
    found = evaluate_checks(candidate, champion, latency=latency, limits=limits, confidence=confidence)
    return rounded([check.to_json() for check in found])


def test_all_checks_of_a_better_model_are_written_out() -> None:
    """8 photos of 40 are won. Low ends: Agresti and Min. High ends: quantiles of the binomial distribution over 40.

    8 of 40: (8 - 1.96 * sqrt(9 - 64 / 42)) / 42 = 0.0629, and 13 of 40 won; 2 of 10: -0.1001, and 5 of 10 won. The
    sign test of 8 wins has p = 2 / 256. The intervals of the probabilities are those of the paired t test.
    """
    recall = [part(label, 0.9, 0.7, 0.2, -0.1001, 0.5, 10) for label in DEFAULT_CLASSES]
    apart = (
        "overconfidence +0.094 (-0.228 to +0.417), negative log likelihood -0.501 (-0.823 to -0.179), "
        "removable by a temperature +0.004 (-0.027 to +0.036), calibration error +2.6 points"
    )
    assert records(*sharper_and_weaker(), latency=Latency(15.0, 12.0, 60)) == [
        {
            "name": "superiority",
            "passed": True,
            "measured": "+20.0 points (+6.3 to +32.5)",
            "limit": "95% interval above 0",
            "sentence": "Accuracy 90.0% on 40 photos, champion 70.0%: +20.0 points (+6.3 to +32.5); "
            "shown to be better.",
            "numbers": {"p_value": 0.0078},
            "parts": [part("all photos", 0.9, 0.7, 0.2, 0.0629, 0.325, 40)],
        },
        {
            "name": "per_class_recall",
            "passed": True,
            "measured": "angry +20.0 points (-10.0 to +50.0)",
            "limit": "no significant loss, none of more than 50 points",
            "sentence": "No class lost a significant amount of recall. With 10 groups of angry, a loss of less than "
            "70.0 points can't be distinguished from chance.",
            "numbers": {"smallest_shown_loss": 0.7, **{f"p_value_{label}": 1.0 for label in DEFAULT_CLASSES}},
            "parts": recall,
        },
        {
            "name": "calibration",
            "passed": True,
            "measured": apart,
            "limit": "no significant difference of more than 0.02",
            "sentence": f"The probabilities are not significantly worse than the champion's: {apart}. With 40 groups, "
            "a difference in overconfidence of less than 0.17 can't be distinguished from chance.",
            "numbers": {
                "overconfidence": 0.0943,
                "excess": 0.0943,
                "smallest_shown": 0.1746,
                "own_overconfidence": 0.0943,
                "nll": -0.501,
                "nll_low": -0.8234,
                "nll_high": -0.1787,
                "ece": 0.026,
                "removable_nll": 0.0045,
            },
            "parts": [],
        },
        {
            "name": "robustness",
            "passed": True,
            "measured": "+15.0 points (+3.7 to +26.2)",
            "limit": "not significantly below 0, not below -15.0 points",
            "sentence": "Accuracy 85.0% on corrupted photos, champion 70.0%: +15.0 points (+3.7 to +26.2); "
            "lowest for noise, +10.0 points.",
            "numbers": {},
            "parts": [
                part("all corruptions", 0.85, 0.7, 0.15, 0.037, 0.2625, 80),
                part("blur", 0.9, 0.7, 0.2, 0.0629, 0.325, 40),
                part("noise", 0.8, 0.7, 0.1, -0.0051, 0.2, 40),
            ],
        },
        {
            "name": "latency",
            "passed": True,
            "measured": "1.25 times, 15.0 ms",
            "limit": "at most 1.5 times, at most 250 ms",
            "sentence": "A photo takes 15.00 ms on one thread, with the champion 12.00 ms: 1.25 times as long.",
            "numbers": {"candidate_ms": 15.0, "rounds": 60, "champion_ms": 12.0, "ratio": 1.25},
            "parts": [],
        },
        {
            "name": "size",
            "passed": True,
            "measured": "1.50 times, 3.00 MB",
            "limit": "at most 3 times, at most 500 MB",
            "sentence": "The network has 3.00 MB, the champion's 2.00 MB: 1.50 times as large.",
            "numbers": {"candidate_mb": 3.0, "champion_mb": 2.0, "ratio": 1.5},
            "parts": [],
        },
    ]


def test_a_worse_model_is_compared_with_the_margin_and_at_the_confidence_that_is_asked_for() -> None:
    """8 of 40 lost; at 99% the interval is that of Agresti and Min with 2.5758, or the stretched binomial one."""
    new, old = sharper_and_weaker()
    settings = {"criterion": "non_inferior", "margin": 0.1, "confidence": 0.99}
    superiority, recall, _, robustness, latency, size = records(old, new, latency=Latency(30.0, 12.0, 60), **settings)
    assert superiority == {
        "name": "superiority",
        "passed": False,
        "measured": "-20.0 points (-36.4 to -2.3)",
        "limit": "99% interval above -10.0 points",
        "sentence": "Accuracy 70.0% on 40 photos, champion 90.0%: -20.0 points (-36.4 to -2.3); "
        "not shown to be at most 10 points worse.",
        "numbers": {"p_value": 0.0078},
        "parts": [part("all photos", 0.7, 0.9, -0.2, -0.3643, -0.0228, 40)],
    }
    assert recall["numbers"] == {"smallest_shown_loss": 0.7, **{f"p_value_{one}": 0.25 for one in DEFAULT_CLASSES}}
    assert robustness["sentence"] == (
        "Accuracy 70.0% on corrupted photos, champion 85.0%: -15.0 points (-26.2 to -3.7); "
        "lowest for blur, -20.0 points."
    )
    assert (robustness["passed"], robustness["parts"][0]["difference"]) == (False, estimate(-0.15, -0.2625, -0.037, 80))
    assert (latency["passed"], latency["measured"]) == (False, "2.50 times, 30.0 ms")
    assert (size["passed"], size["sentence"]) == (
        True,
        "The network has 2.00 MB, the champion's 3.00 MB: 0.67 times as large.",
    )


def test_all_checks_of_a_first_model_are_written_out() -> None:
    """20 photos of angry and 10 of happy, one of each wrong: 28 of 30, and (19 / 20 + 9 / 10) / 2.

    The interval of Clopper and Pearson for 28 of 30 is 77.9% to 99.2%, and for 24 of 30 it is 61.4% to 92.3%: 28 are
    right under blur and 20 under noise, which are as many groups as without corruption.
    """
    labels = np.arange(30) // 20
    clean = answers((np.arange(30) + 1) % 15 != 0, labels=labels)
    noise = answers(np.arange(30) % 3 != 0, labels=labels)
    first = predicted(clean, corrupted_by(clean, noise), model_bytes=500_000_000)
    measured = "accuracy 93.3% (77.9 to 99.2); balanced accuracy 92.5% (75.4 to 99.1)"
    assert records(first, None, latency=Latency(250.0, None, 12)) == [
        {
            "name": "superiority",
            "passed": True,
            "measured": measured,
            "limit": "95% interval of accuracy above 66.7%; 95% interval of balanced accuracy above 50.0%",
            "sentence": "No champion to compare with; better than always predicting the most frequent class: "
            f"{measured}.",
            "numbers": {"accuracy": 0.7793, "balanced_accuracy": 0.7544},
            "parts": [],
        },
        {
            "name": "calibration",
            "passed": True,
            "measured": "0.0%",
            "limit": "at most 20.0%",
            "sentence": "The calibration error is 0.0 points; with these photos, calibrated models show up to "
            "10.0 points.",
            "numbers": {"ece": 0.0, "calibrated_ece": 0.1003},
            "parts": [],
        },
        {
            "name": "robustness",
            "passed": True,
            "measured": "80.0% (61.4 to 92.3)",
            "limit": "not significantly below 66.7%",
            "sentence": "Accuracy 80.0% (61.4 to 92.3) on corrupted photos, 93.3% without corruption; lowest for "
            "noise, 66.7%. Always predicting the most frequent class has 66.7%.",
            "numbers": {
                "accuracy": 0.8,
                "low": 0.6143,
                "high": 0.9229,
                "clean": 0.9333,
                "blur": 0.9333,
                "noise": 0.6667,
            },
            "parts": [],
        },
        {
            "name": "latency",
            "passed": True,
            "measured": "250.0 ms",
            "limit": "at most 250 ms",
            "sentence": "A photo takes 250.00 ms on one thread.",
            "numbers": {"candidate_ms": 250.0, "rounds": 12},
            "parts": [],
        },
        {
            "name": "size",
            "passed": True,
            "measured": "500.00 MB",
            "limit": "at most 500 MB",
            "sentence": "The network has 500.00 MB.",
            "numbers": {"candidate_mb": 500.0},
            "parts": [],
        },
    ]


def test_a_first_model_must_be_above_chance_in_both_measures_at_the_confidence_that_is_asked_for() -> None:
    """28 of 30 are above 66.7% at 95%; at 99.9% the interval, stretched by 3.2905 / 1.96, begins at 67.5% and 63.9%.

    24 of 30 begin at 61.4%: below 66.7%, though the balanced accuracy is above 50%.
    """
    labels = np.arange(30) // 20
    first = predicted(answers((np.arange(30) + 1) % 15 != 0, labels=labels))
    strict = records(first, None, latency=FAST, confidence=0.999)[0]
    assert (strict["passed"], strict["numbers"]) == (True, {"accuracy": 0.6747, "balanced_accuracy": 0.6385})
    assert strict["limit"].startswith("99.9% interval of accuracy above 66.7%; 99.9% interval of balanced accuracy")
    found = verdicts(predicted(answers(np.arange(30) % 5 != 0, labels=labels)), None)["superiority"]
    assert not found.passed
    assert found.sentence.startswith(
        "No champion to compare with; not shown to be better than always predicting the most frequent class: accuracy"
    )
    usual = evaluate_checks(first, None, latency=FAST, limits=PromotionLimits())[0]
    assert rounded(usual.numbers["accuracy"]) == 0.7793


def test_a_first_model_may_have_the_largest_calibration_error_and_no_more() -> None:
    scored = predicted(replace(GOOD, logits=GOOD.logits * 2))
    error = verdicts(scored, None)["calibration"].numbers["ece"]
    assert verdicts(scored, None, max_ece=error)["calibration"].passed
    assert not verdicts(scored, None, max_ece=math.nextafter(error, 0))["calibration"].passed


def test_a_model_at_a_limit_passes_and_beyond_it_fails() -> None:
    few = predicted(answers(shares(20, 0.9)))
    both = replace(few, bundle=replace(SUBJECT, model_bytes=4_000_000)), few
    for latency, passed in ((250.0, True), (250.1, False)):
        assert verdicts(*both, Latency(latency, 249.0, 60))["latency"].passed is passed
        assert verdicts(*both, Latency(latency, None, 60))["latency"].passed is passed
    assert verdicts(*both, Latency(260.0, 260.0, 60))["latency"].passed
    for most, passed in ((2.0, True), (1.99, False)):
        assert verdicts(*both, Latency(20.0, 10.0, 60), max_latency_ratio=most)["latency"].passed is passed
        assert verdicts(*both, max_size_ratio=most)["size"].passed is passed
    for most, passed in ((4.0, True), (3.99, False)):
        assert verdicts(*both, max_size_mb=most)["size"].passed is passed
    assert verdicts(both[0], both[0], max_size_mb=1.0)["size"].passed, "as large as what serves now"


def won_and_lost(photos: int, *, won: int, lost: int) -> tuple[BundlePredictions, BundlePredictions]:
    """Return two bundles of which the first wins some photos and loses others."""
    number = np.arange(photos)
    return predicted(answers(number >= lost)), predicted(answers((number < lost) | (number >= lost + won)))


def test_an_interval_that_ends_at_0_shows_neither_a_better_nor_a_worse_model() -> None:
    """12 of 60 won, 4 lost: the bootstrap ends at 0, Agresti and Min at (8 - 1.96 * sqrt(17 - 64 / 62)) / 62 > 0."""
    better, worse = verdicts(*won_and_lost(60, won=12, lost=4)), verdicts(*won_and_lost(60, won=4, lost=12))
    assert better["superiority"].parts[0].difference.low == 0
    assert not better["superiority"].passed
    assert worse["robustness"].parts[0].difference.high == 0
    assert worse["robustness"].passed


def test_a_model_at_the_margin_is_not_shown_to_be_within_it() -> None:
    same = answers(shares(60, 0.8))
    low = difference(same, same).low
    for margin, shown in ((-low, False), (math.nextafter(-low, 1), True)):
        found = verdicts(predicted(same), predicted(same), criterion="non_inferior", margin=margin)["superiority"]
        assert found.passed is shown


def test_a_drop_under_corruption_at_the_limit_passes() -> None:
    """3 of 20 lost are 15 points, and not significant; 4 of 20 are not significant either."""
    for lost, passed in ((3, True), (4, False)):
        pair = corrupted_alone(np.arange(20) >= lost), corrupted_alone(np.ones(20, bool))
        assert verdicts(*pair)["robustness"].passed is passed


def right_alone(count: int) -> Predictions:
    """Return predictions of 40 photos of which the first ones are right."""
    right, labels = np.arange(40) < count, np.arange(40) % 4
    return replace(answers(right), logits=np.eye(4)[np.where(right, labels, (labels + 1) % 4)])


def test_a_first_model_may_not_be_shown_to_be_worse_than_the_most_frequent_class_under_corruption() -> None:
    """7 of 40 end at 32.8% and 3 of 40 at 20.4% (Clopper and Pearson); the most frequent class has 25%."""
    clean = answers(shares(40, 0.9))
    for right, passed in ((7, True), (3, False)):
        few = right_alone(right)
        check = verdicts(predicted(clean, under_corruption(few)), None)["robustness"]
        assert check.passed is passed
        assert check.limit == "not significantly below 25.0%"
        assert check.sentence.startswith(f"Accuracy {right / 40:.1%} (")
    assert failed(verdicts(predicted(clean, under_corruption(right_alone(3))), None)) == ["robustness"]

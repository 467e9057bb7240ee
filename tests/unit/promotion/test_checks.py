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
from petmood.promotion.limits import PromotionLimits
from petmood.promotion.records import Check
from tests.support.evaluation import MakeScored
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
    with pytest.raises(DataError, match="predict the same photos"):
        verdicts(predicted(GOOD), predicted(WEAK.take(range(100))))
    with pytest.raises(DataError, match="predict the same photos"):
        verdicts(predicted(GOOD), predicted(replace(WEAK, labels=(WEAK.labels + 1) % 4)))
    with pytest.raises(DataError, match="got none"):
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

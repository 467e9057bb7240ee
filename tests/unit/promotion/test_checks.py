"""Tests of the promotion checks: each fails for its own reason, and better candidates pass."""

import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from petmood.core.errors import ConfigError, DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.evaluation.predictions import Predictions
from petmood.promotion.checks import Check, PromotionLimits, difference, evaluate_checks
from petmood.promotion.compare import BundleInfo, BundlePredictions, Latency
from tests.support.evaluation import MakeScored

SUBJECT = BundleInfo("demo", "1", "a" * 64, "d" * 64, 2_000_000)
FAST = Latency(10.0, 10.0, 60)
KINDS = ("blur", "noise")


def answers(right: np.ndarray, *, labels: np.ndarray | None = None, group_size: int = 1) -> Predictions:
    """Make calibrated predictions, correct where `right` is true; a wrong one is the next class."""
    count, share = len(right), float(np.clip(np.mean(right), 0.05, 0.95))
    truth = np.arange(count) % 4 if labels is None else labels
    logits = np.zeros((count, 4))
    logits[np.arange(count), np.where(right, truth, (truth + 1) % 4)] = np.log(3 * share / (1 - share))
    return Predictions(
        logits=logits,
        labels=truth,
        groups=tuple(f"f{place // group_size:04d}" for place in range(count)),
        paths=tuple(f"photos/{place:04d}.png" for place in range(count)),
        classes=DEFAULT_CLASSES,
        species=("",) * count,
        image_sizes=np.full((count, 2), 64),
        source=("",) * count,
    )


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


def shares(count: int, share: float) -> np.ndarray:
    """Return flags of which a share are true, spread evenly over the classes."""
    return (np.arange(count) // 4 * 0.618034) % 1 < share


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
    assert "angry" not in found["per_class_recall"].sentence


def test_a_worse_model_fails_what_it_is_worse_at() -> None:
    assert failed(verdicts(predicted(WEAK), predicted(GOOD))) == [
        "superiority",
        "per_class_recall",
        "calibration",
        "robustness",
    ]


@pytest.mark.parametrize("group_size", [1, 4])
@pytest.mark.parametrize(("groups", "apart"), [(20, 0.5), (60, 0.1), (60, 0.3), (150, 0.2)])
def test_equal_models_are_seldom_promoted(groups: int, apart: float, group_size: int) -> None:
    """At most 2.5% may be promoted; 21 of 400 draws (5.2%) would be three standard deviations above that."""
    rng = np.random.default_rng(groups)
    promoted = 0
    for _ in range(400):
        fate = np.repeat(rng.choice(3, size=groups, p=[1 - apart, apart / 2, apart / 2]), group_size)
        runs = [answers(fate != who, group_size=group_size) for who in (1, 2)]
        promoted += difference(*runs).low > 0
    assert promoted <= 19


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


def test_four_wins_and_no_loss_are_chance_and_eight_are_not() -> None:
    base = np.arange(60) >= 20
    for wins, shown in ((4, False), (8, True)):
        found = difference(answers(base | (np.arange(60) < wins)), answers(base))
        assert (found.low > 0) == shown, wins


def test_the_interval_is_that_of_agresti_and_min_where_the_bootstrap_is_blind() -> None:
    scored = answers(shares(60, 0.8))
    found = difference(scored, scored)
    assert [found.value, found.low, found.high] == pytest.approx([0.0, -1.959964 / 62, 1.959964 / 62])
    assert found.n == 60
    first, second = answers(np.arange(100) < 90), answers((np.arange(100) < 80) | (np.arange(100) >= 98))
    won, lost, middle = 10, 2, 8 / 102
    spread = math.sqrt((won + lost + 1) - 102 * middle**2) / 102
    assert difference(first, second).low <= middle - 1.959964 * spread + 1e-9


def test_a_group_of_many_photos_counts_once() -> None:
    base = np.arange(80) >= 40
    alone = difference(answers(base | (np.arange(80) < 16)), answers(base))
    together = difference(answers(base | (np.arange(80) < 16), group_size=8), answers(base, group_size=8))
    assert alone.value == together.value
    assert alone.low > 0 > together.low


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


def test_one_lost_photo_of_a_rare_label_is_not_a_label_lost() -> None:
    labels = np.where(np.arange(120) < 4, 3, np.arange(120) % 3)
    weak = answers(shares(120, 0.6) | (labels == 3), labels=labels)
    for lost, refused in ((1, False), (2, True)):
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


@pytest.mark.parametrize(
    "wrong", [{"criterion": "luckier"}, {"margin": -0.1}, {"max_ece": math.nan}, {"max_size_ratio": math.inf}]
)
def test_limits_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PromotionLimits(**wrong)


def test_limits_are_all_in_the_report() -> None:
    assert set(PromotionLimits().to_json()) == {field.name for field in fields(PromotionLimits)}


def test_an_unknown_criterion_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"criterion='better'\. Known: superior, non_inferior\."):
        PromotionLimits(criterion="better")  # type: ignore[arg-type]  # what a person may type

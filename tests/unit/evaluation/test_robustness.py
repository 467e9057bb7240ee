"""Tests of the accuracy under corruptions: an example by hand, groups, words, and the photos that are drawn."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from petmood.core.errors import DataError
from petmood.evaluation.corruptions import LEVELS
from petmood.evaluation.differences import widened
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.robustness import Robustness, evaluate_robustness, spread_sample
from petmood.presentation.display_names import VALIDATION_NOTE
from tests.support.evaluation import MakeScored
from tests.support.right_answers import answers

BLUR = (20, 18, 12, 10, 5)
"""Of 20 photos, how many are right at each level; 18 are without corruption."""
NOISE = (18, 16, 9, 5, 3)


def first(count: int, *, group_size: int = 1) -> Predictions:
    """Return predictions of 20 photos of which the first ones are right."""
    scored = answers(np.ones(20, bool), group_size=group_size)
    right = np.arange(20) < count
    return replace(scored, logits=np.eye(4)[np.where(right, scored.labels, (scored.labels + 1) % 4)])


def measured(
    right: Mapping[str, tuple[int, ...]], *, clean: int = 18, group_size: int = 1, split: str = "test"
) -> Robustness:
    corrupted = {
        (name, level): first(count, group_size=group_size)
        for name, counts in right.items()
        for level, count in zip(LEVELS, counts, strict=True)
    }
    return evaluate_robustness(first(clean, group_size=group_size), corrupted, split=split, available=50)


def test_accuracies_drops_and_means_are_those_by_hand() -> None:
    found = measured({"blur": BLUR, "noise": NOISE})
    assert (found.clean.value, found.clean.n, found.groups, found.available) == (0.9, 20, 20, 50)
    assert [one.accuracy.value for one in found.corruptions["blur"]] == [1.0, 0.9, 0.6, 0.5, 0.25]
    assert [one.accuracy.value for one in found.corruptions["noise"]] == [0.9, 0.8, 0.45, 0.25, 0.15]
    assert [one.drop.value for one in found.corruptions["blur"]] == pytest.approx([-0.1, 0.0, 0.3, 0.4, 0.65])
    assert [one.accuracy.value for one in found.mean] == pytest.approx([0.95, 0.85, 0.525, 0.375, 0.2])
    assert [one.drop.value for one in found.mean] == pytest.approx([-0.05, 0.05, 0.375, 0.525, 0.7])
    assert [one.level for one in found.mean] == list(LEVELS)
    third = found.corruptions["blur"][2]
    exact = stats.binomtest(12, 20).proportion_ci(method="exact")
    assert (third.accuracy.low, third.accuracy.high) == pytest.approx((exact.low, exact.high))
    middle = 6 / 22  # 6 lost and none won, with one group added to each side (Agresti and Min)
    reach = 1.959964 * np.sqrt(6 + 1 - 22 * middle**2) / 22
    assert third.drop.low <= middle - reach + 1e-6
    assert third.drop.low > 0.05
    assert third.drop.high >= middle + reach - 1e-6


def test_a_drop_is_compared_photo_by_photo() -> None:
    """Agresti and Min for 20 groups without a change: 1.96 / 22, though each accuracy is known to within 22 points."""
    same = measured({"blur": (18,) * 5}).corruptions["blur"][0]
    assert [same.drop.value, same.drop.low, same.drop.high] == pytest.approx([0, -1.959964 / 22, 1.959964 / 22])
    assert same.accuracy.low < 0.69


def test_photos_of_one_group_count_once() -> None:
    alone, together = (measured({"blur": BLUR}, group_size=size) for size in (1, 4))
    assert together.groups == 5
    for one, other in (
        (alone.clean, together.clean),
        (alone.corruptions["blur"][2].accuracy, together.corruptions["blur"][2].accuracy),
        (alone.corruptions["blur"][2].drop, together.corruptions["blur"][2].drop),
        (alone.mean[2].accuracy, together.mean[2].accuracy),
    ):
        assert one.value == other.value
        assert other.low < one.low
        assert other.high > one.high


def test_the_middle_level_is_put_into_words() -> None:
    found = measured({"blur": BLUR, "noise": NOISE})
    drop = widened(found.corruptions["noise"][2].drop, confidence=0.975)
    assert found.sentence == (
        "At level 3 of 5 the accuracy falls most for noise: from 90.0% to 45.0%, by 45.0 points "
        f"(95% interval {100 * drop.low:.1f} to {100 * drop.high:.1f}, corrected for 2 corruptions), "
        "on 20 of 50 test photos."
    )
    assert (found.weakest, found.photos) == ("noise", "20 of 50 test photos")
    assert replace(found, available=20).photos == "20 test photos"
    held = measured({"jpeg": (18, 18, 17, 2, 1), "crop": (18, 18, 18, 2, 1)}, split="valid")
    assert held.sentence.startswith(
        "At level 3 of 5 no corruption is shown to lower the accuracy of 90.0%; JPEG lowers it most, by 5.0 points (95%"
    )
    assert held.sentence.endswith(f"on 20 of 50 validation photos. {VALIDATION_NOTE}")
    for better in ((18, 18, 18, 2, 1), (18, 18, 19, 2, 1)):
        assert measured({"jpeg": better}).sentence == (
            "At level 3 of 5 no corruption lowers the accuracy of 90.0%, on 20 of 50 test photos."
        )


def test_a_fall_that_is_shown_alone_may_not_be_shown_among_six_corruptions() -> None:
    """Each of six 95% intervals excludes 0 by chance in up to 5% of cases, some one of them in up to 26%."""
    fell = (18, 18, 13, 10, 5)
    alone = measured({"jpeg": fell})
    assert alone.sentence.startswith("At level 3 of 5 the accuracy falls most for JPEG: from 90.0% to 65.0%, by 25.0 ")
    assert "corrected" not in alone.sentence
    others = dict.fromkeys(("blur", "noise", "brightness", "contrast", "crop"), (18,) * 5)
    among = measured({"jpeg": fell, **others})
    assert among.corruptions["jpeg"][2].drop == alone.corruptions["jpeg"][2].drop
    assert among.corruptions["jpeg"][2].drop.low > 0
    assert among.sentence.startswith(
        "At level 3 of 5 no corruption is shown to lower the accuracy of 90.0%; JPEG lowers it most, by 25.0 points "
        "(95% interval -"
    )
    assert ", corrected for 6 corruptions), on " in among.sentence
    lost = measured({"jpeg": (18, 18, 0, 0, 0), **others})
    assert " from 90.0% to 0.0%, by 90.0 points (95% interval " in lost.sentence
    assert " to 100.0, corrected for 6 corruptions)" in lost.sentence


def test_the_results_become_json() -> None:
    found = measured({"blur": BLUR})
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert list(stored) == ["split", "available", "groups", "sentence", "clean", "mean", "corruptions"]
    assert stored["sentence"] == found.sentence
    assert stored["clean"] == found.clean.to_json()
    assert [one["level"] for one in stored["corruptions"]["blur"]] == list(LEVELS)
    assert stored["corruptions"]["blur"][2] == {
        "level": 3,
        "accuracy": found.corruptions["blur"][2].accuracy.to_json(),
        "drop": found.corruptions["blur"][2].drop.to_json(),
    }


def test_a_missing_level_no_photos_and_other_photos_are_refused() -> None:
    clean = first(18)
    full = {("blur", level): first(10) for level in LEVELS}
    several = "Expected photos, and a prediction of each at all 5 levels; got"
    with pytest.raises(DataError, match=f"{several} 20 photos, 1 corruptions and 4 predictions"):
        evaluate_robustness(clean, {key: full[key] for key in list(full)[:4]}, split="test", available=20)
    with pytest.raises(DataError, match=f"{several} 20 photos, 0 corruptions"):
        evaluate_robustness(clean, {}, split="test", available=20)
    empty = clean.take([])
    with pytest.raises(DataError, match=f"{several} 0 photos"):
        evaluate_robustness(empty, {("blur", level): empty for level in LEVELS}, split="test", available=20)
    turned = {**full, ("blur", 3): clean.take(np.arange(20)[::-1])}
    with pytest.raises(DataError, match="same photos in one order"):
        evaluate_robustness(clean, turned, split="test", available=20)


def test_drawn_photos_keep_the_shares_of_classes_and_come_from_as_many_groups_as_there_are(
    make_scored: MakeScored,
) -> None:
    scored = make_scored(200)
    labels = np.array([0] * 100 + [1] * 60 + [2] * 40)
    scored = replace(scored, labels=labels, groups=tuple(f"g{number // 5}" for number in range(200)))
    chosen = spread_sample(scored, 40, seed=0)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert Counter(labels[chosen].tolist()) == {0: 20, 1: 12, 2: 8}
    assert len({scored.groups[number] for number in chosen}) == 40
    twice = spread_sample(scored, 80, seed=0)
    assert set(Counter(scored.groups[number] for number in twice).values()) == {2}


def test_the_same_seed_draws_the_same_photos_and_another_one_others(make_scored: MakeScored) -> None:
    scored = make_scored(60)
    assert np.array_equal(spread_sample(scored, 20, seed=3), spread_sample(scored, 20, seed=3))
    assert not np.array_equal(spread_sample(scored, 20, seed=3), spread_sample(scored, 20, seed=4))
    for most in (60, 1000):
        assert np.array_equal(spread_sample(scored, most, seed=3), np.arange(60))
    assert spread_sample(scored, 0, seed=3).tolist() == []
    assert spread_sample(scored.take([]), 5, seed=3).tolist() == []

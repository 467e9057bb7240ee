"""Tests of conformal prediction sets: coverage, set size and the decision rule used in serving."""

import re
from dataclasses import replace

import numpy as np
import pytest

from petmood.core.errors import ConfigError, DataError
from petmood.core.prediction import DecisionRule, decide
from petmood.core.schemas import ModelInfo
from petmood.evaluation.bootstrap import estimate_mean, estimate_proportion
from petmood.evaluation.conformal import (
    conformal_quantile,
    evaluate_prediction_sets,
    prediction_sets,
)
from petmood.evaluation.predictions import Predictions
from tests.support.evaluation import MakeScored


@pytest.mark.parametrize("n", [19, 100])
def test_sets_hold_the_truth_at_least_as_often_as_promised(make_scored: MakeScored, n: int) -> None:
    held = []
    unseen = make_scored(4000, skill=1.0, seed=10_000)
    for seed in range(150):
        quantile = conformal_quantile(make_scored(n, skill=1.0, seed=seed), coverage=0.9)
        sets = prediction_sets(unseen.probabilities(), quantile=quantile)
        held.append(sets[np.arange(4000), unseen.labels].mean())
    assert 0.893 <= np.mean(held) <= 0.9 + 1 / (n + 1) + 0.02


def test_the_quantile_is_the_corrected_order_statistic(make_scored: MakeScored) -> None:
    scored = make_scored(30)
    losses = np.sort(1 - scored.probabilities()[np.arange(30), scored.labels])
    assert conformal_quantile(scored, coverage=0.8) == losses[int(np.ceil(31 * 0.8)) - 1]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_a_coverage_that_a_whole_number_of_groups_has_is_reached_by_that_number(size: int) -> None:
    # Nine groups with the scores 0.1 to 0.9: 80% of 9 + 1 is 8 groups.
    score = np.repeat(np.arange(1, 10) / 10, size)
    logits = np.log(np.stack([1 - score, score], axis=1))
    groups, blank = tuple(map(str, np.repeat(np.arange(9), size))), ("",) * len(score)
    labels = np.zeros(len(score), dtype=np.int64)
    scored = Predictions(logits, labels, groups, groups, ("a", "b"), blank, np.full((len(score), 2), 99), blank)
    assert conformal_quantile(scored, coverage=0.8) == pytest.approx(0.8)


def test_too_few_photos_for_the_promise_give_every_class(make_scored: MakeScored) -> None:
    assert conformal_quantile(make_scored(8), coverage=0.9) == 1.0
    assert prediction_sets(make_scored(5).probabilities(), quantile=1.0).all()


def test_copies_of_photos_do_not_change_the_quantile(make_scored: MakeScored) -> None:
    scored = make_scored(30)
    assert conformal_quantile(scored.take(np.repeat(np.arange(30), 4))) == conformal_quantile(scored)


def test_a_large_group_weighs_as_much_as_a_single_photo() -> None:
    # Ten photos of one group with the score 0.05, and nine single photos with 0.1 to 0.9: ten groups. 80% of 11 is
    # 8.8, which is reached by the large group and the eighth single photo.
    score = np.array([0.05] * 10 + [0.1 * k for k in range(1, 10)])
    logits = np.stack([np.log((1 - score) / score), np.zeros(19)], axis=1)
    names, blank = tuple(map(str, range(19))), ("",) * 19
    groups = ("large",) * 10 + names[10:]
    labels = np.zeros(19, dtype=np.int64)
    scored = Predictions(logits, labels, groups, names, ("a", "b"), blank, np.full((19, 2), 99), blank)
    assert conformal_quantile(scored, coverage=0.8) == pytest.approx(0.8)


def test_groups_of_unequal_size_keep_the_promise_for_a_new_group(make_scored: MakeScored) -> None:
    held = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        members = np.repeat(np.arange(60), rng.choice([1, 12], 60))
        scored = make_scored(len(members), skill=1.0, seed=seed)
        hard = rng.normal(size=60)[members]
        mixed = scored.logits + np.eye(4)[scored.labels] * hard[:, None] * 2
        scored = replace(scored, logits=mixed, groups=tuple(map(str, members)))
        known, new = scored.take(members < 45), scored.take(members >= 45)
        sets = prediction_sets(new.probabilities(), quantile=conformal_quantile(known, coverage=0.85))
        inside = sets[np.arange(len(new)), new.labels]
        numbers = new.group_numbers()
        held.append(np.mean(np.bincount(numbers, weights=inside) / np.bincount(numbers)))
    assert np.mean(held) >= 0.84


def test_the_sets_are_those_of_the_serving_half(make_scored: MakeScored) -> None:
    scored = make_scored(60)
    quantile = conformal_quantile(scored, temperature=1.7)
    sets = prediction_sets(scored.probabilities(temperature=1.7), quantile=quantile)
    decision = DecisionRule(scored.classes, conformal_quantile=quantile)
    model = ModelInfo(name="demo", version="1", sha256="0" * 64)
    for logits, inside in zip(scored.logits / 1.7, sets, strict=True):
        served = decide(logits, decision, model=model).prediction_set
        assert set(served) == {name for name, member in zip(scored.classes, inside, strict=True) if member}


def test_no_set_is_empty(make_scored: MakeScored) -> None:
    sets = prediction_sets(make_scored(40).probabilities(), quantile=0.0)
    assert (sets.sum(axis=1) == 1).all()


def test_coverage_and_size_are_measured_with_intervals(make_scored: MakeScored) -> None:
    scored = make_scored(100)
    found = evaluate_prediction_sets(scored, quantile=conformal_quantile(make_scored(100, seed=1)))
    assert 0.8 < found.coverage.value <= 1.0
    assert sum(found.sizes) == 100
    assert found.mean_size.value == pytest.approx(np.average([1, 2, 3, 4], weights=found.sizes))
    assert found.mean_size.low < found.mean_size.value < found.mean_size.high


def test_sets_of_known_probabilities_are_counted_by_size() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.9, 0.06, 0.04], [0.4, 0.35, 0.25], [0.1, 0.2, 0.7]])
    groups, paths, blank = ("e", "f", "e", "g"), ("k", "l", "m", "n"), ("",) * 4
    labels = np.array([1, 1, 2, 2])
    scored = Predictions(
        np.log(probabilities), labels, groups, paths, ("a", "b", "c"), blank, np.full((4, 2), 99), blank
    )
    found = evaluate_prediction_sets(scored, quantile=0.85)
    assert found.sizes == (1, 2, 1)
    # At a temperature of 2 the third probability of the first photo is 0.19, and the least of the last is 0.18.
    assert evaluate_prediction_sets(scored, quantile=0.85, temperature=2.0).sizes == (0, 1, 3)
    numbers = np.array([0, 1, 0, 2])
    assert found.coverage == estimate_proportion([1, 0, 1, 1], numbers)
    assert found.mean_size == estimate_mean(np.array([2.0, 1.0, 3.0, 2.0]), numbers, seed=0)


def test_the_seed_draws_the_groups_of_the_mean_size(make_scored: MakeScored) -> None:
    groups = np.random.default_rng(0).integers(0, 25, 200)
    scored = replace(make_scored(200), groups=tuple(map(str, groups)))
    sizes = (scored.probabilities() >= 0.2).sum(axis=1).astype(float)
    found = {seed: evaluate_prediction_sets(scored, quantile=0.8, seed=seed).mean_size for seed in range(3)}
    assert found == {seed: estimate_mean(sizes, scored.group_numbers(), seed=seed) for seed in range(3)}
    assert len(set(found.values())) == 3
    assert evaluate_prediction_sets(scored, quantile=0.8).mean_size == found[0]


def test_bad_settings_and_missing_photos_are_refused(make_scored: MakeScored) -> None:
    for coverage in (-0.1, 0.0, 1.0):
        message = f"Expected coverage between 0 and 1, got {coverage}. For example: coverage=0.9."
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            conformal_quantile(make_scored(9), coverage=coverage)
    message = "Expected validation photos for prediction sets, got none. Give the data a valid split."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        conformal_quantile(make_scored(0))

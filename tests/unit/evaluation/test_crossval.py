"""Tests of cross-validation: every original is tested once, without group leakage, and metrics match predictions."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import Role
from petmood.evaluation.crossval import cross_validate
from petmood.evaluation.metrics import METRICS
from tests.support.evaluation import MakeRows

Ints = np.ndarray


def constant(train: Ints, test: Ints, seed: int) -> np.ndarray:
    """Always predict the first class."""
    del train, seed
    return np.tile([1.0, 0.0, 0.0, 0.0], (len(test), 1))


def test_only_originals_are_tested_and_their_groups_never_trained_on(make_rows: MakeRows) -> None:
    rows = make_rows(40, copies=2)
    rows[3] = replace(rows[3], role=Role.EXCLUDED)
    seen: list[str] = []

    def fit(train: Ints, test: Ints, seed: int) -> np.ndarray:
        assert not {rows[i].group_id for i in train} & {rows[i].group_id for i in test}
        assert all(rows[i].role == "original" for i in test)
        assert 3 not in train
        assert any(rows[i].role == "near_duplicate" for i in train)
        seen.extend(rows[i].path for i in test)
        return constant(train, test, seed)

    found = cross_validate(rows, fit, classes=DEFAULT_CLASSES, folds=4)
    originals = [row.path for row in rows if row.role == "original"]
    assert sorted(seen) == sorted(originals)
    assert list(found.pooled[0].paths) == originals


def test_the_numbers_are_those_of_the_pooled_answers(make_rows: MakeRows) -> None:
    rows = make_rows(40)
    found = cross_validate(rows, constant, classes=DEFAULT_CLASSES, folds=5)
    assert found.metrics["accuracy"].value == pytest.approx(0.25)
    assert found.metrics["accuracy"].low < 0.25 < found.metrics["accuracy"].high
    assert found.metrics["accuracy"].n == 40
    assert math.isnan(found.standard_errors["accuracy"])
    assert [fold.tested for fold in found.folds] == [8] * 5
    assert all(fold.trained == 32 for fold in found.folds)


def test_repeats_are_averaged_and_their_spread_is_reported(make_rows: MakeRows) -> None:
    def noisy(train: Ints, test: Ints, seed: int) -> np.ndarray:
        del train
        return np.random.default_rng(seed).normal(size=(len(test), 4))

    found = cross_validate(make_rows(60), noisy, classes=DEFAULT_CLASSES, folds=3, repeats=4, seed=2)
    per_repeat = [(part.predicted() == part.labels).mean() for part in found.pooled]
    assert found.metrics["accuracy"].value == pytest.approx(np.mean(per_repeat))
    assert found.standard_errors["accuracy"] == pytest.approx(np.std(per_repeat, ddof=1) / 2)
    assert len({fold.values["accuracy"] for fold in found.folds}) > 1


def test_the_interval_is_that_of_the_mean_over_all_repeats(make_rows: MakeRows) -> None:
    rows = make_rows(40)
    labels = np.array([DEFAULT_CLASSES.index(row.label) for row in rows])
    folds = 4
    calls: list[int] = []

    def half_right_in_turns(train: Ints, test: Ints, seed: int) -> np.ndarray:
        del train
        first_repeat = len(calls) < folds
        calls.append(seed)
        right = (test // 4 % 2 == 0) == first_repeat
        return np.asarray(np.eye(4)[np.where(right, labels[test], (labels[test] + 1) % 4)] * 200.0)

    found = cross_validate(rows, half_right_in_turns, classes=DEFAULT_CLASSES, folds=folds, repeats=2).metrics["brier"]
    # Every photo has a Brier score of 0 in one repeat and 2 in the other: whichever are drawn, the mean is 1.
    assert found.value == pytest.approx(1.0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_every_fold_gets_a_seed_of_its_own_and_the_same_next_time(make_rows: MakeRows) -> None:
    seeds: list[int] = []

    def fit(train: Ints, test: Ints, seed: int) -> np.ndarray:
        seeds.append(seed)
        return constant(train, test, seed)

    for _ in range(2):
        cross_validate(make_rows(20), fit, classes=DEFAULT_CLASSES, folds=4, seed=7)
    assert len(set(seeds[:4])) == 4
    assert seeds[:4] == seeds[4:]


def test_a_random_split_lets_a_memory_of_copies_shine_and_whole_groups_do_not(make_rows: MakeRows) -> None:
    rows = make_rows(60, copies=4)
    labels = np.array([DEFAULT_CLASSES.index(row.label) for row in rows])
    groups = np.array([row.group_id for row in rows])

    def memory(train: Ints, test: Ints, seed: int) -> np.ndarray:
        logits = np.random.default_rng(seed).normal(size=(len(test), 4))
        for place, photo in enumerate(test):
            relatives = train[groups[train] == groups[photo]]
            if len(relatives):
                logits[place, labels[relatives[0]]] += 50
        return logits

    honest, leaking = (
        cross_validate(rows, memory, classes=DEFAULT_CLASSES, grouped=grouped) for grouped in (True, False)
    )
    assert honest.metrics["accuracy"].high < 0.5
    assert leaking.metrics["accuracy"].value > 0.95


def test_it_can_be_written_as_json(make_rows: MakeRows) -> None:
    found = cross_validate(make_rows(12), constant, classes=DEFAULT_CLASSES, folds=4)
    text = json.dumps(found.to_json(), allow_nan=False)
    assert set(json.loads(text)["metrics"]) == set(METRICS)
    assert json.loads(text)["standard_errors"]["nll"] is None


def test_a_fold_of_copies_alone_is_passed_over(make_rows: MakeRows) -> None:
    rows = [replace(row, role=Role.NEAR_DUPLICATE) if row.group_id == "f0001" else row for row in make_rows(2)]
    found = cross_validate(rows, constant, classes=DEFAULT_CLASSES, folds=2)
    assert sorted(fold.tested for fold in found.folds) == [0, 1]
    assert len(found.pooled[0]) == 1


def test_nothing_to_test_or_train_on_and_wrong_shapes_are_refused(make_rows: MakeRows) -> None:
    with pytest.raises(DataError, match="original photos"):
        cross_validate(
            [replace(row, role=Role.NEAR_DUPLICATE) for row in make_rows(4)], constant, classes=DEFAULT_CLASSES
        )
    with pytest.raises(DataError, match="shape"):
        cross_validate(make_rows(8), lambda *_: np.zeros((1, 4)), classes=DEFAULT_CLASSES, folds=2)
    rows = [replace(row, group_id="one") for row in make_rows(8)]
    with pytest.raises(DataError, match="fewer folds"):
        cross_validate(rows, constant, classes=DEFAULT_CLASSES, folds=2)

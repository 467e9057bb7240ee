"""Tests of cross-validation: every original is tested once, without group leakage, and metrics match predictions."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import Role
from petmood.evaluation.bootstrap import Estimate, estimate_mean, estimate_metrics
from petmood.evaluation.crossval import CrossValidation, FoldScore, cross_validate, out_of_fold
from petmood.evaluation.fold_files import FoldFiles
from petmood.evaluation.folds import random_folds, stratified_group_folds
from petmood.evaluation.metrics import METRICS, per_sample_brier
from tests.support.evaluation import MakeRows, MakeScored

Ints = np.ndarray
T = TypeVar("T")


def constant(train: Ints, test: Ints, seed: int) -> np.ndarray:
    """Always predict the first class."""
    del train, seed
    return np.tile([1.0, 0.0, 0.0, 0.0], (len(test), 1))


def random_logits(train: Ints, test: Ints, seed: int) -> np.ndarray:
    """Draw the logits of a fold from its seed."""
    del train
    return np.random.default_rng(seed).normal(size=(len(test), 4))


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
    found = cross_validate(make_rows(60), random_logits, classes=DEFAULT_CLASSES, folds=3, repeats=4, seed=2)
    per_repeat = [(part.predicted() == part.labels).mean() for part in found.pooled]
    assert found.metrics["accuracy"].value == pytest.approx(np.mean(per_repeat))
    assert found.standard_errors["accuracy"] == pytest.approx(np.std(per_repeat, ddof=1) / 2)
    assert len({fold.values["accuracy"] for fold in found.folds}) > 1


def test_two_repeats_differ_by_twice_their_standard_error(make_rows: MakeRows) -> None:
    found = cross_validate(make_rows(30), random_logits, classes=DEFAULT_CLASSES, folds=3, repeats=2)
    one, two = (estimate_metrics(part, replicates=2) for part in found.pooled)
    for name in METRICS:
        assert found.standard_errors[name] == pytest.approx(abs(one[name].value - two[name].value) / 2)


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


@pytest.mark.parametrize(("asked", "seed"), [({}, 0), ({"seed": 3}, 3)])
def test_the_metrics_of_one_repeat_are_those_of_its_pooled_answers(
    make_rows: MakeRows, asked: dict[str, Any], seed: int
) -> None:
    found = cross_validate(make_rows(30), random_logits, classes=DEFAULT_CLASSES, folds=3, **asked)
    assert found.metrics == estimate_metrics(found.pooled[0], seed=seed)


def test_the_interval_of_two_repeats_is_that_of_the_mean_of_each_photo(make_rows: MakeRows) -> None:
    found = cross_validate(make_rows(30), random_logits, classes=DEFAULT_CLASSES, folds=3, repeats=2, seed=4)
    scores = [per_sample_brier(part.probabilities(), part.labels) for part in found.pooled]
    wanted = estimate_mean(np.mean(scores, axis=0), found.pooled[0].group_numbers(), seed=4)
    brier = found.metrics["brier"]
    assert (brier.value, brier.low, brier.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert brier.n == 30


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize(
    ("asked", "folds", "repeats", "seed"), [({}, 5, 1, 0), ({"folds": 3, "repeats": 2, "seed": 7}, 3, 2, 7)]
)
def test_the_folds_are_those_of_the_rows_and_the_seed(
    make_rows: MakeRows, asked: dict[str, Any], folds: int, repeats: int, seed: int, *, grouped: bool
) -> None:
    rows = make_rows(24)
    labels, groups = [DEFAULT_CLASSES.index(row.label) for row in rows], [row.group_id for row in rows]
    fitted: list[tuple[list[int], list[int]]] = []

    def fit(train: Ints, test: Ints, seed: int) -> np.ndarray:
        fitted.append((train.tolist(), test.tolist()))
        return random_logits(train, test, seed)

    plan = (
        stratified_group_folds(labels, groups, folds=folds, repeats=repeats, seed=seed)
        if grouped
        else random_folds(labels, folds=folds, repeats=repeats, seed=seed)
    )
    found = cross_validate(rows, fit, classes=DEFAULT_CLASSES, grouped=grouped, **asked)
    assert fitted == [(fold.train.tolist(), fold.test.tolist()) for fold in plan]
    assert [(fold.repeat, fold.fold, fold.trained, fold.tested) for fold in found.folds] == [
        (fold.repeat, fold.fold, len(fold.train), len(fold.test)) for fold in plan
    ]
    assert len(found.pooled) == repeats


def test_groups_are_kept_whole_unless_asked_otherwise(make_rows: MakeRows) -> None:
    rows = [replace(row, group_id="one" if number < 8 else row.group_id) for number, row in enumerate(make_rows(24))]
    tested = [fold.tested for fold in cross_validate(rows, constant, classes=DEFAULT_CLASSES, folds=4).folds]
    assert max(tested) >= 8


def test_the_values_of_a_fold_are_those_of_its_photos(make_rows: MakeRows) -> None:
    rows = make_rows(24)
    fitted: list[Ints] = []

    def fit(train: Ints, test: Ints, seed: int) -> np.ndarray:
        fitted.append(test)
        return random_logits(train, test, seed)

    found = cross_validate(rows, fit, classes=DEFAULT_CLASSES, folds=3)
    for fold, test in zip(found.folds, fitted, strict=True):
        wanted = estimate_metrics(found.pooled[0].take(test), replicates=2)
        assert fold.values == pytest.approx({name: wanted[name].value for name in METRICS})


def test_progress_over_the_folds_is_reported(make_rows: MakeRows) -> None:
    reported: list[tuple[int | None, str]] = []

    def progress(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        reported.append((total, what))
        yield from items

    cross_validate(make_rows(8), constant, classes=DEFAULT_CLASSES, folds=2, repeats=3, progress=progress)
    assert reported == [(6, "cross-validating")]


def test_stored_folds_are_not_fitted_again_and_a_lost_one_is(make_rows: MakeRows, tmp_path: Path) -> None:
    rows, files = make_rows(12, copies=1), FoldFiles(tmp_path, {"data": "d1"})
    fitted: list[Ints] = []

    def fit(train: Ints, test: Ints, seed: int) -> np.ndarray:
        fitted.append(test)
        return random_logits(train, test, seed)

    def run() -> CrossValidation:
        return cross_validate(rows, fit, classes=DEFAULT_CLASSES, folds=3, repeats=2, seed=1, files=files)

    first = run()
    assert len(fitted) == 6
    again = run()
    assert len(fitted) == 6
    assert again.to_json() == first.to_json()
    assert all((one.logits == two.logits).all() for one, two in zip(first.pooled, again.pooled, strict=True))
    lost = tmp_path / "folds/recipe-1-2.npz"
    stored = lost.read_bytes()
    lost.unlink()
    assert run().to_json() == first.to_json()
    assert len(fitted) == 7
    np.testing.assert_array_equal(fitted[6], fitted[5])
    assert len(lost.read_bytes()) == len(stored)


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


def test_a_fold_as_json_has_its_numbers_and_undefined_metrics_become_none() -> None:
    score = FoldScore(repeat=1, fold=2, trained=30, tested=10, values={"accuracy": 0.5, "ece": math.nan})
    assert score.to_json() == {"repeat": 1, "fold": 2, "trained": 30, "tested": 10, "accuracy": 0.5, "ece": None}


def test_a_cross_validation_as_json_has_metrics_standard_errors_and_folds(make_scored: MakeScored) -> None:
    found = CrossValidation(
        pooled=(make_scored(4), make_scored(4)),
        folds=(FoldScore(0, 0, trained=3, tested=1, values={"nll": 0.7}),),
        metrics={"nll": Estimate(0.6, 0.4, 0.9, n=4)},
        standard_errors={"nll": 0.1, "ece": math.nan},
    )
    assert found.to_json() == {
        "metrics": {"nll": {"value": 0.6, "low": 0.4, "high": 0.9, "n": 4}},
        "standard_errors": {"nll": 0.1, "ece": None},
        "repeats": 2,
        "folds": [{"repeat": 0, "fold": 0, "trained": 3, "tested": 1, "nll": 0.7}],
    }


def test_a_fold_of_copies_alone_is_passed_over(make_rows: MakeRows) -> None:
    rows = [replace(row, role=Role.NEAR_DUPLICATE) if row.group_id == "f0001" else row for row in make_rows(2)]
    found = cross_validate(rows, constant, classes=DEFAULT_CLASSES, folds=2)
    assert sorted(fold.tested for fold in found.folds) == [0, 1]
    (empty,) = (fold for fold in found.folds if fold.tested == 0)
    assert (empty.trained, empty.values) == (1, {})
    assert len(found.pooled[0]) == 1


def test_nothing_to_test_or_train_on_and_wrong_shapes_are_refused(make_rows: MakeRows) -> None:
    message = "Expected original photos to cross-validate on, got none. Import photos first."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        cross_validate(
            [replace(row, role=Role.NEAR_DUPLICATE) for row in make_rows(4)], constant, classes=DEFAULT_CLASSES
        )
    message = "Expected logits of shape (4, 4) from the method, got (1, 4)."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        cross_validate(make_rows(8), lambda *_: np.zeros((1, 4)), classes=DEFAULT_CLASSES, folds=2)
    rows = [replace(row, group_id="one") for row in make_rows(8)]
    with pytest.raises(DataError, match="fewer folds"):
        cross_validate(rows, constant, classes=DEFAULT_CLASSES, folds=2)


def test_out_of_fold_predictions_alone_are_those_of_the_first_repeat(make_rows: MakeRows) -> None:
    rows = make_rows(24, copies=1)
    rows[3] = replace(rows[3], role=Role.EXCLUDED)
    found = out_of_fold(rows, random_logits, classes=DEFAULT_CLASSES, folds=3, seed=5)
    (whole,) = cross_validate(rows, random_logits, classes=DEFAULT_CLASSES, folds=3, seed=5).pooled
    assert found.paths == whole.paths
    np.testing.assert_array_equal(found.logits, whole.logits)
    (default,) = cross_validate(rows, random_logits, classes=DEFAULT_CLASSES).pooled
    np.testing.assert_array_equal(out_of_fold(rows, random_logits, classes=DEFAULT_CLASSES).logits, default.logits)

"""Tests of the complete evaluation: which values are measured on which split."""

import json
from dataclasses import replace

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.evaluation.calibration import fit_temperature
from petmood.evaluation.evaluate import evaluate, summary_text
from petmood.evaluation.metrics import METRICS, metrics
from petmood.evaluation.model_choice import ModelChoice
from tests.support.evaluation import MakeScored


def test_the_json_has_the_promised_keys(make_scored: MakeScored) -> None:
    found = evaluate(
        {"valid": make_scored(80, seed=1), "test": make_scored(80)},
        baselines={"most_frequent": (make_scored(80, skill=0.0),), "random_split": (make_scored(0),)},
    )
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert written["main"] == "test"
    assert set(written["splits"]["test"]) == set(METRICS)
    assert set(written["splits"]["test"]["accuracy"]) == {"value", "low", "high", "n"}
    assert set(written) >= {"calibration", "abstention", "conformal", "baselines", "slices", "classes"}
    assert list(written["baselines"]) == ["most_frequent"]
    assert written["conformal"]["coverage"]["n"] == 80


def test_what_is_chosen_is_chosen_on_validation_photos_alone(make_scored: MakeScored) -> None:
    valid, test = make_scored(200, seed=1, skill=4.0), make_scored(100)
    found = evaluate({"valid": valid, "test": test})
    other = evaluate({"valid": valid, "test": make_scored(100, seed=5, skill=0.2)})
    assert found.calibration.temperature == other.calibration.temperature == fit_temperature(valid)
    assert found.abstention.rule == other.abstention.rule
    assert found.conformal.quantile == other.conformal.quantile
    assert found.calibration.fitted_on == 200


def test_photos_that_chose_the_model_do_not_calibrate_it(make_scored: MakeScored) -> None:
    valid, test = make_scored(200, seed=1, skill=4.0), make_scored(100)
    choice = ModelChoice(tried=9, chosen_on=100, calibrating=np.arange(100, 200), separate=True)
    found = evaluate({"valid": valid, "test": test}, choice=choice)
    alone = evaluate({"valid": valid.take(np.arange(100, 200)), "test": test})
    assert found.calibration.temperature == alone.calibration.temperature
    assert found.abstention.rule == alone.abstention.rule
    assert found.conformal.quantile == alone.conformal.quantile
    assert (found.calibration.fitted_on, found.splits["valid"]["accuracy"].n) == (100, 200)
    assert found.to_json()["selection"] == {**choice.to_json(), "confidence": 0.9}
    assert "best of 9 tried, chosen on 100 other validation photos" in summary_text(found)


def test_numbers_are_those_of_calibrated_probabilities_and_before_is_kept(make_scored: MakeScored) -> None:
    valid, test = make_scored(300, seed=1), make_scored(300, seed=2)
    found = evaluate({"valid": valid, "test": replace(test, logits=test.logits * 5)})
    plain = metrics(replace(test, logits=test.logits * 5).probabilities(), test.labels)
    assert found.calibration.before["nll"].value == pytest.approx(plain["nll"][0])
    assert found.calibration.after["nll"] == found.splits["test"]["nll"]


def test_without_validation_photos_nothing_is_promised(make_scored: MakeScored) -> None:
    found = evaluate({"test": make_scored(60), "valid": make_scored(0)})
    assert found.calibration.temperature == 1.0
    assert found.abstention.rule.threshold is None
    assert found.conformal.quantile is None
    assert "not fitted" in summary_text(found)
    json.dumps(found.to_json(), allow_nan=False)


def test_choices_are_not_measured_on_the_photos_they_were_made_on(make_scored: MakeScored) -> None:
    found = evaluate({"train": make_scored(50), "valid": make_scored(200, skill=6.0)})
    assert found.main == "valid"
    assert found.abstention.rule.threshold is not None
    assert found.abstention.measured is None
    assert found.conformal.quantile is not None
    assert found.conformal.measured is None
    assert "error if confident" not in summary_text(found)


def test_permuted_labels_are_a_mean_with_the_range_of_permutations(make_scored: MakeScored) -> None:
    # Accuracies 0.2, 0.3 and 0.4: mean 0.3, standard deviation 0.1, Student's t 4.3027, sqrt(4 / 3): 0.3 +- 0.4968
    scored = make_scored(10, classes=("a", "b"))
    parts = tuple(
        replace(scored, logits=np.eye(2)[np.where(np.arange(10) < right, scored.labels, 1 - scored.labels)])
        for right in (2, 3, 4)
    )
    found = evaluate({"test": scored}, baselines={"permuted_labels": parts}).baselines["permuted_labels"]["accuracy"]
    assert found.value == pytest.approx(0.3)
    assert (found.low, found.high) == pytest.approx((0.0, 0.7968), abs=1e-4)
    assert found.n == 10


def test_a_split_of_another_name_can_be_all_there_is(make_scored: MakeScored) -> None:
    assert evaluate({"photos of one evening": make_scored(20)}).main == "photos of one evening"
    assert evaluate({"train": make_scored(9), "crossval": make_scored(20)}).main == "crossval"


def test_no_photos_at_all_is_a_clear_error(make_scored: MakeScored) -> None:
    with pytest.raises(DataError, match="at least one split"):
        evaluate({"test": make_scored(0)})


def test_the_table_has_an_interval_beside_every_number(make_scored: MakeScored) -> None:
    found = evaluate(
        {"valid": make_scored(200, seed=1, skill=6.0), "test": make_scored(50, skill=6.0)},
        baselines={"hog_svm": (make_scored(50, skill=0.3),)},
    )
    text = summary_text(found)
    for words in ("accuracy", "macro F1", "calibration error", "HOG features + SVM", "confident from", "sets for 90%"):
        line = next(line for line in text.splitlines() if words in line and "(" in line)
        assert " to " in line or words == "confident from"
    assert not np.any([line.endswith(" ") for line in text.splitlines()])


def test_the_same_seed_gives_the_same_evaluation(make_scored: MakeScored) -> None:
    splits = {"valid": make_scored(60, seed=1), "test": make_scored(60)}
    assert evaluate(splits, seed=3).to_json() == evaluate(splits, seed=3).to_json()

"""Tests of the complete evaluation: which values are measured on which split."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.evaluation.bootstrap import Estimate, estimate_class_metrics, estimate_metrics
from petmood.evaluation.calibration import ReliabilityBin, calibrated_ece, fit_temperature, reliability
from petmood.evaluation.comparison import Comparison, Difference, compare
from petmood.evaluation.conformal import PredictionSetMetrics, conformal_quantile, evaluate_prediction_sets
from petmood.evaluation.evaluate import (
    AbstentionResult,
    Calibration,
    Conformal,
    Evaluation,
    evaluate,
)
from petmood.evaluation.metrics import METRICS, metrics
from petmood.evaluation.model_choice import ModelChoice
from petmood.evaluation.permutation import PermutationTest, Permuted
from petmood.evaluation.selective import AbstainRule, Selective, choose_threshold, evaluate_selective, risk_coverage
from petmood.evaluation.slices import Slice, slice_metrics
from petmood.evaluation.summary import summary_text
from petmood.evaluation.verdict import chance_text
from tests.support.evaluation import MakeScored


def share(value: float, *, n: int = 40) -> Estimate:
    """Return an estimate that is known to within 1/8."""
    return Estimate(value, value - 0.125, value + 0.125, n)


def written(value: float, *, n: int = 40) -> dict[str, float]:
    """Return the JSON values of ``share``."""
    return {"value": value, "low": value - 0.125, "high": value + 0.125, "n": n}


RESULTS = Evaluation(
    main="test",
    splits={
        "valid": {"accuracy": share(0.5, n=20)},
        "test": {"accuracy": share(0.75), "macro_f1": share(0.25), "nll": Estimate(math.nan, math.nan, math.nan, 0)},
    },
    per_class={"test": {"happy": {"recall": share(0.625, n=8)}}},
    calibration=Calibration(
        1.5,
        fitted_on=20,
        before={"ece": share(0.5)},
        after={"ece": share(0.25)},
        ece_by_chance=0.125,
        reliability=(ReliabilityBin(confidence=0.7, accuracy=0.75, low=0.5, high=0.875, n=10),),
    ),
    abstention=AbstentionResult(
        AbstainRule(0.625, 0.1, 0.9, error=0.0625, coverage=0.875, n=20, reason="error at most 10%"),
        Selective(error=share(0.125, n=30), coverage=share(0.75)),
        aurc=0.0625,
    ),
    conformal=Conformal("lac", 0.9, 0.8125, PredictionSetMetrics(share(0.875), share(1.5), sizes=(25, 10, 5))),
    baselines={"hog_svm": {"accuracy": share(0.5)}},
    slices=(Slice("species", "cat", share(0.5, n=12), readable=True),),
    choice=ModelChoice(tried=3, chosen_on=30, calibrating=np.arange(20), separate=True),
)
VERDICT = "The model is right in 75.0% of 40 test photos (95% interval 62.5 to 87.5%)."
NOTHING_CHOSEN = replace(
    RESULTS,
    calibration=replace(RESULTS.calibration, temperature=1.0, fitted_on=0),
    abstention=AbstentionResult(
        AbstainRule(None, 0.1, 0.9, error=math.nan, coverage=0.0, n=0, reason="too little data"), None, aurc=math.nan
    ),
    conformal=Conformal("lac", 0.9, None, None),
    baselines={},
)


def test_all_results_are_written_as_json() -> None:
    assert RESULTS.to_json() == {
        "main": "test",
        "verdict": VERDICT,
        "splits": {
            "valid": {"accuracy": written(0.5, n=20)},
            "test": {
                "accuracy": written(0.75),
                "macro_f1": written(0.25),
                "nll": {"value": None, "low": None, "high": None, "n": 0},
            },
        },
        "classes": {"test": {"happy": {"recall": written(0.625, n=8)}}},
        "calibration": {
            "temperature": 1.5,
            "fitted_on": 20,
            "before": {"ece": written(0.5)},
            "after": {"ece": written(0.25)},
            "ece_by_chance": 0.125,
            "reliability": [{"confidence": 0.7, "accuracy": 0.75, "low": 0.5, "high": 0.875, "n": 10}],
        },
        "abstention": {
            "threshold": 0.625,
            "target_error": 0.1,
            "confidence": 0.9,
            "valid_error": 0.0625,
            "valid_coverage": 0.875,
            "n": 20,
            "reason": "error at most 10%",
            "error": written(0.125, n=30),
            "coverage": written(0.75),
            "aurc": 0.0625,
        },
        "conformal": {
            "method": "lac",
            "target_coverage": 0.9,
            "quantile": 0.8125,
            "coverage": written(0.875),
            "mean_size": written(1.5),
            "sizes": [25, 10, 5],
        },
        "selection": {**RESULTS.choice.to_json(), "confidence": 0.9},
        "baselines": {"hog_svm": {"accuracy": written(0.5)}},
        "comparison": None,
        "slices": [{"kind": "species", "name": "cat", "accuracy": written(0.5, n=12), "readable": True}],
        "domain": None,
    }


def test_what_was_not_measured_is_null_in_the_json() -> None:
    found = NOTHING_CHOSEN.to_json()
    assert found["abstention"] == {
        "threshold": None,
        "target_error": 0.1,
        "confidence": 0.9,
        "valid_error": None,
        "valid_coverage": 0.0,
        "n": 0,
        "reason": "too little data",
        "error": None,
        "coverage": None,
        "aurc": None,
    }
    assert found["conformal"] == {
        "method": "lac",
        "target_coverage": 0.9,
        "quantile": None,
        "coverage": None,
        "mean_size": None,
        "sizes": None,
    }


def test_the_table_shows_every_split_the_baselines_and_the_confidence() -> None:
    assert summary_text(RESULTS).splitlines() == [
        VERDICT,
        "",
        "20 validation photos (95% interval over groups)",
        "  accuracy                                    0.500 (0.375 to 0.625)",
        "",
        "40 test photos (95% interval over groups)",
        "  accuracy                                    0.750 (0.625 to 0.875)",
        "  macro F1                                    0.250 (0.125 to 0.375)",
        "  negative log likelihood                     -",
        "",
        "accuracy of the baselines",
        "  HOG features + SVM                          0.500 (0.375 to 0.625), 40 photos",
        "",
        "confidence",
        "  temperature                                 1.500, fitted on 20 validation photos",
        "  model                                       best of 3 tried, chosen on 30 other validation photos",
        "  confident from                              0.625, error at most 10%",
        "  error if confident                          12.5% (0.0 to 25.0)",
        "  coverage                                    75.0% (62.5 to 87.5)",
        "  sets for 90%                                contain the truth in 87.5% (75.0 to 100.0)",
        "  classes in a set                            1.50 (1.38 to 1.62)",
    ]


def test_the_table_says_what_was_not_fitted_and_has_no_lines_for_it() -> None:
    lines = summary_text(NOTHING_CHOSEN).splitlines()
    assert lines[lines.index("40 test photos (95% interval over groups)") + 4 :] == [
        "",
        "confidence",
        "  temperature                                 1.000, not fitted: no validation photos",
        "  confident from                              no threshold: too little data",
    ]


def test_the_table_says_what_the_permutation_test_found() -> None:
    chance = PermutationTest(Permuted.PREDICTIONS, 9999, mean=0.25, low=0.17, high=0.335, p_value=0.012)
    text = summary_text(replace(RESULTS, comparison=Comparison(chance, baselines={"hog_svm": Difference(0.25, 0.03)})))
    assert text.splitlines()[0] == (
        f"{VERDICT} It is better than chance (p = 0.012) and than every baseline (largest p = 0.03)."
    )
    assert chance_text(chance, subject="this model") in text.splitlines()


@pytest.mark.parametrize(
    ("chosen_on", "separate", "said"),
    [
        (
            30,
            False,
            ["  model                                       best of 3 tried, chosen on 30 the same validation photos"],
        ),
        (0, True, []),
    ],
)
def test_the_table_says_which_photos_chose_the_model(chosen_on: int, separate: bool, said: list[str]) -> None:
    choice = replace(RESULTS.choice, chosen_on=chosen_on, separate=separate)
    lines = summary_text(replace(RESULTS, choice=choice)).splitlines()
    assert [line for line in lines if line.startswith("  model ")] == said


def test_every_part_is_computed_with_the_settings_and_the_calibrated_probabilities(make_scored: MakeScored) -> None:
    # Groups of two, with one of a single photo: no two seeds give the same bootstrap interval.
    valid, test = (make_scored(141, seed=seed, skill=3.0, group_size=2) for seed in (1, 2))
    valid, test = (replace(scored, logits=9 * scored.logits) for scored in (valid, test))  # overconfident
    baseline = make_scored(141, seed=3, group_size=2)
    found = evaluate(
        {"valid": valid, "test": test},
        baselines={"hog_svm": (baseline,)},
        target_error=0.2,
        coverage=0.95,
        seed=3,
    )
    scale = fit_temperature(valid)
    plain, scaled = estimate_metrics(test, seed=3), estimate_metrics(test, temperature=scale, seed=3)
    rule = choose_threshold(valid, target_error=0.2, temperature=scale)
    quantile = conformal_quantile(valid, coverage=0.95, temperature=scale)
    assert found.splits == {"valid": estimate_metrics(valid, temperature=scale, seed=3), "test": scaled}
    assert found.per_class == {"valid": estimate_class_metrics(valid), "test": estimate_class_metrics(test)}
    assert found.calibration == Calibration(
        scale,
        fitted_on=141,
        before={name: plain[name] for name in ("brier", "nll", "ece")},
        after={name: scaled[name] for name in ("brier", "nll", "ece")},
        ece_by_chance=float(calibrated_ece(test, temperature=scale, seed=3).mean()),
        reliability=reliability(test, temperature=scale),
    )
    assert scale > 2
    assert rule.threshold is not None
    assert found.abstention == AbstentionResult(
        rule,
        evaluate_selective(test, threshold=rule.threshold, temperature=scale),
        aurc=risk_coverage(test, temperature=scale).aurc,
    )
    assert found.conformal == Conformal(
        "lac", 0.95, quantile, evaluate_prediction_sets(test, quantile=quantile, temperature=scale, seed=3)
    )
    assert found.baselines == {"hog_svm": estimate_metrics(baseline, seed=3)}
    assert found.slices == slice_metrics(test)
    assert found.choice.to_json() == ModelChoice(1, 0, np.arange(141), separate=True).to_json()


def test_by_default_one_error_of_ten_sets_of_90_percent_and_the_seed_0(make_scored: MakeScored) -> None:
    splits = {"valid": make_scored(61, seed=1, group_size=2), "test": make_scored(61, group_size=2)}
    assert evaluate(splits).to_json() == evaluate(splits, target_error=0.1, coverage=0.9, seed=0).to_json()


def test_the_json_has_the_promised_keys(make_scored: MakeScored) -> None:
    found = evaluate(
        {"valid": make_scored(80, seed=1), "test": make_scored(80)},
        baselines={"most_frequent": (make_scored(80, skill=0.0),), "random_split": (make_scored(0),)},
    )
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert stored["main"] == "test"
    assert set(stored["splits"]["test"]) == set(METRICS)
    assert set(stored["splits"]["test"]["accuracy"]) == {"value", "low", "high", "n"}
    assert set(stored) >= {"calibration", "abstention", "conformal", "baselines", "slices", "classes"}
    assert list(stored["baselines"]) == ["most_frequent"]
    assert stored["conformal"]["coverage"]["n"] == 80


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
    assert found.abstention.rule.reason.endswith("there are 0")
    assert found.abstention.measured is None
    assert found.calibration.fitted_on == 0
    assert found.conformal == Conformal("lac", target=0.9, quantile=None, measured=None)
    assert found.choice.to_json() == ModelChoice(1, 0, np.arange(0), separate=True).to_json()
    assert "not fitted" in summary_text(found)
    json.dumps(found.to_json(), allow_nan=False)


def test_choices_are_not_measured_on_the_photos_they_were_made_on(make_scored: MakeScored) -> None:
    valid = make_scored(200, skill=6.0)
    found = evaluate({"train": make_scored(50), "valid": valid})
    assert found.main == "valid"
    assert found.abstention.rule.threshold is not None
    assert found.abstention.measured is None
    quantile = conformal_quantile(valid, temperature=found.calibration.temperature)
    assert found.conformal == Conformal("lac", target=0.9, quantile=quantile, measured=None)
    assert "error if confident" not in summary_text(found)


def test_permuted_labels_are_a_mean_with_the_range_of_permutations(make_scored: MakeScored) -> None:
    scored = make_scored(10, classes=("a", "b"))
    parts = tuple(
        replace(scored, logits=np.eye(2)[np.where(np.arange(10) < right, scored.labels, 1 - scored.labels)])
        for right in (2, 3, 4)
    )
    found = evaluate({"test": scored}, baselines={"permuted_labels": parts}).baselines["permuted_labels"]
    accuracy = found["accuracy"]
    # Quantiles of 0.2, 0.3 and 0.4: 2.5% of the way from the least to the next twice over.
    assert (accuracy.value, accuracy.low, accuracy.high) == pytest.approx((0.3, 0.205, 0.395))
    assert accuracy.n == 10


def test_the_model_is_compared_with_chance_and_with_the_baselines_of_the_main_split(make_scored: MakeScored) -> None:
    valid, test, weak = make_scored(60, seed=1), make_scored(60, skill=4.0), make_scored(60, skill=0.2)
    baselines = {"hog_svm": (weak,), "permuted_labels": (weak, weak), "random_split": (make_scored(0),)}
    found = evaluate({"valid": valid, "test": test}, baselines=baselines, seed=4)
    assert found.comparison == compare([test], {"hog_svm": (weak,), "permuted_labels": (weak, weak)}, seed=4)
    assert found.comparison is not None
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert stored["comparison"] == found.comparison.to_json()
    assert stored["comparison"]["chance"]["permutations"] >= 50
    assert stored["verdict"] == found.verdict
    assert found.verdict.startswith("The model is right in")
    assert "of 60 test photos" in found.verdict


def test_every_number_on_validation_photos_is_called_one_and_said_to_be_optimistic(make_scored: MakeScored) -> None:
    found = evaluate({"valid": make_scored(60, skill=4.0)})
    assert "of 60 validation photos" in found.verdict
    assert found.verdict.endswith(
        "These photos calibrated the model and may have chosen it: it may be less accurate on others."
    )
    assert "60 validation photos (95% interval over groups)" in summary_text(found).splitlines()
    assert "test" not in found.verdict


def test_a_split_of_another_name_can_be_all_there_is(make_scored: MakeScored) -> None:
    assert evaluate({"photos of one evening": make_scored(20)}).main == "photos of one evening"
    assert evaluate({"train": make_scored(9), "crossval": make_scored(20)}).main == "crossval"


def test_no_photos_at_all_is_a_clear_error(make_scored: MakeScored) -> None:
    message = "Expected at least one split with photos to evaluate, got none. Check the dataset."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
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

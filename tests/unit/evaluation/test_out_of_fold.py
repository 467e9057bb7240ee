"""Out-of-fold predictions: the guarantees simulated, what is said of them, and baselines by the same folds."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.out_of_fold import measured
from petmood.data.index import Split
from petmood.evaluation.baselines import BASELINES
from petmood.evaluation.bootstrap import estimate_metrics
from petmood.evaluation.calibration import fit_temperature
from petmood.evaluation.comparison import compare
from petmood.evaluation.conformal import conformal_quantile
from petmood.evaluation.evaluate import evaluate
from petmood.evaluation.model_choice import ModelChoice
from petmood.evaluation.out_of_fold import OutOfFold, cross_validated_baselines, cv_plus_coverage
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.selective import choose_threshold
from petmood.evaluation.undecided import undecided
from petmood.presentation.display_names import VALIDATION_NOTE
from tests.support.evaluation import MakeRows, MakeScored


def used_by(*repeats: Predictions, calibrates: bool = True) -> OutOfFold:
    """Return predictions of five folds that calibrate a run without test photos."""
    return OutOfFold(repeats, folds=5, learned=293, calibrates=calibrates, is_headline=True)


def test_out_of_fold_photos_reach_a_threshold_where_36_validation_photos_do_not_and_the_error_holds() -> None:
    found = measured(distance=3.3, draws=25)
    assert found["validation"]["with_threshold"] <= 0.3
    assert found["out_of_fold"]["with_threshold"] >= 0.7
    assert found["out_of_fold"]["error_above_target"] <= 0.1
    assert found["out_of_fold"]["coverage"] >= 0.88
    assert found["out_of_fold"]["coverage_5th_percentile"] > found["validation"]["coverage_5th_percentile"]


def test_the_photos_that_calibrate_are_those_predicted_out_of_fold(make_scored: MakeScored) -> None:
    pooled, valid = make_scored(329, seed=1, skill=5.0), make_scored(36, seed=2)
    choice = ModelChoice(tried=1, chosen_on=0, calibrating=np.arange(329), separate=True, out_of_fold=True)
    used = used_by(pooled)
    found = evaluate({"valid": valid}, choice=choice, out_of_fold=used)
    temperature = fit_temperature(pooled)
    assert found.calibration.temperature == temperature
    assert found.calibration.fitted_on == 329
    assert found.conformal.quantile == conformal_quantile(pooled, temperature=temperature)
    rule = choose_threshold(pooled, temperature=temperature)
    assert found.abstention.rule.threshold == rule.threshold is not None
    assert "Learn-then-Test, binomial, out-of-fold predictions" in found.abstention.rule.reason
    assert found.abstention.measured is None
    assert found.conformal.measured is None


def test_without_a_test_split_the_cross_validation_is_the_headline_beside_the_validation(
    make_scored: MakeScored,
) -> None:
    pooled, valid = make_scored(329, seed=1), make_scored(36, seed=2)
    found = evaluate({"valid": valid}, out_of_fold=used_by(pooled, calibrates=False))
    assert found.main == "crossval"
    assert found.splits["crossval"]["accuracy"] == estimate_metrics(pooled)["accuracy"]
    assert found.splits["valid"]["accuracy"] == estimate_metrics(valid)["accuracy"]
    written = found.to_json()
    assert str(written["verdict"]).startswith("The recipe is right in ")
    assert "% of 329 photos in cross-validation (95% interval " in found.verdict
    assert VALIDATION_NOTE not in found.verdict
    assert found.photos_of("crossval") == "329 photos in cross-validation"
    assert found.photos_of("valid") == "36 validation photos"
    assert found.calibration.fitted_on == 36, "they are the headline, and don't calibrate"
    assert found.abstention.measured is None
    assert written["out_of_fold"] == {
        "photos": 329,
        "groups": 329,
        "folds": 5,
        "repeats": 1,
        "learned": 293,
        "calibrates": False,
        "headline": True,
        "crossval": None,
        "sentences": "Of 329 photos in 5 folds, each was predicted by a model fitted without its group.",
    }


def test_the_headline_is_a_mean_over_the_repeats_of_the_folds(make_scored: MakeScored) -> None:
    pooled = make_scored(100, seed=1)
    flipped = replace(pooled, logits=-pooled.logits)
    found = evaluate({}, out_of_fold=used_by(pooled, flipped))
    two = [estimate_metrics(one)["accuracy"].value for one in (pooled, flipped)]
    assert found.splits["crossval"]["accuracy"].value == pytest.approx(np.mean(two))


def test_the_recipe_is_compared_with_chance_and_baselines_by_all_its_out_of_fold_predictions(
    make_scored: MakeScored,
) -> None:
    pooled = make_scored(100, seed=1, skill=4.0)
    repeats = (pooled, replace(pooled, logits=-pooled.logits))
    baselines = {"hog_svm": (pooled,), "permuted_labels": (pooled, pooled)}
    splits = {"valid": make_scored(36, seed=2)}
    found = evaluate(splits, baselines=baselines, out_of_fold=used_by(*repeats), seed=4)
    assert found.comparison == compare(repeats, baselines, seed=4)
    assert found.comparison != compare([pooled], baselines, seed=4)
    assert found.comparison is not None
    assert list(found.comparison.baselines) == ["hog_svm"]
    assert any(sentence.startswith("The recipe is not shown to be better than") for sentence in undecided(found))


def test_on_another_dataset_its_photos_are_the_headline_and_the_cross_validation_is_left_out(
    make_scored: MakeScored,
) -> None:
    splits = {"valid": make_scored(36, seed=2), "validation photos of other": make_scored(20, seed=3)}
    used = used_by(make_scored(100, seed=1))
    found = evaluate(splits, out_of_fold=used, main="validation photos of other")
    assert (found.main, list(found.splits)) == ("validation photos of other", list(splits))
    assert found.verdict.startswith("The model is right in ")
    assert "% of 20 validation photos of other" in found.verdict


def test_test_photos_stay_the_headline_and_measure_the_calibration(make_scored: MakeScored) -> None:
    pooled, test = make_scored(329, seed=1, skill=5.0), make_scored(60, seed=3, skill=5.0)
    choice = ModelChoice(tried=1, chosen_on=0, calibrating=np.arange(329), separate=True, out_of_fold=True)
    splits = {"valid": make_scored(36, seed=2), "test": test}
    found = evaluate(splits, choice=choice, out_of_fold=used_by(pooled))
    assert found.main == "test"
    assert "crossval" not in found.splits
    assert found.abstention.measured is not None
    assert found.conformal.measured is not None


def test_what_is_proven_and_what_is_simulated_is_said(make_scored: MakeScored) -> None:
    used = used_by(make_scored(329))
    said = used.sentences(coverage=0.9)
    assert "learned from as many photos as these models or more, so its error is usually no higher." in said
    assert "For the delivered one it holds in simulation and is not proven." in said
    assert "all 5 models, contain the truth for 78% of photos at worst, and for about 90% in practice." in said
    fewer = replace(used, learned=200).sentences(coverage=0.9)
    assert "learned from fewer photos than these models, so its error may be higher." in fewer


def test_the_coverage_of_cv_plus_is_that_of_its_theorem() -> None:
    # Barber et al. (2021), theorem 4, for n = 330 and K = 5: 1 - 0.2 - min(1.6 / 67, (325 / 330) / 6)
    assert cv_plus_coverage(0.9, groups=330, folds=5) == pytest.approx(0.8 - 1.6 / 67)
    assert cv_plus_coverage(0.9, groups=330, folds=330) == pytest.approx(0.8)
    assert cv_plus_coverage(0.5, groups=10, folds=5) == 0


def test_baselines_are_scored_on_every_original_photo_by_folds_that_keep_groups(make_rows: MakeRows) -> None:
    rows = make_rows(40, copies=1, splits=(Split.TRAIN, Split.VALID))
    features = np.random.default_rng(0).normal(size=(len(rows), 2, 8)).astype(np.float32)
    classes = ("angry", "happy", "other", "sad")
    found = cross_validated_baselines(rows, features, classes=classes, folds=4, include_copies=False)
    assert tuple(found) == BASELINES, "in the order of those that are not cross-validated"
    assert {len(part) for parts in found.values() for part in parts} == {40}
    assert len({part.logits.tobytes() for part in found["permuted_labels"]}) > 5
    twins = np.repeat(features[::2], 2, axis=0)
    leaky = cross_validated_baselines(rows, twins, classes=classes, folds=4, include_copies=True)
    assert (leaky["hog_svm"][0].predicted() == leaky["hog_svm"][0].labels).mean() < 0.6, "a copy is in its fold"

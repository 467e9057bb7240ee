"""Tests of the metrics against scikit-learn, with and without weights."""

import numpy as np
import pytest
from sklearn import metrics as reference

from petmood.evaluation.bootstrap import cluster_bootstrap_weights
from petmood.evaluation.metrics import (
    CLASS_METRICS,
    METRICS,
    class_metrics,
    confusion_matrices,
    equal_mass_bins,
    expected_calibration_error,
    metrics,
)
from tests.support.evaluation import MakeScored


@pytest.fixture(params=[None, 3])
def weights(request: pytest.FixtureRequest) -> np.ndarray | None:
    return None if request.param is None else np.random.default_rng(request.param).integers(0, 4, 80).astype(float)


def test_every_measure_agrees_with_scikit_learn(make_scored: MakeScored, weights: np.ndarray | None) -> None:
    scored = make_scored(80, skill=1.0)
    p, y, said = scored.probabilities(), scored.labels, scored.predicted()
    found = {name: float(v[0]) for name, v in metrics(p, y, weights=None if weights is None else weights[None]).items()}
    share = {"sample_weight": weights}
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, said, **share))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, said, **share))
    assert found["macro_f1"] == pytest.approx(reference.f1_score(y, said, average="macro", **share))
    assert found["nll"] == pytest.approx(reference.log_loss(y, p, labels=range(4), **share))
    distance = ((p - np.eye(4)[y]) ** 2).sum(axis=1)
    assert found["brier"] == pytest.approx(np.average(distance, weights=weights))
    assert set(found) == set(METRICS)


def test_per_class_numbers_agree_with_scikit_learn(make_scored: MakeScored, weights: np.ndarray | None) -> None:
    scored = make_scored(80, skill=0.5)
    found = class_metrics(scored.probabilities(), scored.labels, weights=None if weights is None else weights[None])
    known = reference.precision_recall_fscore_support(scored.labels, scored.predicted(), sample_weight=weights)
    for name, expected in zip(CLASS_METRICS, known[:3], strict=True):
        np.testing.assert_allclose(found[name][0], expected)


def test_the_confusion_matrix_has_truths_as_rows(make_scored: MakeScored) -> None:
    scored = make_scored(50)
    table = confusion_matrices(scored.predicted(), scored.labels, classes=4)[0]
    np.testing.assert_array_equal(table, reference.confusion_matrix(scored.labels, scored.predicted()))


def test_a_class_without_photos_is_left_out_of_means_and_nan_by_itself() -> None:
    p = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1]])
    y = np.array([0, 1, 1])
    found = metrics(p, y)
    assert found["balanced_accuracy"][0] == pytest.approx(0.75)
    assert found["macro_f1"][0] == pytest.approx(reference.f1_score(y, [0, 1, 0], average="macro"))
    assert np.isnan(class_metrics(p, y)["recall"][0, 2])


def test_a_class_that_was_only_predicted_counts_in_macro_f1_alone() -> None:
    # F1 is 1 for class 0, 2 / 3 for class 1 (one of two found, nothing else called so) and 0 for class 2.
    found = metrics(np.eye(3)[[0, 1, 2]], np.array([0, 1, 1]))
    assert {name: found[name].tolist() for name in ("accuracy", "balanced_accuracy", "macro_f1")} == {
        "accuracy": pytest.approx([2 / 3]),
        "balanced_accuracy": pytest.approx([3 / 4]),
        "macro_f1": pytest.approx([5 / 9]),
    }


def test_no_photos_give_nan_and_no_warning() -> None:
    found = metrics(np.zeros((0, 4)), np.zeros(0, dtype=np.int64))
    assert all(np.isnan(value[0]) for value in found.values())


def test_a_truth_of_probability_zero_costs_much_but_not_infinity() -> None:
    assert metrics(np.array([[1.0, 0.0]]), np.array([1]))["nll"][0] == pytest.approx(-np.log(1e-12))


def test_bins_hold_about_equal_shares_and_never_part_equal_confidences() -> None:
    confidence = np.random.default_rng(0).random(200)
    assert np.bincount(equal_mass_bins(confidence)).tolist() == [20] * 10
    tied = np.array([0.5] * 30 + [0.9] * 30)
    member = equal_mass_bins(tied)
    assert len(set(member[:30])) == len(set(member[30:])) == 1
    assert len(set(equal_mass_bins(np.array([0.3, 0.7, 0.9])))) == 1
    assert np.bincount(equal_mass_bins(np.linspace(0.5, 1.0, 10))).tolist() == [5, 5]
    assert np.bincount(equal_mass_bins(np.linspace(0.5, 1.0, 9))).tolist() == [9]
    assert np.bincount(equal_mass_bins(np.linspace(0.5, 1.0, 90), bins=3)).tolist() == [30] * 3


def test_calibration_error_is_the_mean_gap_over_bins(make_scored: MakeScored) -> None:
    scored = make_scored(100, skill=2.0)
    p, y = scored.probabilities(), scored.labels
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    member = equal_mass_bins(confidence)
    by_hand = sum(abs((right[member == b] - confidence[member == b]).sum()) for b in range(10)) / 100
    assert expected_calibration_error(p, y)[0] == pytest.approx(by_hand)


def test_gaps_of_different_bins_do_not_cancel() -> None:
    # Of 50 photos at 0.9, 40 are right: 5 too few. Of 50 at 0.6, 40 are right: 10 too many.
    confidence, labels = np.repeat([0.9, 0.6], 50), np.tile(np.arange(50) >= 40, 2).astype(np.int64)
    p = np.stack([confidence, 1 - confidence], axis=1)
    assert expected_calibration_error(p, labels).tolist() == pytest.approx([0.15])
    assert expected_calibration_error(p, labels, bins=1).tolist() == pytest.approx([0.05])
    weights = np.stack([np.repeat([1.0, 0.0], 50), np.repeat([1.0, 3.0], 50)])
    assert expected_calibration_error(p, labels, weights=weights) == pytest.approx([5 / 50, 35 / 200])


def test_there_are_ten_bins_by_default() -> None:
    # 110 photos in bins of 11 that are all right or all wrong: no gaps cancel, as they would with 9 or 11 bins.
    confidence, labels = np.linspace(0.55, 0.95, 110), np.repeat(np.arange(10) % 2, 11)
    p = np.stack([confidence, 1 - confidence], axis=1)
    known = np.where(labels == 0, 1 - confidence, confidence).mean()
    assert expected_calibration_error(p, labels)[0] == pytest.approx(known)


def test_true_probabilities_have_a_small_calibration_error_and_overconfidence_has_a_large_one() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet([0.7] * 4, size=20_000)
    y = (p.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert expected_calibration_error(p, y)[0] < 0.012
    overconfident = np.eye(4)[p.argmax(axis=1)] * 0.97 + 0.0075
    assert expected_calibration_error(overconfident, y)[0] > 0.1


def test_weights_stand_for_repeated_photos(make_scored: MakeScored) -> None:
    scored = make_scored(30)
    times = np.random.default_rng(5).integers(0, 3, 30)
    repeated = scored.take(np.repeat(np.arange(30), times))
    weighted = metrics(scored.probabilities(), scored.labels, weights=times[None].astype(float))
    plain = metrics(repeated.probabilities(), repeated.labels)
    for name in set(METRICS) - {"ece"}:
        assert weighted[name][0] == pytest.approx(plain[name][0])


def test_many_replicates_at_once_are_measured_as_one_by_one(make_scored: MakeScored) -> None:
    """The benchmark `bootstrap` measures the speedup."""
    scored = make_scored(1000)
    weights = cluster_bootstrap_weights(scored.group_numbers(), replicates=2000, seed=0)
    found = metrics(scored.probabilities(), scored.labels, weights=weights)
    assert found["accuracy"].shape == (2000,)
    for row in (0, 999, 1999):
        alone = metrics(scored.probabilities(), scored.labels, weights=weights[row : row + 1])
        assert {name: values[row] for name, values in found.items()} == pytest.approx(
            {name: values[0] for name, values in alone.items()}
        )

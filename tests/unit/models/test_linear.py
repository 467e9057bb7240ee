"""Tests of linear heads: agreement with gradient descent, and selection of the strength by group."""

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from petmood.models.linear import LinearHead, class_weights, fit_logistic, fit_ridge, negative_log_likelihood


def blobs(
    count: int = 120, *, width: int = 6, classes: int = 4, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    return rng.normal(size=(count, width)) + 3.0 * np.eye(classes, width)[labels], labels


def accuracy(head: LinearHead, features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float((head.logits(features).argmax(1) == labels).mean())


def test_both_solvers_separate_separable_classes() -> None:
    features, labels = blobs()
    asked, truth = blobs(seed=1)
    ridge = fit_ridge(features, labels, range(len(labels)), strengths=[0.1], classes=4)
    logistic = fit_logistic(features, labels, strength=1e-2, classes=4, class_weight_power=0.0)
    assert min(accuracy(ridge, asked, truth), accuracy(logistic, asked, truth)) > 0.8


def test_the_ridge_head_is_the_textbook_solution_up_to_its_factor() -> None:
    features, labels = blobs(width=3)
    found = fit_ridge(features, labels, range(len(labels)), strengths=[0.5], classes=4)
    targets = np.eye(4)[labels]
    penalty = 0.5 * np.square(features).sum(axis=1).mean()
    book = Ridge(alpha=penalty, fit_intercept=False).fit(features, targets - targets.mean(axis=0))
    factor = found.bias[0] / targets.mean(axis=0)[0]
    np.testing.assert_allclose(found.weight, factor * book.coef_, rtol=1e-6)


def test_rare_classes_weigh_more_and_the_mean_over_photos_is_one() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = class_weights(labels, classes=4, power=1.0)
    assert weights[1] == pytest.approx(3 * weights[0])
    assert weights[labels].mean() == pytest.approx(1)
    assert weights[2:].tolist() == [1, 1]


def test_the_square_root_of_the_frequency_weighs_rare_classes_less() -> None:
    """Of 90 and 10 photos, the weights are as 1 to 3; 90 and 10 * 3 of them make 120, so 100 / 120 = 0.8333."""
    labels = np.repeat([0, 1], [90, 10])
    assert class_weights(labels, classes=2, power=0.5).tolist() == pytest.approx([0.8333, 2.5], abs=1e-4)
    assert class_weights(labels, classes=2, power=0.0).tolist() == [1, 1]


def test_few_features_give_the_head_of_many() -> None:
    """Features that are 0 change nothing; with them there are more features than photos."""
    features, labels = blobs(count=90, width=7)
    groups = [*range(30), *range(30), *range(30)]
    strengths = [1e-3, 0.1, 10.0]
    few = fit_ridge(features, labels, groups, strengths=strengths, classes=4)
    many = fit_ridge(np.pad(features, ((0, 0), (0, 200))), labels, groups, strengths=strengths, classes=4)
    np.testing.assert_allclose(few.weight, many.weight[:, :7], rtol=1e-7)
    np.testing.assert_allclose(few.bias, many.bias, rtol=1e-7)
    assert np.abs(many.weight[:, 7:]).max() == 0


def test_a_head_on_few_features_takes_no_matrix_of_all_pairs_of_photos() -> None:
    features, labels = blobs(count=2000, width=5)
    tracemalloc.start()
    try:
        fit_ridge(features, labels, range(2000), strengths=[0.1, 1.0], classes=4)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2000 * 2000 * 8 / 4


def test_the_strength_is_chosen_by_groups_left_out() -> None:
    """Fifty near-duplicates of each of six photos: a single left-out photo would be predicted from its duplicates."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3, 0, 1], 50)
    features = np.repeat(rng.normal(size=(6, 40)), 50, axis=0) + 0.01 * rng.normal(size=(300, 40))
    groups = np.repeat(np.arange(6), 50)
    both = [1e-4, 10.0]
    by_group = fit_ridge(features, labels, groups.tolist(), strengths=both, classes=4)
    by_photo = fit_ridge(features, labels, range(300), strengths=both, classes=4)
    assert np.abs(by_group.weight).max() < np.abs(by_photo.weight).max()


def test_a_group_weighs_one_however_many_copies_it_has() -> None:
    features, labels = blobs(40)
    copies = np.concatenate([features, features[:5], features[:5]])
    groups = [*range(40), *range(5), *range(5)]
    once = fit_ridge(features, labels, range(40), strengths=[1.0], classes=4)
    often = fit_ridge(copies, np.concatenate([labels, labels[:5], labels[:5]]), groups, strengths=[1.0], classes=4)
    cosine = (once.weight * often.weight).sum() / np.linalg.norm(once.weight) / np.linalg.norm(often.weight)
    assert cosine == pytest.approx(1.0, abs=1e-3)


def test_left_out_scores_become_probabilities_of_the_right_size() -> None:
    features, labels = blobs(400)
    asked, truth = blobs(400, seed=3)
    logits = fit_ridge(features, labels, range(400), strengths=[0.1], classes=4).logits(asked)
    own = negative_log_likelihood(logits, truth)
    assert own < min(negative_log_likelihood(factor * logits, truth) for factor in (0.3, 3.0))


def test_a_label_without_photos_is_never_answered() -> None:
    features, labels = blobs(classes=3)
    head = fit_logistic(features, labels, strength=1e-2, classes=4, class_weight_power=1.0)
    assert (head.logits(features).argmax(1) != 3).all()


def test_two_classes_alone_are_distinguished() -> None:
    features, labels = blobs(classes=2)
    head = fit_logistic(features, labels, strength=1e-2, classes=4, class_weight_power=1.0)
    assert accuracy(head, features, labels) > 0.9


def test_scaling_folds_into_the_weights() -> None:
    features, labels = blobs()
    middle, scale = features.mean(axis=0), 1 / features.std(axis=0)
    head = fit_logistic((features - middle) * scale, labels, strength=1e-2, classes=4, class_weight_power=0.0)
    np.testing.assert_allclose(
        head.unscaled(middle, scale).logits(features), head.logits((features - middle) * scale), atol=1e-9
    )

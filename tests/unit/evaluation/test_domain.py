"""Tests of the domain of a model: distances, limits by cross-validation, and what they are worth."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from petmood.core.domain import DomainRule
from petmood.core.errors import DataError
from petmood.evaluation.domain import (
    Domain,
    DomainFeatures,
    DomainResult,
    FeatureSpace,
    evaluate_domain,
    fit_domain,
)

RULE = DomainRule(features="any", animal_threshold=0.5, target_false_alarms=0.02)


def photos(
    count: int, *, seed: int = 0, center: float = 0.0, group_size: int = 1, animal: float = 0.9, width: int = 12
) -> DomainFeatures:
    """Return random features of length 1 around a direction; a third of the axes have most of the variance."""
    rng = np.random.default_rng(seed)
    spread = np.where(np.arange(width) < width // 3, 0.2, 0.02)
    features = rng.normal(size=(count, width)) * spread
    features[:, -1] += 1.0
    features[:, 0] += center
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    groups = tuple(f"{seed}-{n // group_size:04d}" for n in range(count))
    scores = np.clip(rng.normal(animal, 0.03, count), 0, 1)
    return DomainFeatures(features, scores, groups, rng.integers(0, 4, count))


def joined(first: DomainFeatures, second: DomainFeatures) -> DomainFeatures:
    """Return the photos of both."""
    return DomainFeatures(
        np.concatenate([first.features, second.features]),
        np.concatenate([first.animal, second.animal]),
        first.groups + second.groups,
        np.concatenate([first.labels, second.labels]),
    )


def test_a_distance_is_that_of_mahalanobis_with_the_covariance_of_a_probabilistic_pca() -> None:
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(6, 2)))[0]
    variances, noise, mean = np.array([4.0, 0.5]), 0.25, rng.normal(size=6)
    covariance = axes @ np.diag(variances) @ axes.T + noise * (np.eye(6) - axes @ axes.T)
    space = FeatureSpace(mean, axes, 1 / variances, 1 / noise)
    features = rng.normal(size=(5, 6))
    expected = [math.sqrt((one - mean) @ np.linalg.inv(covariance) @ (one - mean)) for one in features]
    assert space.distances(features) == pytest.approx(expected)


def test_what_lies_outside_of_the_components_counts() -> None:
    space = FeatureSpace(np.zeros(3), np.array([[1.0], [0.0], [0.0]]), np.array([1.0]), 100.0)
    assert space.distances(np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])) == pytest.approx([2.0, 20.0])


@pytest.mark.parametrize(("count", "share"), [(400, 0.02), (400, 0.1), (1000, 0.05)])
def test_of_further_photos_at_most_the_stated_share_is_refused(count: int, share: float) -> None:
    """Over many draws the mean share stays below the target; the limits don't know these photos."""
    shares = []
    for seed in range(12):
        domain = fit_domain(photos(count, seed=seed), features="any", target_false_alarms=share)
        shares.append(domain.refused(photos(500, seed=seed + 1000)).mean())
    assert 0.1 * share < np.mean(shares) <= 1.1 * share


def test_with_few_photos_the_limit_is_the_largest_distance() -> None:
    domain = fit_domain(photos(40), features="any", target_false_alarms=0.02)
    assert domain.limit == domain.distances.max()
    assert domain.rule == replace_rule(animal_threshold=0.5)


def replace_rule(**changes: float) -> DomainRule:
    return RULE.model_copy(update=changes)


def test_the_rank_of_the_limit_is_that_of_split_conformal_prediction() -> None:
    """With 199 photos and half of 2%: rank ceil(200 * 0.99) = 198, the second largest but one."""
    domain = fit_domain(photos(199), features="any", target_false_alarms=0.02)
    assert domain.limit == np.sort(domain.distances)[197]


def test_distances_that_choose_the_limit_come_from_photos_of_other_groups() -> None:
    """A photo far from all others: with its copies in the fit, its distance would be small."""
    ordinary, odd = photos(60), photos(6, seed=5, center=3.0)
    same = replace(odd, groups=("odd",) * 6)
    both = joined(ordinary, same)
    domain = fit_domain(both, features="any", target_false_alarms=0.02)
    assert domain.distances[60:].min() > 2 * domain.space.distances(same.features).max()


def test_the_animal_threshold_is_a_low_quantile_but_never_above_a_half() -> None:
    certain = fit_domain(photos(200, animal=0.95), features="any", target_false_alarms=0.02)
    assert certain.rule.animal_threshold == 0.5
    doubtful = photos(199, animal=0.3)
    found = fit_domain(doubtful, features="any", target_false_alarms=0.02).rule.animal_threshold
    assert found == pytest.approx(np.sort(doubtful.animal)[1])


def test_too_few_groups_give_no_domain() -> None:
    with pytest.raises(DataError, match=r"^Expected at least 20 groups of photos for a domain rule, got 19\.$"):
        fit_domain(photos(38, group_size=2), features="any", target_false_alarms=0.02)
    fit_domain(photos(40, group_size=2), features="any", target_false_alarms=0.02)


def test_one_large_group_leaves_few_photos_to_a_fold() -> None:
    large, single = photos(170, group_size=170), photos(30, seed=1)
    both = joined(large, single)
    domain = fit_domain(both, features="any", target_false_alarms=0.02)
    assert len(domain.space.precisions) == 30 // 4, "a quarter of the photos of the fold without the group"


@pytest.mark.parametrize("count", [20, 40, 99])
def test_with_few_photos_more_may_be_refused_and_the_result_says_how_many(count: int) -> None:
    """Each limit is the largest of N scores, which one further score of N + 1 exceeds."""
    shares = []
    for seed in range(40):
        domain = fit_domain(photos(count, seed=seed, animal=0.3), features="any", target_false_alarms=0.02)
        shares.append(domain.refused(photos(400, seed=seed + 1000, animal=0.3)).mean())
    result = DomainResult(RULE, "", count, None, {}, 1.0, 0.0)
    assert result.expected_false_alarms == pytest.approx(max(0.02, 2 / (count + 1)))
    assert np.mean(shares) <= 1.1 * result.expected_false_alarms


def test_equal_features_give_a_domain_that_refuses_every_other() -> None:
    one = photos(1)
    same = replace(photos(30), features=np.repeat(one.features, 30, axis=0))
    domain = fit_domain(same, features="any", target_false_alarms=0.02)
    assert not domain.refused(same).any()
    assert domain.refused(photos(5, seed=9)).all()


def test_scores_are_distances_in_units_of_the_limit_and_animal_scores() -> None:
    space = FeatureSpace(np.zeros(2), np.array([[1.0], [0.0]]), np.array([1.0]), 1.0)
    domain = Domain(space, 2.0, RULE, np.array([1.0]))
    given = DomainFeatures(np.array([[3.0, 0.0], [1.0, 0.0]]), np.array([0.9, 0.2]), ("a", "b"), np.zeros(2, np.int64))
    second = DomainFeatures(given.features[1:], given.animal[1:], ("b",), given.labels[1:])
    assert [(one.novelty, one.animal_score) for one in domain.scores(given)] == [(1.5, 0.9), (0.5, 0.2)]
    assert domain.refused(given).tolist() == [True, True]
    assert domain.refused(second).tolist() == [True]


def test_a_result_counts_by_kind_and_has_an_interval_over_groups() -> None:
    space = FeatureSpace(np.zeros(1), np.ones((1, 1)), np.array([1.0]), 1.0)
    domain = Domain(space, 1.0, RULE, np.array([0.5, 0.9]))

    def at(*distances: float, groups: str) -> DomainFeatures:
        column = np.array(distances)[:, None]
        return DomainFeatures(column, np.full(len(column), 0.9), tuple(groups), np.zeros(len(column), np.int64))

    held_out = at(0.1, 0.2, 0.3, 1.5, groups="aabc")
    result = evaluate_domain(
        domain, held_out, at(2.0, 3.0, 0.15, 4.0, groups="wxyz"), ["text", "text", "noise", "noise"]
    )
    assert result.refused == {"text": (2, 2), "noise": (1, 2)}
    assert result.total == (3, 4)
    assert result.chosen_on == 2
    assert result.auroc == pytest.approx(13 / 16), "of 16 pairs of a held-out photo and another image, 13 are in order"
    assert result.fpr95 == 0.25
    alarms = result.false_alarms
    assert alarms is not None
    assert (alarms.value, alarms.n) == (0.25, 4)
    trials = 16 / 6  # groups of 2, 1 and 1: (2 + 1 + 1)^2 / (4 + 1 + 1)
    assert alarms.high == pytest.approx(stats.beta.ppf(0.975, 0.25 * trials + 1, 0.75 * trials))
    assert evaluate_domain(domain, None, held_out, ["x"] * 4).false_alarms is None


def test_a_result_is_json_with_the_rule() -> None:
    result = DomainResult(RULE, "ab12", 10, None, {"text": (2, 3)}, 0.875, 0.25)
    assert result.to_json() == {
        "rule": {"features": "any", "animal_threshold": 0.5, "target_false_alarms": 0.02},
        "fitted": "ab12",
        "chosen_on": 10,
        "false_alarms": None,
        "refused": {"text": {"refused": 2, "images": 3}},
        "auroc": 0.875,
        "fpr95": 0.25,
    }

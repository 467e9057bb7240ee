"""Linear head equal to logistic regression on the features, and its transfer into the network."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError
from petmood.core.prediction import softmax
from petmood.pipelines.fit_settings import fit_settings
from petmood.pipelines.predict_logits import logits_of
from petmood.training.dataset import PhotoSet
from petmood.training.fit import fit_network, make_network
from petmood.training.linear_probe import backbone_features, blocks_of, fit_probe, fuse_batchnorm
from petmood.training.settings import FitSettings

Settings = Callable[..., FitSettings]
PhotoSets = tuple[PhotoSet, PhotoSet]


@pytest.fixture
def composed(settings: Callable[..., Config]) -> Settings:
    """Return a function that composes small training settings with overrides."""
    return lambda *overrides: fit_settings(settings(*overrides))


def test_features_are_those_of_the_backbone_in_evaluation(composed: Settings, photo_sets: PhotoSets) -> None:
    network = make_network(composed(), classes=4).train()
    pixels = photo_sets[0].cache.pixels
    found = backbone_features(network, pixels)
    with torch.inference_mode():
        expected = network.eval().features(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backbone", ["tiny", "mobilenet_v3_small", "resnet18"])
def test_folding_batch_norms_changes_features_by_rounding_alone(composed: Settings, backbone: str) -> None:
    network = make_network(composed(f"backbone={backbone}", "model.image_size=32", "weights=none"), classes=4)
    images = torch.randint(0, 255, (8, 3, 32, 32), dtype=torch.uint8)
    network.train()(images)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        plain, quick = network.eval().features(images), fuse_batchnorm(network).features(images)
    torch.testing.assert_close(quick, plain, rtol=1e-3, atol=1e-4)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    norms = [
        sum(isinstance(part, torch.nn.BatchNorm2d) for part in one.modules())
        for one in (network, fuse_batchnorm(network))
    ]
    assert norms[1] < norms[0]


def test_the_head_answers_like_the_logistic_regression_it_came_from(composed: Settings, photo_sets: PhotoSets) -> None:
    config = composed("recipe=linear_probe", "weights=none", "recipe.l2_strengths=[0.01]")
    network = make_network(config, classes=4)
    fit_probe(network, config, photo_sets[0], None)
    features = backbone_features(network, photo_sets[0].cache.pixels).astype(np.float64)
    scaled = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    theirs = LogisticRegression(C=1 / (0.01 * len(scaled)), max_iter=5000, class_weight="balanced", tol=1e-8)
    expected = theirs.fit(scaled, photo_sets[0].labels).predict_proba(scaled)
    logits = logits_of(network, photo_sets[0].cache.pixels)
    np.testing.assert_allclose(softmax(logits), expected, atol=0.01)


def test_a_head_in_closed_form_learns_too_and_needs_no_validation(composed: Settings, photo_sets: PhotoSets) -> None:
    config = composed("recipe=linear_probe", "weights=none", "recipe.solver=ridge", "recipe.l2_strengths=[0.01,1.0]")
    network = make_network(config, classes=4)
    fit_probe(network, config, photo_sets[0], None)
    answers = logits_of(network, photo_sets[0].cache.pixels).argmax(axis=1)
    assert (answers == photo_sets[0].labels).mean() > 0.8


def test_a_head_in_closed_form_is_fitted_to_a_backbone_that_has_an_attribute_blocks(composed: Settings) -> None:
    """timm's networks call their layers so; the widths of concatenated features have another name."""
    config = composed("backbone=efficientnet_lite0", "weights=none", "recipe=closed_form", "model.image_size=32")
    network = make_network(config, classes=4)
    assert hasattr(network.backbone, "blocks")
    assert blocks_of(network) == (1280,)


def test_the_strength_is_chosen_on_validation(composed: Settings, photo_sets: PhotoSets) -> None:
    strengths = (1e-5, 1e-3, 1e1)
    losses = {}
    for ridge in strengths:
        config = composed("recipe=linear_probe", "weights=none", f"recipe.l2_strengths=[{ridge}]")
        losses[ridge] = _loss(fit_network(config, *photo_sets).network, photo_sets[1])
    config = composed("recipe=linear_probe", "weights=none", f"recipe.l2_strengths=[{','.join(map(str, strengths))}]")
    chosen = _loss(fit_network(config, *photo_sets).network, photo_sets[1])
    assert chosen == pytest.approx(min(losses.values()), abs=1e-3)


def _loss(network: torch.nn.Module, photo_set: PhotoSet) -> float:
    logits = torch.from_numpy(logits_of(network, photo_set.cache.pixels))  # type: ignore[arg-type] # a ExpressionNet
    return float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(photo_set.labels)))


def test_more_views_give_another_head_and_the_same_one_each_time(composed: Settings, photo_sets: PhotoSets) -> None:
    wanted = ("recipe=linear_probe", "weights=none", "augment=standard")
    one, two = (fit_network(composed(*wanted, f"recipe.num_views={views}"), *photo_sets).network for views in (1, 2))
    again = fit_network(composed(*wanted, "recipe.num_views=2"), *photo_sets).network
    pixels = photo_sets[1].cache.pixels
    assert not np.allclose(logits_of(one, pixels), logits_of(two, pixels))
    np.testing.assert_array_equal(logits_of(two, pixels), logits_of(again, pixels))


@pytest.mark.parametrize("classes", [(0, 2), (1, 2, 3)])
def test_a_label_that_was_never_seen_is_never_answered(
    composed: Settings, photo_sets: PhotoSets, classes: tuple[int, ...]
) -> None:
    known = photo_sets[0].take(np.flatnonzero(np.isin(photo_sets[0].labels, classes)).tolist())
    config = composed("recipe=linear_probe", "weights=none")
    answers = logits_of(fit_network(config, known, None).network, photo_sets[1].cache.pixels).argmax(axis=1)
    assert set(answers) <= set(classes)


def test_a_head_that_is_not_linear_is_refused(composed: Settings, photo_sets: PhotoSets) -> None:
    with pytest.raises(ConfigError, match=r"Expected a linear head .*, got model\.head=mlp\. Set model\.head=linear"):
        fit_network(composed("recipe=linear_probe", "weights=none", "model.head=mlp"), *photo_sets)

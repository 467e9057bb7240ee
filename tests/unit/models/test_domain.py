"""Tests of the network of the domain scores."""

from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from skimage import data
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import functional as transforms

from petmood.models.domain import COMPONENTS, SCENE_WIDTH, WIDTH, DomainNet, FeatureNetwork, PhotoFeatures
from petmood.models.packaged_weights import packaged_weights
from tests.support.images import faces


@pytest.fixture(scope="module")
def small() -> FeatureNetwork:
    """Return the network for images of 24 px."""
    return FeatureNetwork(side_px=24)


@pytest.fixture(scope="module")
def large() -> FeatureNetwork:
    """Return the network for images of 192 px."""
    return FeatureNetwork(side_px=192)


def images(count: int, *, side_px: int) -> Tensor:
    """Return images uint8 [count, 3, side_px, side_px]."""
    return torch.from_numpy(faces(count, side_px=side_px)).permute(0, 3, 1, 2)


def square(photo: NDArray[np.uint8]) -> Tensor:
    """Return the middle of a photo, uint8 [1, 3, 192, 192]."""
    whole = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None]
    middle = transforms.center_crop(whole, [min(photo.shape[:2])] * 2)
    resized: Tensor = transforms.resize(middle, [192, 192], antialias=True)
    return resized


# --- features and animal scores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "side_px"), [("small", 24), ("large", 192)])
def test_images_are_resized_as_torch_does_with_antialiasing(
    name: str, side_px: int, request: pytest.FixtureRequest
) -> None:
    network: FeatureNetwork = request.getfixturevalue(name)
    given = images(2, side_px=side_px).float()
    expected = functional.interpolate(given, size=(96, 96), mode="bilinear", antialias=True)
    assert torch.allclose(network.resized(given), expected, atol=1e-3)


def test_few_products_resize_a_large_image(large: FeatureNetwork) -> None:
    """Whole matrices [96, 192] of rows and columns would take 15.9 million products."""
    products = sum(part.numel() for name, part in large.named_buffers() if name.startswith("resize_"))
    assert products * 3 * (192 + 96) < 5e6


def test_the_outputs_are_those_of_the_whole_network_on_images_of_96_px(large: FeatureNetwork) -> None:
    """The first 398 classes of ImageNet are animals, from "tench" to "pufferfish"; the next class is "abacus"."""
    whole: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    whole.load_state_dict(packaged_weights("efficientnet_lite0"))
    given = images(3, side_px=192)
    resized = functional.interpolate(given.float(), size=(96, 96), mode="bilinear", antialias=True)
    normalized = (resized - 127) / 128
    with torch.inference_mode():
        chances = whole(normalized).softmax(1)
        pooled = whole.forward_head(whole.forward_features(normalized), pre_logits=True)
        features, animal, _ = large(given)
    assert torch.allclose(animal, chances[:, :398].sum(1), atol=1e-4)
    assert torch.allclose(features, pooled / pooled.norm(dim=1, keepdim=True), atol=1e-4)


def test_features_have_length_1_and_animal_scores_are_probabilities(small: FeatureNetwork) -> None:
    features, animal, _ = small(torch.cat([images(4, side_px=24), torch.zeros(1, 3, 24, 24, dtype=torch.uint8)]))
    assert features.shape == (5, 1280)
    assert torch.allclose(features.norm(dim=1), torch.ones(5), atol=1e-5)
    assert animal.shape == (5,)
    assert bool(((animal >= 0) & (animal <= 1)).all())


def test_a_cat_has_a_high_animal_score_and_a_cup_of_coffee_a_low_one(large: FeatureNetwork) -> None:
    photos: Any = data  # scikit-image has no types
    _, (cat,), _ = large(square(photos.chelsea()))
    _, (coffee,), _ = large(square(photos.coffee()))
    assert float(cat) > 0.9
    assert float(coffee) < 0.05


def test_scene_features_are_the_moments_of_the_feature_maps_of_the_whole_network(large: FeatureNetwork) -> None:
    whole: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    whole.load_state_dict(packaged_weights("efficientnet_lite0"))
    given = images(3, side_px=192)
    resized = functional.interpolate(given.float(), size=(96, 96), mode="bilinear", antialias=True)
    with torch.inference_mode():
        early = whole.bn1(whole.conv_stem((resized - 127) / 128))
        for stage in whole.blocks[:5]:
            early = stage(early)
        last = whole.forward_features((resized - 127) / 128)
        scene = large(given).scene
    assert early.shape == (3, 112, 6, 6)
    assert last.shape == (3, 1280, 3, 3)
    parts = [last.std((2, 3), correction=0), early.mean((2, 3)), early.std((2, 3), correction=0)]
    assert torch.allclose(scene, torch.cat(parts, dim=1), atol=1e-3)


def test_the_network_stays_as_it_is(small: FeatureNetwork) -> None:
    assert not small.training
    assert not any(weight.requires_grad for weight in small.parameters())


# --- novelty ----------------------------------------------------------------------------------------------------------


def fixed(features: NDArray[np.float32]) -> DomainNet:
    """Return a network whose images get these features, and as animal scores their numbers."""
    return DomainNet(
        lambda images: PhotoFeatures(
            torch.from_numpy(features), torch.arange(len(images)), torch.zeros(len(images), SCENE_WIDTH)
        )
    )


def novelties(network: DomainNet, count: int) -> NDArray[np.float32]:
    """Return the novelty of as many images."""
    with torch.inference_mode():
        novelty, animal = network(torch.zeros(count, 8, 8, 3, dtype=torch.uint8))
    assert animal.tolist() == list(range(count))
    return np.asarray(novelty)


def constants(count: int, *, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Return a mean, orthonormal components, their variances, and the variance in all other directions."""
    rng = np.random.default_rng(seed)
    return {
        "mean": rng.normal(size=WIDTH) / 50,
        "components": np.linalg.qr(rng.normal(size=(WIDTH, count)))[0],
        "variances": rng.uniform(0.01, 0.5, count),
        "rest": np.array([0.004]),
    }


@pytest.mark.parametrize("count", [64, 5])
def test_novelty_is_the_mahalanobis_distance_for_the_whole_covariance_matrix(count: int) -> None:
    made = constants(count)
    directions, missing = made["components"], COMPONENTS - count
    covariance = (directions * made["variances"]) @ directions.T
    covariance += made["rest"] * (np.eye(WIDTH) - directions @ directions.T)
    rng = np.random.default_rng(1)
    features = rng.normal(size=(6, WIDTH))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    centered = features - made["mean"]
    expected = np.sqrt(np.einsum("ni,ij,nj->n", centered, np.linalg.inv(covariance), centered)) / 7
    network = fixed(features.astype(np.float32))
    arrays = {
        "mean": made["mean"],
        "components": np.pad(directions, ((0, 0), (0, missing))),
        "precisions": np.pad(1 / made["variances"], (0, missing)),
        "residual": 1 / made["rest"],
        "limit": np.array([7.0]),
    }
    network.load_state_dict({name: torch.from_numpy(array).float() for name, array in arrays.items()})
    assert novelties(network, 6) == pytest.approx(expected, rel=1e-4)


def test_novelty_is_0_at_the_mean_and_grows_by_the_precision_of_the_direction() -> None:
    features = np.zeros((3, WIDTH), np.float32)
    features[1, 0] = 0.5
    features[2, 1000] = 0.5
    network = fixed(features)
    for buffer, value in ((network.mean, 0), (network.precisions, 16), (network.residual, 64), (network.limit, 2)):
        buffer.fill_(value)
    assert novelties(network, 3).tolist() == [0, 1, 2]


def test_rounding_below_0_gives_no_nan() -> None:
    """Features within the span of the components leave a rest of 0, which rounding makes negative."""
    made = constants(64, seed=2)
    inside = (made["components"] @ np.random.default_rng(3).normal(size=(64, 50))).T.astype(np.float32)
    network = fixed(inside)
    network.mean.zero_()
    network.components.copy_(torch.from_numpy(made["components"]))
    network.precisions.zero_()
    network.residual.fill_(1e6)
    centered, along = inside, inside @ made["components"].astype(np.float32)
    assert ((centered**2).sum(1) - (along**2).sum(1)).min() < 0, "the case is the one that is meant"
    assert np.isfinite(novelties(network, 50)).all()


def test_scores_of_an_image_do_not_depend_on_the_others_of_its_batch(small: FeatureNetwork) -> None:
    network = DomainNet(small)
    pixels = torch.from_numpy(faces(5, side_px=24))
    with torch.inference_mode():
        together = torch.stack(network(pixels))
        alone = torch.cat([torch.stack(network(pixels[n : n + 1])) for n in range(5)], dim=1)
    assert together.shape == (2, 5)
    assert together.dtype == torch.float32
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_scene_scores_are_weighted_sums_of_the_scene_features_and_follow_the_other_scores(
    small: FeatureNetwork,
) -> None:
    network, plain = DomainNet(small, scenes=True), DomainNet(small)
    pixels = torch.from_numpy(faces(4, side_px=24))
    rng = np.random.default_rng(0)
    weights, offsets = rng.normal(size=(SCENE_WIDTH, 2)).astype(np.float32) / 100, np.array([0.5, -2], np.float32)
    network.scene_weights.copy_(torch.from_numpy(weights))
    network.scene_offsets.copy_(torch.from_numpy(offsets))
    with torch.inference_mode():
        novelty, animal, two_pets, face_unclear = network(pixels)
        scene = small(pixels.permute(0, 3, 1, 2)).scene.numpy()
        assert [torch.equal(*pair) for pair in zip((novelty, animal), plain(pixels), strict=True)] == [True, True]
    expected = scene @ weights + offsets
    assert two_pets.numpy() == pytest.approx(expected[:, 0], abs=1e-4)
    assert face_unclear.numpy() == pytest.approx(expected[:, 1], abs=1e-4)

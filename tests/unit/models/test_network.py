"""Tests of the complete network: normalization, input types and logits."""

import pytest
import torch

from petmood.core.errors import ConfigError
from petmood.core.image import ImageSpec
from petmood.models.network import ExpressionNet, NetworkSpec, build_network
from tests.support.images import faces
from tests.support.networks import tiny_network

IMAGE = ImageSpec(side_px=32, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.2))
IMAGES = torch.from_numpy(faces(3, side_px=32)).permute(0, 3, 1, 2)


def test_normalisation_is_that_of_the_image_spec() -> None:
    network = ExpressionNet(torch.nn.Flatten(), torch.nn.Identity(), IMAGE, classes=2)
    mean, std = torch.tensor(IMAGE.mean).view(3, 1, 1), torch.tensor(IMAGE.std).view(3, 1, 1)
    expected = (IMAGES / 255 - mean) / std
    assert torch.allclose(network(IMAGES), expected.flatten(1), atol=1e-5)


def test_uint8_and_float_images_get_the_same_logits() -> None:
    network = tiny_network()
    assert torch.equal(network(IMAGES), network(IMAGES.float()))


def test_images_in_any_order_of_memory_get_the_same_logits() -> None:
    network = tiny_network()
    assert torch.allclose(network(IMAGES), network(IMAGES.contiguous()), atol=1e-5)


def test_logits_are_the_head_of_the_features() -> None:
    network = tiny_network(classes=3)
    features = network.features(IMAGES)
    assert features.shape == (3, 640)
    assert network(IMAGES).shape == (3, 3)
    assert torch.equal(network(IMAGES), network.head(features))


def test_with_a_flip_an_image_and_its_mirror_image_get_the_mean_of_both_at_inference_only() -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSpec("tiny", test_time_flip=True), image=IMAGE, classes=4).eval()
    plain = ExpressionNet(network.backbone, network.head, IMAGE, classes=4).eval()
    mean = (plain.features(IMAGES) + plain.features(IMAGES.flip(-1))) / 2
    assert torch.allclose(network.features(IMAGES), mean, atol=1e-5)
    assert torch.allclose(network(IMAGES), network(IMAGES.flip(-1)), atol=1e-5)
    assert not torch.allclose(plain(IMAGES), plain(IMAGES.flip(-1)), atol=1e-5)
    calls = []
    network.backbone.register_forward_hook(lambda *_: calls.append(1))
    network.train()(IMAGES)
    assert len(calls) == 1


def test_another_input_side_than_the_backbone_s_own_works() -> None:
    network = build_network(NetworkSpec("tiny", head="mlp"), image=ImageSpec(side_px=48), classes=4).eval()
    assert network(torch.zeros(1, 3, 48, 48, dtype=torch.uint8)).shape == (1, 4)


def test_the_saved_weights_hold_neither_mean_nor_std_since_the_image_spec_does() -> None:
    assert {"mean", "std"}.isdisjoint(tiny_network().state_dict())


def test_the_same_seed_builds_the_same_weights_and_another_seed_others() -> None:
    first, same, other = (tiny_network(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["head.1.weight"], other["head.1.weight"])


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (NetworkSpec("tinny"), "Did you mean tiny"),
        (NetworkSpec("tiny", head="x"), "Unknown head"),
    ],
)
def test_a_network_of_unknown_parts_is_refused(spec: NetworkSpec, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        build_network(spec, image=IMAGE, classes=4)


def test_a_network_for_one_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 classes"):
        build_network(NetworkSpec("tiny"), image=IMAGE, classes=1)

"""Tests of class maps: automatic differentiation says the same, and so does arithmetic by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from petmood.core.image import ImageSpec
from petmood.models.backbones import BackboneModule, TinyBackbone, backbone
from petmood.models.class_maps import ClassMapNetwork, class_map_network
from petmood.models.network import ExpressionNet, NetworkSpec, build_network

CLASSES = 3


def built(name: str, *, side_px: int, head: str = "linear", flip: bool = False) -> ExpressionNet:
    """Build a network whose features and gradients are far from 0, unlike those of an untrained one."""
    torch.manual_seed(0)
    spec = NetworkSpec(name, head, test_time_flip=flip)
    network = build_network(spec, image=ImageSpec(side_px=side_px), classes=CLASSES).eval()
    images = torch.randint(0, 256, (8, 3, side_px, side_px)).float()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    with torch.no_grad():
        network(images)
    return network.eval()


def mapped(network: ExpressionNet, *, side_px: int) -> ClassMapNetwork:
    found = class_map_network(network, side_px=side_px)
    assert found is not None
    return found


def differentiated(network: ExpressionNet, feature_map: nn.Module, images: Tensor) -> Tensor:
    """Return the maps by autograd: the gradient of each logit for the output of a module, times that output."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        return kept[-1]

    handle = feature_map.register_forward_hook(keep)
    logits = network(images)
    handle.remove()
    maps = []
    for k in range(logits.shape[1]):
        (gradient,) = torch.autograd.grad(logits[:, k].sum(), kept[0], retain_graph=True)
        maps.append((gradient * kept[0]).sum(1))
    return torch.stack(maps, 1).detach()


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize(
    ("name", "side_px", "last"),
    [
        ("tiny", 32, "features"),
        ("efficientnet_b0", 64, "features"),
        ("efficientnet_lite0", 64, "bn2"),
        ("resnet18", 64, "layer4"),
        ("mobilenet_v3_small", 64, "features"),
        ("convnext_tiny", 64, "features"),
        ("regnet_y_400mf", 64, "trunk_output"),
        ("shufflenet_v2_x1_0", 64, "conv5"),
    ],
)
def test_maps_are_those_of_automatic_differentiation(name: str, side_px: int, last: str, head: str) -> None:
    if name.startswith("efficientnet_lite"):
        pytest.importorskip("timm")
    network = built(name, side_px=side_px, head=head)
    images = torch.randint(0, 256, (3, 3, side_px, side_px), dtype=torch.uint8)
    with torch.inference_mode():
        logits, maps, features = mapped(network, side_px=side_px)(images)
        expected, given = network(images), network.features(images)
    wanted = differentiated(network, network.backbone.get_submodule(last), images)
    assert torch.equal(logits, expected)
    assert torch.equal(features, given)
    assert maps.shape == wanted.shape
    assert wanted.abs().max() > 1e-3
    assert torch.allclose(maps, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_maps_of_a_network_that_averages_over_the_mirror_image_are_means_too(head: str) -> None:
    network, plain = (built("tiny", side_px=32, head=head, flip=flip) for flip in (True, False))
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        logits, maps, features = mapped(network, side_px=32)(images)
        own, flipped = (mapped(plain, side_px=32)(one)[1] for one in (images, images.flip(-1)))
        expected, given = network(images), network.features(images)
    assert torch.allclose(logits, expected, atol=1e-5)
    assert torch.allclose(features, given, atol=1e-5)
    assert torch.allclose(maps, (own + flipped.flip(-1)) / 2, atol=1e-5)


def test_with_a_linear_head_the_sum_of_a_map_and_the_bias_are_the_logit() -> None:
    network = built("resnet18", side_px=64)
    with torch.inference_mode():
        logits, maps, _ = mapped(network, side_px=64)(torch.randint(0, 256, (2, 3, 64, 64)))
    bias = network.head[1].bias  # type: ignore[index] # dropout and a linear layer
    assert torch.allclose(maps.sum((2, 3)) + bias, logits, atol=1e-5)


def test_a_map_shows_the_place_and_the_sign_of_what_a_logit_depends_on() -> None:
    """The feature map is the red channel, twice; class 1 has the weights 2 and 1, class 0 has -1 and 0."""
    images = torch.zeros(1, 3, 2, 2)
    images[0, 0, 0, 1] = 8.0
    found = mapped(_hand_made(), side_px=2)
    _, maps, _ = found(images)
    assert maps[0, 1].tolist() == [[0.0, 8.0 * (2 + 1) / 4], [0.0, 0.0]]
    assert maps[0, 0].tolist() == [[0.0, -8.0 / 4], [0.0, 0.0]]


def test_maps_follow_the_weights() -> None:
    """Sanity check of Adebayo et al. 2018: the maps of a network with other weights are others."""
    network = built("tiny", side_px=32)
    images = torch.randint(0, 256, (4, 3, 32, 32))
    with torch.inference_mode():
        before = mapped(network, side_px=32)(images)[1]
        for part in (network.head, network.backbone):
            for parameter in part.parameters():
                nn.init.normal_(parameter, std=0.2)
            after = mapped(network, side_px=32)(images)[1]
            alike = np.corrcoef(before.flatten().numpy(), after.flatten().numpy())[0, 1]
            assert abs(alike) < 0.5


@pytest.mark.parametrize(("name", "side_px"), [("fixed_filters", 64), ("vgg11_bn", 64), ("tiny", 40)])
def test_networks_without_a_feature_map_that_fits_have_no_maps(name: str, side_px: int) -> None:
    network = build_network(NetworkSpec(name), image=ImageSpec(side_px=side_px), classes=CLASSES)
    assert class_map_network(network, side_px=side_px) is None


def test_a_backbone_of_another_package_has_no_maps() -> None:
    @backbone("flat_for_class_maps", side_px=8)
    def flat() -> BackboneModule:
        return BackboneModule(nn.Flatten(), 192)

    network = build_network(NetworkSpec("flat_for_class_maps"), image=ImageSpec(side_px=8), classes=CLASSES)
    assert class_map_network(network, side_px=8) is None


class _RedTwice(TinyBackbone):
    """A backbone whose feature map is the red channel of the image, twice."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.features = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False))
        self.pool = nn.AdaptiveAvgPool2d(2)
        with torch.no_grad():
            weight: Tensor = self.features[0].weight  # type: ignore[assignment] # that of a convolution
            weight.copy_(torch.tensor([[1.0, 0, 0], [1.0, 0, 0]]).reshape(2, 3, 1, 1))


def _hand_made() -> ExpressionNet:
    head = nn.Linear(8, 2)
    with torch.no_grad():
        channels = torch.tensor([[-1.0, 0.0], [2.0, 1.0]])
        head.weight.copy_(channels.repeat_interleave(4, dim=1) / 4)
        head.bias.zero_()
    image = ImageSpec(side_px=8, mean=(0.0, 0.0, 0.0), std=(1 / 255,) * 3)
    return ExpressionNet(_RedTwice(), head, image, classes=2)


def test_the_hand_made_network_is_what_its_words_say() -> None:
    images = torch.zeros(1, 3, 2, 2)
    images[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert functional.avg_pool2d(images, 2)[0, 0].item() == 2.5
    assert _hand_made()(images)[0].tolist() == [-2.5, 7.5]

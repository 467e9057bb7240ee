"""Tests of the backbones: feature shapes, trainable features and declaration of new ones."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import get_model

from petmood.core.errors import ConfigError
from petmood.models import backbones, catalog
from petmood.models.backbones import BackboneModule, backbone, build_backbone, layer_groups
from petmood.models.catalog import ImagenetSource, find_backbone, known_backbones

GROUPS = (
    *("efficientnet_b0", "resnet18", "resnet50", "vgg11_bn", "vgg16", "mobilenet_v3_small", "convnext_tiny"),
    *("regnet_y_400mf", "shufflenet_v2_x1_0"),
)
"""One backbone of each architecture: the others differ only in size."""


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, catalog.BackboneSpec]:
    """Isolate the catalog: declarations of a test are undone afterwards."""
    copy = dict(catalog._catalog)
    monkeypatch.setattr(catalog, "_catalog", copy)
    monkeypatch.setattr(backbones, "_builders", dict(backbones._builders))
    return copy


def images(count: int = 6, side_px: int = 32) -> Tensor:
    """Return random images float [B, 3, S, S] in 0..1."""
    return torch.rand(count, 3, side_px, side_px, generator=torch.Generator().manual_seed(0))


def without_numbers(name: str) -> torch.device:
    """Return the meta device, which computes shapes only; regnets need the CPU to compute theirs."""
    return torch.device("cpu" if name.startswith("regnet") else "meta")


def loss_after(features: Tensor, labels: Tensor, *, steps: int) -> list[float]:
    """Train a head on fixed features; return the loss before every step."""
    torch.manual_seed(0)
    scaled = (features - features.mean(dim=0)) / (features.std(dim=0) + 1e-6)
    head, losses = nn.Linear(features.shape[1], 2), []
    optimizer = torch.optim.SGD(head.parameters(), lr=1 / features.shape[1])
    for _ in range(steps):
        loss = nn.functional.cross_entropy(head(scaled), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", known_backbones())
def test_a_backbone_gives_features_of_its_width_from_which_a_head_learns(name: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name)
    with torch.no_grad():
        features = backbone.module.train()(images(side_px=64 if name == "fixed_filters" else 32))
    assert features.shape == (6, backbone.num_features)
    assert not any(
        isinstance(module, nn.Linear) and module.out_features == 1000 for module in backbone.module.modules()
    )
    losses = loss_after(features, torch.tensor([0, 1, 0, 1, 1, 0]), steps=40)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", [*GROUPS, "tiny"])
def test_every_weight_of_a_backbone_lies_in_exactly_one_part_and_deeper_parts_come_later(name: str) -> None:
    with without_numbers(name):
        backbone = build_backbone(name).module
    parts = layer_groups(backbone)
    in_parts = [id(weight) for part in parts for weight in part.parameters()]
    assert len(parts) >= 5
    assert sorted(in_parts) == sorted(id(weight) for weight in backbone.parameters())
    assert in_parts == [id(weight) for weight in backbone.parameters()]


@pytest.mark.parametrize("name", GROUPS)
def test_a_backbone_of_torchvision_keeps_torchvision_s_names_so_that_its_weights_fit(name: str) -> None:
    with without_numbers(name):
        whole, backbone = get_model(name, weights=None), build_backbone(name).module
    shapes = {key: value.shape for key, value in backbone.state_dict().items()}
    left_out = set(whole.state_dict()) - set(shapes)
    assert {key: value.shape for key, value in whole.state_dict().items() if key in shapes} == shapes
    assert {key.rpartition(".")[2] for key in left_out} == {"weight", "bias"}
    assert len(left_out) == 2


@pytest.mark.parametrize("name", GROUPS)
def test_each_backbone_works_on_the_least_image_that_it_says(name: str) -> None:
    device = without_numbers(name)
    with device:
        backbone = build_backbone(name)
        side_px = find_backbone(name).supported_sizes[0]
        assert backbone.module(torch.zeros(2, 3, side_px, side_px)).shape == (2, backbone.num_features)


@pytest.mark.parametrize("side_px", find_backbone("fixed_filters").supported_sizes)
def test_the_fixed_filters_have_one_width_for_every_side(side_px: int) -> None:
    backbone = build_backbone("fixed_filters")
    assert backbone.module(images(1, side_px)).shape == (1, backbone.num_features)


def test_an_unknown_backbone_can_t_be_built() -> None:
    with pytest.raises(ConfigError, match=r"Unknown backbone 'zzz'\. Known: "):
        build_backbone("zzz")


def test_every_declared_backbone_has_a_builder() -> None:
    assert set(backbones._builders) == set(known_backbones())


def test_a_declared_backbone_is_found_and_built(own_registry: dict[str, catalog.BackboneSpec]) -> None:
    @backbone("flat", side_px=8)
    def flat() -> BackboneModule:
        return BackboneModule(nn.Flatten(), 192)

    assert "flat" in own_registry
    assert known_backbones() == tuple(sorted(known_backbones()))
    assert flat is backbones._builders["flat"]
    assert (find_backbone("flat").side_px, build_backbone("flat").num_features) == (8, 192)
    assert find_backbone("flat").imagenet == ImagenetSource.NONE
    assert layer_groups(nn.Sequential(nn.Flatten())) == []


@pytest.mark.usefixtures("own_registry")
def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'resnet18' is in use"):
        backbone("resnet18", side_px=8)(partial(BackboneModule, nn.Flatten(), 192))

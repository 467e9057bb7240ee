"""Tests of the backbone catalog: names, and image sizes equal to torchvision's."""

import pytest
import timm
from torchvision.models import get_model_weights

from petmood.core.errors import ConfigError
from petmood.models.catalog import EFFICIENTNET_LITE, TORCHVISION, ImagenetSource, find_backbone, known_backbones

PROMISED = (
    *(f"efficientnet_b{size}" for size in range(8)),
    *(f"efficientnet_lite{size}" for size in range(3)),
    *("resnet18", "resnet50", "vgg16", "mobilenet_v3_small", "mobilenet_v3_large", "convnext_tiny", "tiny"),
)


@pytest.mark.parametrize("name", PROMISED)
def test_the_promised_backbones_are_declared(name: str) -> None:
    assert name in known_backbones()


@pytest.mark.parametrize(("name", "side_px"), TORCHVISION.items())
def test_the_sides_of_torchvision_s_networks_are_those_that_their_weights_are_evaluated_at(
    name: str, side_px: int
) -> None:
    assert get_model_weights(name)["DEFAULT"].transforms.keywords["crop_size"] == side_px
    assert find_backbone(name).imagenet == ImagenetSource.TORCHVISION


@pytest.mark.parametrize(("name", "side_px"), EFFICIENTNET_LITE.items())
def test_efficientnet_lite_takes_the_side_that_timm_names_and_bytes_less_127_divided_by_128(
    name: str, side_px: int
) -> None:
    spec = find_backbone(name)
    trained = timm.get_pretrained_cfg(f"tf_{name}")
    assert trained is not None
    assert trained.input_size == (3, side_px, side_px)
    assert (spec.side_px, spec.imagenet) == (side_px, ImagenetSource.PACKAGE)
    assert [(value / 255 - spec.mean[0]) / spec.std[0] for value in (127, 255)] == pytest.approx([0.0, 1.0])
    assert len({*spec.mean}) == len({*spec.std}) == 1


@pytest.mark.parametrize(
    ("name", "side_px"), [("tiny", 64), ("resnet18", 224), ("efficientnet_b1", 240), ("efficientnet_b7", 600)]
)
def test_each_backbone_knows_the_input_side_that_it_is_meant_for(name: str, side_px: int) -> None:
    assert find_backbone(name).side_px == side_px


@pytest.mark.parametrize(
    ("name", "side_px", "said"),
    [
        ("fixed_filters", 96, "Expected model.image_size of 64 or 128 for fixed_filters, got 96."),
        ("vgg16", 31, "Expected model.image_size of 32 to 2048 for vgg16, got 31."),
        ("resnet18", 7, "Expected model.image_size of 8 to 2048 for resnet18, got 7."),
    ],
)
def test_a_side_that_a_backbone_cannot_work_on_is_refused(name: str, side_px: int, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        find_backbone(name).resolve_image_size(side_px)
    assert str(refusal.value) == said
    assert find_backbone(name).resolve_image_size(128) == 128


def test_an_unknown_backbone_is_refused_with_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(ConfigError) as refusal:
        find_backbone("resnet5")
    assert "Unknown backbone 'resnet5'. Did you mean resnet50? Known: " in str(refusal.value)
    assert all(name in str(refusal.value) for name in PROMISED)
    with pytest.raises(ConfigError, match=r"Unknown backbone 'zzz'\. Known: "):
        find_backbone("zzz")

"""Builders of backbones: networks that turn images into feature vectors. ``models/catalog.py`` declares their names.

A torchvision network is cut before its last linear layer; the remaining part is the backbone. timm's networks are built
without that layer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torchvision.models import get_model

from petmood.core.extras import require
from petmood.core.image import IMAGENET_MEAN, IMAGENET_STD
from petmood.models.catalog import (
    EFFICIENTNET_LITE,
    SIDES_PX,
    TORCHVISION,
    BackboneSpec,
    Channels,
    declare,
    find_backbone,
)
from petmood.models.handcrafted import HandcraftedFeatures

__all__ = ["BackboneModule", "backbone", "build_backbone", "layer_groups"]


@dataclass(frozen=True, slots=True)
class BackboneModule:
    """A network float [B, 3, S, S] -> features [B, ``num_features``], with random weights."""

    module: nn.Module
    num_features: int


def backbone(
    name: str,
    *,
    side_px: int,
    mean: Channels = IMAGENET_MEAN,
    std: Channels = IMAGENET_STD,
    supported_sizes: Sequence[int] = SIDES_PX,
) -> Callable[[Callable[[], BackboneModule]], Callable[[], BackboneModule]]:
    """Declare the decorated function as the builder of a new backbone ``name``.

    Raises:
        ConfigError: the name is already declared.
    """

    def register(build: Callable[[], BackboneModule]) -> Callable[[], BackboneModule]:
        declare(BackboneSpec(name, side_px, mean, std, supported_sizes=supported_sizes))
        _builders[name] = build
        return build

    return register


def build_backbone(name: str) -> BackboneModule:
    """Build a backbone with random weights.

    Raises:
        ConfigError: unknown name.
        MissingDependency: the network is one of timm's, which is not installed.
    """
    return _builders[find_backbone(name).name]()


def layer_groups(backbone: nn.Module) -> list[nn.Module]:
    """Return a backbone's parts that have weights, from input to output, for layer-wise learning rates.

    A child that is an ``nn.Sequential`` is divided into its members; any other child is one part.
    """
    parts: list[nn.Module] = []
    for child in backbone.children():
        members = list(child.children()) if isinstance(child, nn.Sequential) else [child]
        parts.extend(part for part in members if any(True for _ in part.parameters()))
    return parts


def _torchvision_backbone(name: str) -> BackboneModule:
    network = get_model(name, weights=None)
    return BackboneModule(network, _cut_last_linear(network))


def _timm_backbone(name: str) -> BackboneModule:
    # The weights were trained by TensorFlow, whose padding is asymmetric: timm calls these networks tf_.
    network = require("timm", extra="weights").create_model(f"tf_{name}", pretrained=False, num_classes=0)
    return BackboneModule(network, network.num_features)


def _cut_last_linear(network: nn.Module) -> int:
    """Replace the last linear layer by an identity and return its number of input features."""
    path, last = [(path, m) for path, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    network.set_submodule(path, nn.Identity())
    return last.in_features


class TinyBackbone(nn.Module):
    """Six small convolutions for synthetic faces: 0.4 M weights, a few milliseconds per photo."""

    WIDTHS = (24, 48, 64, 96, 128, 160)

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = 3
        for depth, width in enumerate(self.WIDTHS):
            stride = 2 if depth in {1, 2, 4} else 1
            conv = nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)
            blocks.append(nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU()))
            before = width
        self.features = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, images: Tensor) -> Tensor:
        """Return features [B, 640] of images float [B, 3, S, S]."""
        pooled: Tensor = self.pool(self.features(images))
        return pooled.flatten(1)


def _tiny() -> BackboneModule:
    return BackboneModule(TinyBackbone(), TinyBackbone.WIDTHS[-1] * 4)


def _fixed_filters() -> BackboneModule:
    filters = HandcraftedFeatures()
    return BackboneModule(filters, sum(filters.block_widths))


_builders: dict[str, Callable[[], BackboneModule]] = {
    **{name: partial(_torchvision_backbone, name) for name in TORCHVISION},
    **{name: partial(_timm_backbone, name) for name in EFFICIENTNET_LITE},
    "tiny": _tiny,
    "fixed_filters": _fixed_filters,
}

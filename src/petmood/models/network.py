"""What is the whole network? Normalisation, trunk and head in one module: uint8 pictures in, logits out."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from petmood.core.image import ImageSpec
from petmood.models.backbones import build_backbone
from petmood.models.heads import make_head
from petmood.models.pretrained import load_backbone_weights

__all__ = ["ExpressionNet", "NetworkSpec", "build_network"]


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What a network is made of; enough to build it again and load its weights."""

    backbone: str
    head: str = "linear"
    dropout: float = 0.2


class ExpressionNet(nn.Module):
    """A trunk and a head behind the normalisation of an ``ImageSpec``.

    Pictures come as uint8 or float [B, 3, S, S] with values 0..255; logits go out as float [B, K].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: nn.Module, head: nn.Module, image: ImageSpec, *, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.trunk = trunk
        self.head = head
        self.register_buffer("mean", 255 * torch.tensor(image.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(image.std).view(1, 3, 1, 1), persistent=False)

    def features(self, pictures: Tensor) -> Tensor:
        """Return what the trunk sees in the pictures, [B, width]."""
        out: Tensor = self.trunk((pictures.float() - self.mean) / self.std)
        return out

    def forward(self, pictures: Tensor) -> Tensor:
        """Return logits [B, K]."""
        out: Tensor = self.head(self.features(pictures))
        return out


def build_network(spec: NetworkSpec, *, image: ImageSpec, classes: int, weights: str = "none") -> ExpressionNet:
    """Build a network; its trunk starts from ``weights`` (see ``models.weights``), its head at random.

    Raises:
        ConfigError: an unknown backbone, head or weights file.
        DownloadError: ImageNet weights that can't be fetched.
    """
    trunk = build_backbone(spec.backbone)
    load_backbone_weights(trunk.module, backbone=spec.backbone, weights=weights)
    head = make_head(spec.head, width=trunk.num_features, classes=classes, dropout=spec.dropout)
    return ExpressionNet(trunk.module, head, image, classes=classes)

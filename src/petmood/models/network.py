"""Complete network in one module: normalization, backbone and head, from uint8 images to logits."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from petmood.core.image import ImageSpec
from petmood.models.backbones import build_backbone
from petmood.models.heads import make_head
from petmood.models.pretrained import load_backbone_weights

__all__ = ["ExpressionNet", "NetworkSpec", "build_network", "mean_of_mirrored", "with_mirrored"]


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """Architecture of a network; sufficient to build it again and load its weights."""

    backbone: str
    head: str = "linear"
    dropout: float = 0.2
    test_time_flip: bool = False


class ExpressionNet(nn.Module):
    """A backbone and a head after the normalization of an ``ImageSpec``.

    Input: images uint8 or float [B, 3, S, S] with values 0..255. Output: logits float [B, K]. With ``test_time_flip``,
    the features at inference are the mean of those of an image and of its mirror image; in training they are not.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, head: nn.Module, image: ImageSpec, *, classes: int, test_time_flip: bool = False
    ) -> None:
        super().__init__()
        self.classes = classes
        self.test_time_flip = test_time_flip
        self.backbone = backbone
        self.head = head
        self.register_buffer("mean", 255 * torch.tensor(image.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(image.std).view(1, 3, 1, 1), persistent=False)

    def features(self, images: Tensor) -> Tensor:
        """Return the backbone's features of the images, [B, width]."""
        normalized = (images.float() - self.mean) / self.std
        if self.test_time_flip and not self.training:
            return mean_of_mirrored(self.backbone(with_mirrored(normalized)), count=images.shape[0])
        out: Tensor = self.backbone(normalized)
        return out

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [B, K]."""
        out: Tensor = self.head(self.features(images))
        return out


def with_mirrored(images: Tensor) -> Tensor:
    """Return images [B, C, H, W] and after them their mirror images, [2B, C, H, W], to be computed in one pass."""
    return torch.cat([images, images.flip(-1)])


def mean_of_mirrored(values: Tensor, *, count: int) -> Tensor:
    """Return the mean of what was computed for ``count`` images and for their mirror images: [2B, ...] -> [B, ...].

    ``count`` is ``images.shape[0]``, not ``len(images)``, which fixes the batch of an exported graph.
    """
    return (values[:count] + values[count:]) / 2


def build_network(spec: NetworkSpec, *, image: ImageSpec, classes: int, weights: str = "none") -> ExpressionNet:
    """Build a network; the backbone is initialized from ``weights`` (see ``models.pretrained``), the head randomly.

    Raises:
        ConfigError: unknown backbone or head, or a weights file that is missing or doesn't fit.
        DownloadError: the ImageNet weights can't be fetched.
    """
    backbone = build_backbone(spec.backbone)
    load_backbone_weights(backbone.module, backbone=spec.backbone, weights=weights)
    head = make_head(spec.head, width=backbone.num_features, classes=classes, dropout=spec.dropout)
    return ExpressionNet(backbone.module, head, image, classes=classes, test_time_flip=spec.test_time_flip)

"""Network of the domain scores: how far a photo is from the training photos, and whether it shows an animal.

Both come from frozen ImageNet features. Those of a network that was fine-tuned on one kind of photo are worse at this:
docs/results.md has the figures.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from petmood.models.backbones import build_backbone
from petmood.models.catalog import find_backbone
from petmood.models.packaged_weights import packaged_weights

__all__ = ["BACKBONE", "COMPONENTS", "WIDTH", "DomainNet", "FeatureNetwork"]

BACKBONE: Final = "efficientnet_lite0"
SIDE_PX: Final = 96
"""Side of the images that the backbone gets: at 64 px its scores are worse, at 128 px no better."""
ANIMALS: Final = 398
"""The first classes of ImageNet are animals."""
WIDTH: Final = 1280
COMPONENTS: Final = 64


class FeatureNetwork(nn.Module):
    """Images uint8 or float [B, 3, S, S] in 0..255 -> features [B, 1280] of length 1, and animal scores [B] in 0..1.

    The animal score is the sum of the probabilities of ImageNet's animal classes.

    Raises:
        ConfigError: the file of the weights is damaged.
        MissingDependency: the package with the weights, or timm, is not installed.
    """

    resize: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, *, side_px: int) -> None:
        super().__init__()
        spec, state = find_backbone(BACKBONE), packaged_weights(BACKBONE)
        self.backbone = build_backbone(BACKBONE).module
        self.backbone.load_state_dict({name: state[name] for name in self.backbone.state_dict()})
        self.head = nn.Linear(WIDTH, len(state["classifier.bias"]))
        self.head.load_state_dict({name: state[f"classifier.{name}"] for name in ("weight", "bias")})
        self.register_buffer("resize", _resizing(side_px, SIDE_PX), persistent=False)
        self.register_buffer("mean", 255 * torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [B, 1280] and animal scores [B]."""
        small = self.resize @ images.float() @ self.resize.T
        features = self.backbone((small - self.mean) / self.std)
        animal = self.head(features).softmax(1)[:, :ANIMALS].sum(1)
        return functional.normalize(features), animal


class DomainNet(nn.Module):
    """Serving graph: input uint8 [B, S, S, 3], outputs novelty [B] and animal score [B], float32.

    Novelty is the distance of the features from their mean, divided by ``limit``. The distance is that of Mahalanobis
    for the covariance of a probabilistic PCA (Tipping and Bishop 1999): ``precisions`` [P] along its ``components``
    [1280, P], ``residual`` in all other directions.
    """

    mean: Tensor
    components: Tensor
    precisions: Tensor
    residual: Tensor
    limit: Tensor

    def __init__(self, features: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.features = features
        # Any values: an export replaces them. They differ, so that the exporter doesn't merge or fold them.
        self.register_buffer("mean", torch.linspace(0.1, 0.2, WIDTH))
        self.register_buffer("components", torch.eye(WIDTH, COMPONENTS))
        self.register_buffer("precisions", torch.linspace(2.0, 3.0, COMPONENTS))
        self.register_buffer("residual", torch.tensor([1.5]))
        self.register_buffer("limit", torch.tensor([2.5]))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return novelty [B] and animal scores [B] for pixels uint8 [B, S, S, 3]."""
        features, animal = self.features(pixels.permute(0, 3, 1, 2))
        centered = features - self.mean
        along = centered @ self.components
        rest = (centered * centered).sum(1) - (along * along).sum(1)
        squared = (along * along * self.precisions).sum(1) + rest.clamp(min=0) * self.residual
        return squared.sqrt() / self.limit, animal


def _resizing(side_px: int, to_px: int) -> Tensor:
    """Return the matrix [to_px, side_px] that resizes a column of pixels, bilinear with antialiasing.

    As a matrix, ONNX Runtime computes the same as torch.
    """
    identity = torch.eye(side_px)[None, None]
    resized = functional.interpolate(identity, size=(to_px, side_px), mode="bilinear", antialias=True)
    return resized[0, 0].contiguous()

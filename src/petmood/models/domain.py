"""Network of the domain scores: how far a photo is from the training photos, and whether it shows an animal.

Both come from frozen ImageNet features. Those of a network that was fine-tuned on one kind of photo are worse at this:
docs/results.md has the figures.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from petmood.core.domain import SCENE_WARNINGS
from petmood.models.backbones import build_backbone
from petmood.models.catalog import find_backbone
from petmood.models.packaged_weights import packaged_weights

__all__ = ["BACKBONE", "COMPONENTS", "SCENE_WIDTH", "WIDTH", "DomainNet", "FeatureNetwork", "PhotoFeatures"]

BACKBONE: Final = "efficientnet_lite0"
SIDE_PX: Final = 96
"""Side of the images that the backbone gets: at 64 px its scores are worse, at 128 px no better."""
BAND_PX: Final = 24
"""Rows of the resized image that are computed together; a multiple of these is ``SIDE_PX``."""
ANIMALS: Final = 398
"""The first classes of ImageNet are animals."""
WIDTH: Final = 1280
COMPONENTS: Final = 64
EARLY_STAGES: Final = 5
"""Stages of blocks up to the feature map with 6 x 6 places and 112 channels."""
SCENE_WIDTH: Final = WIDTH + 2 * 112
"""Deviations of the last feature map, and means and deviations of that of 6 x 6 places."""


class PhotoFeatures(NamedTuple):
    """Features [B, 1280] of length 1, animal scores [B] in 0..1, and scene features [B, 1504]."""

    features: Tensor
    animal: Tensor
    scene: Tensor


class FeatureNetwork(nn.Module):
    """Images uint8 or float [B, 3, S, S] in 0..255 -> ``PhotoFeatures``.

    The animal score is the sum of the probabilities of ImageNet's animal classes. Scene features describe how the
    content of a photo is spread: means and standard deviations over the places of two feature maps.

    Raises:
        ConfigError: the file of the weights is damaged.
        MissingDependency: the package with the weights, or timm, is not installed.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, side_px: int) -> None:
        super().__init__()
        spec, state = find_backbone(BACKBONE), packaged_weights(BACKBONE)
        backbone = build_backbone(BACKBONE).module
        backbone.load_state_dict({name: state[name] for name in backbone.state_dict()})
        parts = dict(backbone.named_children())
        stages = list(parts["blocks"].children())
        self.early = nn.Sequential(parts["conv_stem"], parts["bn1"], *stages[:EARLY_STAGES])
        self.late = nn.Sequential(*stages[EARLY_STAGES:], parts["conv_head"], parts["bn2"])
        self.head = nn.Linear(WIDTH, len(state["classifier.bias"]))
        self.head.load_state_dict({name: state[f"classifier.{name}"] for name in ("weight", "bias")})
        self.columns: list[tuple[int, int]] = []
        for number, part in enumerate(torch.split(_resizing(side_px, SIDE_PX), BAND_PX)):
            first, last = _columns(part)
            self.columns.append((first, last))
            self.register_buffer(f"resize_{number}", part[:, first:last].contiguous(), persistent=False)
        self.register_buffer("mean", 255 * torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(requires_grad=False)

    def resized(self, images: Tensor) -> Tensor:
        """Return images float [B, 3, 96, 96], resized bilinearly with antialiasing.

        A row of the result depends on few rows of the image, so ``BAND_PX`` of them are computed from these alone, and
        columns likewise. The colors of a pixel stay together, as they come, until the image has fewer rows.
        """
        side = images.shape[-1]
        bands = [(getattr(self, f"resize_{number}"), *ends) for number, ends in enumerate(self.columns)]
        rows = images.permute(0, 2, 3, 1).flatten(2).float()
        short = torch.cat([part @ rows[:, first:last] for part, first, last in bands], dim=1)
        narrow = torch.unflatten(short, 2, (side, 3)).permute(0, 3, 1, 2)
        return torch.cat([narrow[..., first:last] @ part.T for part, first, last in bands], dim=3)

    def forward(self, images: Tensor) -> PhotoFeatures:
        """Return the features, animal scores and scene features of images."""
        middle = self.early((self.resized(images) - self.mean) / self.std)
        features, spread = _moments(self.late(middle))
        animal = self.head(features).softmax(1)[:, :ANIMALS].sum(1)
        return PhotoFeatures(functional.normalize(features), animal, torch.cat([spread, *_moments(middle)], dim=1))


class DomainNet(nn.Module):
    """Serving graph: input uint8 [B, S, S, 3], outputs novelty [B] and animal score [B], float32.

    With ``scenes``, the scores [B] of all scene warnings follow: scene features times ``scene_weights`` [1504, W] plus
    ``scene_offsets`` [W].

    Novelty is the distance of the features from their mean, divided by ``limit``. The distance is that of Mahalanobis
    for the covariance of a probabilistic PCA (Tipping and Bishop 1999): ``precisions`` [P] along its ``components``
    [1280, P], ``residual`` in all other directions.
    """

    mean: Tensor
    components: Tensor
    precisions: Tensor
    residual: Tensor
    limit: Tensor
    scene_weights: Tensor
    scene_offsets: Tensor

    def __init__(self, features: Callable[[Tensor], PhotoFeatures], *, scenes: bool = False) -> None:
        super().__init__()
        self.scenes = scenes
        self.features = features
        # Any values: an export replaces them. They differ, so that the exporter doesn't merge or fold them.
        self.register_buffer("mean", torch.linspace(0.1, 0.2, WIDTH))
        self.register_buffer("components", torch.eye(WIDTH, COMPONENTS))
        self.register_buffer("precisions", torch.linspace(2.0, 3.0, COMPONENTS))
        self.register_buffer("residual", torch.tensor([1.5]))
        self.register_buffer("limit", torch.tensor([2.5]))
        if scenes:
            count = len(SCENE_WARNINGS)
            weights = torch.linspace(0.1, 0.2, SCENE_WIDTH * count).view(SCENE_WIDTH, count)
            self.register_buffer("scene_weights", weights)
            self.register_buffer("scene_offsets", torch.linspace(0.3, 0.4, count))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return novelty [B], animal scores [B] and scores of scene warnings for pixels uint8 [B, S, S, 3]."""
        features, animal, scene = self.features(pixels.permute(0, 3, 1, 2))
        centered = features - self.mean
        along = centered @ self.components
        rest = (centered * centered).sum(1) - (along * along).sum(1)
        squared = (along * along * self.precisions).sum(1) + rest.clamp(min=0) * self.residual
        novelty = squared.sqrt() / self.limit
        if not self.scenes:
            return novelty, animal
        scores = scene @ self.scene_weights + self.scene_offsets
        return novelty, animal, *scores.unbind(1)


def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and standard deviations [B, C] over the places of feature maps [B, C, H, W]."""
    flat = maps.flatten(2)
    means = flat.mean(2)
    centered = flat - means.unsqueeze(2)
    return means, (centered * centered).mean(2).sqrt()


def _columns(part: Tensor) -> tuple[int, int]:
    """Return the first column with a value that is not 0, and the one after the last."""
    used = part.any(dim=0).nonzero().flatten()
    return int(used[0]), int(used[-1]) + 1


def _resizing(side_px: int, to_px: int) -> Tensor:
    """Return the matrix [to_px, side_px] that resizes a column of pixels, bilinear with antialiasing.

    As a matrix, ONNX Runtime computes the same as torch.
    """
    identity = torch.eye(side_px)[None, None]
    resized = functional.interpolate(identity, size=(to_px, side_px), mode="bilinear", antialias=True)
    return resized[0, 0].contiguous()

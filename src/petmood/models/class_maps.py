"""Class maps: which places of the image raise or lower the logit of each class.

A map is the gradient of a logit with respect to the last feature map, times that feature map, summed over channels:
HiResCAM (Draelos and Carin 2020). In a network that averages its feature map over all positions, as most do, this
equals Grad-CAM (Selvaraju et al. 2017). With a linear head it equals CAM too (Zhou et al. 2016). Positive and negative
values are both kept; the usual heat map shows the positive ones.

The gradient is written as products of matrices, so that an exported graph needs no automatic differentiation.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import ConvNeXt, EfficientNet, MobileNetV3, RegNet, ResNet, ShuffleNetV2

from petmood.models.backbones import TinyBackbone
from petmood.models.network import ExpressionNet, mean_of_mirrored, with_mirrored

__all__ = ["ClassMapNetwork", "class_map_network"]

KNOWN: Final = (ConvNeXt, EfficientNet, MobileNetV3, RegNet, ResNet, ShuffleNetV2, TinyBackbone)
"""Networks whose children run one after another, up to the pooling of the last feature map.

VGG is not among them: its graph would hold the 400 MB of its first linear layer twice."""
AFTER_FEATURES: Final = frozenset({"avgpool", "pool", "global_pool", "classifier", "fc"})
"""Names of the children from the pooling on."""
TINY_POOLED_SIDE: Final = 2
"""Side of the pooled feature map of ``tiny``; that of the other networks is 1."""

_Gradient = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class _Parts:
    """A network from the normalized image on: its feature map, the side of the pooled map, and the layers after it.

    The last ``head_layers`` of ``rest`` are those of the head.
    """

    features: nn.Sequential
    pooled_side: int
    rest: tuple[nn.Module, ...]
    head_layers: int


class ClassMapNetwork(nn.Module):
    """An ``ExpressionNet`` that also returns class maps; it shares the weights of that network.

    Input: images uint8 or float [B, 3, S, S] in 0..255. Outputs: logits [B, K], class maps [B, K, H, W] and the
    features [B, D] that the head gets. H x W is the size of the last feature map. The unit of a map is that of the
    logits. If all layers after the feature map are linear, a map's sum plus the logit of an empty feature map is the
    logit. With ``test_time_flip``, a map is the mean of those of the image and of its mirror image, which is flipped
    back.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: ExpressionNet, parts: _Parts) -> None:
        super().__init__()
        self.classes, self.test_time_flip = network.classes, network.test_time_flip
        self.features, self.rest = parts.features, nn.ModuleList(parts.rest)
        self.pooled_side, self.head_layers = parts.pooled_side, parts.head_layers
        self.register_buffer("mean", network.mean, persistent=False)
        self.register_buffer("std", network.std, persistent=False)
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits [B, K], class maps [B, K, H, W] and features [B, D]."""
        normalized = (images.float() - self.mean) / self.std
        if not self.test_time_flip:
            return self._passed(normalized)
        count = images.shape[0]
        _, maps, features = self._passed(with_mirrored(normalized))
        features = mean_of_mirrored(features, count=count)
        logits = features
        for layer in self.rest[len(self.rest) - self.head_layers :]:
            logits = _applied(layer, logits)
        turned_back = torch.cat([maps[:count], maps[count:].flip(-1)])
        return logits, mean_of_mirrored(turned_back, count=count), features

    def _passed(self, normalized: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.features(normalized)
        inputs = [functional.adaptive_avg_pool2d(features, self.pooled_side).flatten(1)]
        for layer in self.rest:
            inputs.append(_applied(layer, inputs[-1]))
        gradient = torch.eye(self.classes)  # [K, K]; then [K, D], or [B, K, D] if it depends on the image
        for layer, given in zip(reversed(self.rest), reversed(inputs[:-1]), strict=True):
            gradient = _gradient_rule(layer)(layer, gradient, given)
        return inputs[-1], self._maps(features, gradient), inputs[len(self.rest) - self.head_layers]

    def _maps(self, features: Tensor, gradient: Tensor) -> Tensor:
        channels, height, width = features.shape[1:]
        side = self.pooled_side
        by_channel = gradient.reshape(*gradient.shape[:-1], channels, side * side)
        cells = _cells(features, side)  # [B, C, side * side, positions of a cell]
        if by_channel.ndim == 3:
            products = torch.einsum("kcs,bcsp->bksp", by_channel, cells)
        else:
            products = torch.einsum("bkcs,bcsp->bksp", by_channel, cells)
        return _uncut(products, side, height, width) * (side * side / (height * width))


def class_map_network(network: ExpressionNet, *, side_px: int) -> ClassMapNetwork | None:
    """Return the network with class maps, or None if its backbone has no feature map that they can be computed from.

    These are VGG, hand-crafted features, backbones of other packages, and sizes where the 2 x 2 positions of the pooled
    map of ``tiny`` don't divide its feature map.
    """
    network.eval()
    backbone = network.backbone
    if not (isinstance(backbone, KNOWN) or type(backbone).__module__.startswith("timm.models.efficientnet")):
        return None
    before, after = _divided(backbone)
    head = tuple(_layers([network.head]))
    rest = (*_layers(after), *head)
    side = TINY_POOLED_SIDE if isinstance(backbone, TinyBackbone) else 1
    features = nn.Sequential(*before)
    with torch.inference_mode():
        height, width = features(torch.zeros(1, 3, side_px, side_px)).shape[-2:]
    if height % side or width % side:
        return None
    return ClassMapNetwork(network, _Parts(features, side, rest, len(head)))


def _divided(backbone: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return a backbone's children before the pooling of its last feature map, and those after the pooling."""
    named = list(backbone.named_children())
    first = next(at for at, (name, _) in enumerate(named) if name in AFTER_FEATURES)
    after = [child for name, child in named[first:] if name in {"classifier", "fc"}]
    return [child for _, child in named[:first]], after


def _layers(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield the single layers of nested sequences, without those that do nothing to a vector at inference."""
    for module in modules:
        if isinstance(module, nn.Sequential):
            yield from _layers(module)
        elif not isinstance(module, nn.Identity | nn.Dropout | nn.Flatten):
            yield module


def _applied(layer: nn.Module, vectors: Tensor) -> Tensor:
    if isinstance(layer, nn.LayerNorm):  # that of ConvNeXt expects images
        return functional.layer_norm(vectors, layer.normalized_shape, layer.weight, layer.bias, layer.eps)
    out: Tensor = layer(vectors.clone())  # an activation may work in place, and the gradient needs its input
    return out


def _cells(features: Tensor, side: int) -> Tensor:
    """Cut feature maps [B, C, H, W] into side x side cells: [B, C, side * side, positions of a cell]."""
    batch, channels, height, width = features.shape
    cut = features.reshape(batch, channels, side, height // side, side, width // side)
    return cut.permute(0, 1, 2, 4, 3, 5).reshape(batch, channels, side * side, -1)


def _uncut(cells: Tensor, side: int, height: int, width: int) -> Tensor:
    """Reverse ``_cells``: [B, K, side * side, positions of a cell] -> [B, K, H, W]."""
    batch, classes = cells.shape[:2]
    placed = cells.reshape(batch, classes, side, side, height // side, width // side)
    return placed.permute(0, 1, 2, 4, 3, 5).reshape(batch, classes, height, width)


def _linear_gradient(layer: nn.Module, gradient: Tensor, _: Tensor) -> Tensor:
    weight: Tensor = layer.weight  # type: ignore[assignment] # only called for nn.Linear
    return gradient @ weight


def _relu_gradient(_: nn.Module, gradient: Tensor, given: Tensor) -> Tensor:
    return gradient * (given > 0).float().unsqueeze(1)


def _hardswish_gradient(_: nn.Module, gradient: Tensor, given: Tensor) -> Tensor:
    middle = (given > -3) & (given < 3)
    slope = torch.where(middle, given / 3 + 0.5, (given >= 3).float())
    return gradient * slope.unsqueeze(1)


def _layer_norm_gradient(layer: nn.Module, gradient: Tensor, given: Tensor) -> Tensor:
    """Return the gradient before a normalization y = (x - mean) / deviation * weight + bias of each vector."""
    weight: Tensor = layer.weight  # type: ignore[assignment] # only called for nn.LayerNorm
    eps: float = layer.eps  # type: ignore[assignment] # as above
    centered = given - given.mean(1, keepdim=True)
    deviation = (centered.square().mean(1, keepdim=True) + eps).sqrt()
    unit = (centered / deviation).unsqueeze(1)  # [B, 1, D]
    weighted = gradient * weight  # [K, D] or [B, K, D]
    along = (weighted * unit).mean(-1, keepdim=True) * unit
    return (weighted - weighted.mean(-1, keepdim=True) - along) / deviation.unsqueeze(1)


def _gradient_rule(layer: nn.Module) -> _Gradient:
    return next(rule for kind, rule in _GRADIENTS.items() if isinstance(layer, kind))


_GRADIENTS: Final[dict[type[nn.Module], _Gradient]] = {
    nn.Linear: _linear_gradient,
    nn.ReLU: _relu_gradient,
    nn.Hardswish: _hardswish_gradient,
    nn.LayerNorm: _layer_norm_gradient,
}

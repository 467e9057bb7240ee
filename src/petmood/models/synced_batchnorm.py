"""Batch normalization over the batches of all processes that train together, on any device.

torch's own ``SyncBatchNorm`` works on GPUs alone, and its conversion drops the activation of timm's layers.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, distributed, nn

__all__ = ["synchronize_batchnorm"]


def synchronize_batchnorm(network: nn.Module) -> None:
    """Let each batch norm of a network use the mean and variance over all processes, in place.

    In training, every process has to call the network equally often. Evaluation, names and values of the tensors stay
    as they were.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not isinstance(module, _Synchronized):
            module.__class__ = _synchronized(type(module))  # type: ignore[arg-type] # a class is hashable


class _Synchronized:
    """Forward pass of a 2d batch norm on images [B, C, H, W], ahead of its own class."""

    def forward(self, images: Tensor) -> Any:  # noqa: ANN401 - as the layer's own class
        layer: Any = self
        if not layer.training:
            return super().forward(images)  # type: ignore[misc] # the layer's own class
        out = _normalized(layer, images)
        for name in ("drop", "act"):  # timm's BatchNormAct2d has both
            out = getattr(layer, name)(out) if hasattr(layer, name) else out
        return out


@cache
def _synchronized(own: type[Any]) -> Any:  # noqa: ANN401 - a subclass of the given class
    return type(f"Synchronized{own.__name__}", (_Synchronized, own), {})


def _normalized(layer: nn.BatchNorm2d, images: Tensor) -> Tensor:
    wide = images.float() if images.dtype in {torch.float16, torch.bfloat16} else images
    count = torch.full((1,), wide.numel() / wide.shape[1], dtype=wide.dtype, device=wide.device)
    *sums, total = _Sum.apply(torch.cat([wide.sum((0, 2, 3)), count])).split([wide.shape[1], 1])
    mean = sums[0] / total
    centered = wide - mean.view(1, -1, 1, 1)
    variance = _Sum.apply(centered.square().sum((0, 2, 3))) / total
    _track(layer, mean.detach(), (variance * total / (total - 1)).detach())
    out = centered * torch.rsqrt(variance + layer.eps).view(1, -1, 1, 1)
    if layer.affine:
        out = out * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)
    rounded: Tensor = out.to(images.dtype)
    return rounded


def _track(layer: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics as torch does: a cumulative average where the momentum is None."""
    if layer.running_mean is None or layer.running_var is None or layer.num_batches_tracked is None:
        return
    layer.num_batches_tracked.add_(1)
    share = 1 / int(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    with torch.no_grad():
        layer.running_mean.lerp_(mean, share)
        layer.running_var.lerp_(variance, share)


class _Sum(torch.autograd.Function):
    """Sum of a tensor over all processes; each process's loss depends on every process's tensor."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401, ARG004 - torch's signature
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401, ARG004 - torch's signature
        summed = gradients[0].clone()
        distributed.all_reduce(summed)
        return summed

"""Two-layer wavelet scattering at several scales as a torch module of fixed convolutions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Scattering", "gabor_bank", "opponent_colours"]

CALM = 1e-7
"""Keeps the modulus of constant planes above 0. (Not 1e-8: torch's ONNX exporter treats it as 0.)"""
FLOOR = 0.01
"""Added before the logarithm; the second layer uses half of it, as its values are about half as large."""


def opponent_colours(images: Tensor) -> Tensor:
    """Convert RGB images [B, 3, H, W] to brightness, red-green and yellow-blue channels [B, 3, H, W]."""
    red, green, blue = images[:, 0:1], images[:, 1:2], images[:, 2:3]
    bright = (red + green + blue) / 3
    return torch.cat([bright, (red - green) / math.sqrt(2), (red + green - 2 * blue) / math.sqrt(6)], 1)


def gabor_bank(orientations: int, *, length: int = 7, sigma: float = 1.1, frequency: float = 1.8) -> Tensor:
    """Return Gabor wavelets [2 * orientations, 1, length, length]: the even ones (zero mean), then the odd ones."""
    reach = torch.arange(length) - length // 2.0
    down, across = torch.meshgrid(reach, reach, indexing="ij")
    even, odd = [], []
    for turn in range(orientations):
        angle = math.pi * turn / orientations
        along = across * math.cos(angle) + down * math.sin(angle)
        beside = -across * math.sin(angle) + down * math.cos(angle)
        window = torch.exp(-(along * along + 0.5 * beside * beside) / (2 * sigma**2))
        wave = window * torch.cos(frequency * along)
        even.append((wave - window * (wave.sum() / window.sum())) / window.sum())
        odd.append(window * torch.sin(frequency * along) / window.sum())
    return torch.stack(even + odd).unsqueeze(1)


class Scattering(nn.Module):
    """First- and second-order moduli of wavelet responses, pooled on a grid (after Bruna, Mallat 2013).

    Images float [B, 3, S, S] in 0..1 -> features [B, D]; S is a power of 2, at least ``grid * 2**(scales - 1)``.
    Scales are the levels of an image pyramid; the second layer uses the brightness channel only.
    """

    first: Tensor
    second: Tensor

    def __init__(self, *, grid: int = 4, first: int = 8, second: int = 4, scales: int = 3) -> None:
        super().__init__()
        self.grid, self.scales, self.orientations = grid, scales, first
        self.register_buffer("first", gabor_bank(first), persistent=False)
        self.register_buffer("second", gabor_bank(second), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled coefficients of both layers at all scales."""
        colours = opponent_colours(images)
        parts = [self._pool(colours)]
        for _ in range(self.scales):
            moduli = _modulus(colours, self.first)
            parts.append((self._pool(moduli) + FLOOR).log())
            bright = functional.avg_pool2d(moduli[:, : self.orientations], 2)
            while bright.shape[-1] >= 2 * self.grid:
                parts.append((self._pool(_modulus(bright, self.second)) + FLOOR / 2).log())
                bright = functional.avg_pool2d(bright, 2)
            colours = functional.avg_pool2d(colours, 2)
        return torch.cat(parts, 1)

    def _pool(self, planes: Tensor) -> Tensor:
        """Return overlapping means over the grid, flattened."""
        side = planes.shape[-1] // self.grid
        pooled = functional.avg_pool2d(planes, side, max(side // 2, 1)) if side > 1 else planes
        return pooled.flatten(1)


def _modulus(planes: Tensor, filters: Tensor) -> Tensor:
    count, channels, height, width = planes.shape
    padded = functional.pad(planes, (filters.shape[-1] // 2,) * 4, mode="replicate")
    waves = functional.conv2d(padded.flatten(0, 1).unsqueeze(1), filters)
    half = len(filters) // 2
    moduli: Tensor = (waves[:, :half].square() + waves[:, half:].square() + CALM).sqrt()
    return moduli.reshape(count, channels * half, height, width)

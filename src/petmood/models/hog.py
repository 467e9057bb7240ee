"""Histograms of oriented gradients (HOG) as a torch module of fixed convolutions."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["HOG"]

TEXTURE = 0.2357
"""1 / sqrt(18): weight of the four texture channels, as in Felzenszwalb's code."""


class HOG(nn.Module):
    """Histograms of oriented gradients with 31 channels per cell (Felzenszwalb et al. 2010, after Dalal, Triggs 2005).

    Images float [B, 3, S, S] in 0..1 -> features [B, 31 * (S / cell)**2]. Each pixel votes for the two directions
    nearest to its gradient; the strongest of the three channels counts. Votes are pooled with triangular weights and
    normalized by four blocks.
    """

    directions: Tensor
    gradient: Tensor
    pool: Tensor

    def __init__(self, *, bins: int = 9, cell: int = 8, clip: float = 0.2) -> None:
        super().__init__()
        self.bins, self.cell, self.clip = bins, cell, clip
        angle = torch.arange(2 * bins) * math.pi / bins
        directions = torch.zeros(2 * bins, 1, 3, 3)
        directions[:, 0, 1, 2], directions[:, 0, 1, 0] = angle.cos(), -angle.cos()
        directions[:, 0, 2, 1], directions[:, 0, 0, 1] = angle.sin(), -angle.sin()
        triangle = 1 - (torch.arange(2 * cell) + 0.5 - cell).abs() / cell
        self.register_buffer("directions", directions, persistent=False)
        self.register_buffer("gradient", directions[[0]].repeat(2, 1, 1, 1), persistent=False)
        self.gradient[1, 0] = self.gradient[0, 0].T
        self.register_buffer(
            "pool", (torch.outer(triangle, triangle) / cell**2).repeat(2 * bins, 1, 1, 1), persistent=False
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the normalized histograms of all cells, flattened."""
        signed = self._cells(images)
        unsigned = signed[:, : self.bins] + signed[:, self.bins :]
        energy = (unsigned * unsigned).sum(1, keepdim=True)
        blocks = functional.pad(4 * functional.avg_pool2d(energy, 2, 1), (1, 1, 1, 1), mode="replicate")
        height, width = unsigned.shape[2:]
        both: list[Tensor] = []
        texture: list[Tensor] = []
        for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
            norm = (blocks[:, :, top : top + height, left : left + width] + 1e-4).rsqrt()
            clipped = (unsigned * norm).clamp(max=self.clip)
            both.append(torch.cat([(signed * norm).clamp(max=self.clip), clipped], 1) / 2)
            texture.append(TEXTURE * clipped.sum(1, keepdim=True))
        return torch.cat([both[0] + both[1] + both[2] + both[3], *texture], 1).flatten(1)

    def _cells(self, images: Tensor) -> Tensor:
        """Return the pooled votes for signed directions: [B, 2 * bins, S / cell, S / cell]."""
        count = images.shape[0]
        roots = functional.pad(images.clamp(min=1e-6).sqrt(), (1, 1, 1, 1), mode="replicate")
        planes = roots.flatten(0, 1).unsqueeze(1)
        slope = functional.conv2d(planes, self.gradient)
        strength = (slope * slope).sum(1, keepdim=True).sqrt()
        nearest = math.cos(math.pi / self.bins)
        votes = (functional.conv2d(planes, self.directions) - nearest * strength).clamp(min=0) / (1 - nearest)
        strongest = votes.reshape(count, 3, *votes.shape[1:]).amax(1)
        return functional.conv2d(strongest, self.pool, stride=self.cell, padding=self.cell // 2, groups=2 * self.bins)

"""Handcrafted features without training: HOG, scattering and local binary patterns, averaged with the mirror image.

With 296 original photos, a network that learns its own filters stays at chance level. These features with a linear
head in closed form are better (docs/results.md). All operations are convolutions, pooling and products, so the module
exports to ONNX like any network.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from petmood.models.hog import HOG
from petmood.models.scattering import Scattering

__all__ = ["HandcraftedFeatures", "LocalBinaryPatterns"]

SIDE_PX = 64
STEPS = 255.0 * 4
"""Sums of three 8-bit channels over 2 x 2 pixels are integers in these units: ties are exact on every machine."""
NEIGHBOURS = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


class LocalBinaryPatterns(nn.Module):
    """Histograms of the 58 uniform patterns, and of all others, over grids (Ojala, Pietikainen, Maenpaa 2002).

    Images float [B, 3, S, S] -> features [B, 59 * (1 + 4 + 16 + 64)], square roots of shares.
    """

    patterns: Tensor

    def __init__(self, *, grids: tuple[int, ...] = (1, 2, 4, 8)) -> None:
        super().__init__()
        self.grids = grids
        self.register_buffer("patterns", functional.one_hot(_uniform_patterns(), 59).float(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the square roots of the pattern shares in all cells of all grids."""
        steps = (images.sum(1, keepdim=True) * STEPS).round()
        grey = functional.pad(steps, (1, 1, 1, 1), mode="replicate")
        side = images.shape[-1]
        middle = grey[:, :, 1:-1, 1:-1]
        code = torch.zeros_like(middle, dtype=torch.int64)
        for bit, (top, left) in enumerate(NEIGHBOURS):
            code = code + (grey[:, :, top : top + side, left : left + side] >= middle).to(torch.int64) * (1 << bit)
        found = self.patterns[code[:, 0]].permute(0, 3, 1, 2)
        shares = [functional.avg_pool2d(found, side // grid).flatten(1) for grid in self.grids]
        return (torch.cat(shares, 1) + 1e-6).sqrt()


class HandcraftedFeatures(nn.Module):
    """Three kinds of features, [B, ``sum(block_widths)``], of images float [B, 3, S, S] in 0..1; S = 64 or 128.

    ``block_widths`` are those of the kinds; a closed-form head scales each kind separately.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kinds = nn.ModuleList([HOG(), Scattering(), LocalBinaryPatterns()])
        with torch.no_grad():
            probe = torch.zeros(1, 3, SIDE_PX, SIDE_PX)
            self.block_widths = tuple(int(kind(probe).shape[1]) for kind in self.kinds)

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean of the features of an image and of its mirror image."""
        small = functional.avg_pool2d(images, images.shape[-1] // SIDE_PX)
        return (self._describe(small) + self._describe(small.flip(-1))) / 2

    def _describe(self, images: Tensor) -> Tensor:
        return torch.cat([kind(images) for kind in self.kinds], 1)


def _uniform_patterns() -> Tensor:
    """Return the pattern of each of the 256 codes: 0..57 if at most two bits change around the circle, else 58."""
    classes, known = [], 0
    for code in range(256):
        bits = [(code >> bit) & 1 for bit in range(8)]
        uniform = sum(bits[bit] != bits[bit - 1] for bit in range(8)) <= 2
        classes.append(known if uniform else 58)
        known += uniform
    return torch.tensor(classes)

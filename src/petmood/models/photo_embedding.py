"""Embedding of a photo and of its mirror image by a network with ImageNet weights: copies of a photo are near it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from petmood.core.image import ImageSpec, prepare
from petmood.models.backbones import build_backbone
from petmood.models.catalog import find_backbone
from petmood.models.network import ExpressionNet
from petmood.models.pretrained import load_backbone_weights
from petmood.models.torch_threads import one_torch_thread

__all__ = ["PhotoEmbedder", "open_embedder"]

BACKBONE: Final = "efficientnet_lite0"
SIDE_PX: Final = 128
"""Side of the network's input. Of 1,323 near-duplicate pairs all are within 10 neighbors at 96 and at 128 px; at 96 px
more unrelated photos are nearer than a copy."""


class PhotoEmbedder:
    """A pooled feature map of EfficientNet-Lite0, by ImageNet weights of the extra ``weights``.

    A photo is embedded by itself, so that the result doesn't depend on others. It is safe to call from several threads.

    Raises:
        ConfigError: the file of the weights is damaged.
        MissingDependency: the package with the weights, or timm, is not installed.
    """

    def __init__(self) -> None:
        """Load the network."""
        spec, built = find_backbone(BACKBONE), build_backbone(BACKBONE)
        self.width = built.num_features
        load_backbone_weights(built.module, backbone=BACKBONE, weights="imagenet")
        self._image = ImageSpec(side_px=SIDE_PX, resize="squash", mean=spec.mean, std=spec.std)
        network = ExpressionNet(built.module, nn.Identity(), self._image, classes=self.width)
        self._network = network.eval().requires_grad_(requires_grad=False)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the embeddings [2, 1280], of length 1, of a photo uint8 [H, W, 3] RGB and of its mirror image."""
        image = torch.from_numpy(prepare(pixels, self._image).copy()).permute(2, 0, 1)
        with torch.inference_mode():
            found: Tensor = self._network.features(torch.stack([image, image.flip(2)]))
            return np.asarray(torch.nn.functional.normalize(found).numpy(), np.float32)


def open_embedder() -> AbstractContextManager[PhotoEmbedder]:
    """Load the network; in the block torch computes on one thread in each thread that embeds photos.

    Raises:
        ConfigError: the file of the weights is damaged.
        MissingDependency: the package with the weights, or timm, is not installed.
    """
    return _with_one_thread(PhotoEmbedder())


@contextmanager
def _with_one_thread(embedder: PhotoEmbedder) -> Iterator[PhotoEmbedder]:
    with one_torch_thread():
        yield embedder

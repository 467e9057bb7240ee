"""Embedding and residual norm of a network as outputs of its ONNX graph, for the prediction log and drift."""

import torch
from torch import Tensor, nn

from petmood.monitoring.projection import FULL_WIDTH, Projection

__all__ = ["EmbeddingOutputs"]


class EmbeddingOutputs(nn.Module):
    """A fixed projection as a network: features float32 [B, D] -> embedding [B, W] and residual norm [B].

    The same as ``Projection.project``: features of at most ``FULL_WIDTH`` columns are the embedding as they are.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, projection: Projection) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(projection.mean))
        self.register_buffer("components", torch.from_numpy(projection.components))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return embedding [B, W] and residual norm [B] of features [B, D]."""
        centered = features - self.mean
        along = centered @ self.components
        rest = centered - along @ self.components.T
        residual = (rest * rest).sum(1).sqrt()
        return (features if len(self.mean) <= FULL_WIDTH else along), residual

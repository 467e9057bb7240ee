"""Distillation: a student learns from softened probabilities of a teacher (Hinton, Vinyals, Dean 2015)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from petmood.models.network import ExpressionNet

__all__ = ["Teacher"]


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """A trained network that a student learns from; its weights don't change.

    ``side_px`` is the side of its images. ``temperature`` divides the logits of both networks. ``weight`` from 0 to 1
    is the share of the loss that the teacher gives; the labels give the rest.
    """

    network: ExpressionNet
    side_px: int
    temperature: float
    weight: float

    def loss(self, logits: Tensor, images: Tensor, labeled: Tensor) -> Tensor:
        """Return the student's loss: ``labeled``, that by the labels, and the divergence from the teacher.

        ``logits`` [B, K] are the student's for the same images [B, 3, S, S] in 0..255 at full size. The divergence is
        multiplied by the squared temperature, so that both parts have gradients of one size at any temperature.
        """
        with torch.no_grad():
            soft = functional.softmax(self._logits(images) / self.temperature, dim=1)
        student = functional.log_softmax(logits / self.temperature, dim=1)
        apart = functional.kl_div(student, soft, reduction="batchmean") * self.temperature**2
        return (1 - self.weight) * labeled + self.weight * apart

    def _logits(self, images: Tensor) -> Tensor:
        if images.shape[-1] != self.side_px:
            size = (self.side_px, self.side_px)
            images = functional.interpolate(images.float(), size=size, mode="bilinear", antialias=True)
        out: Tensor = self.network.to(images.device).eval()(images)
        return out

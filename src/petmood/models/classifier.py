"""Lightning module for training: loss, layer-wise learning rates, schedule, mixup and validation metrics."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NotRequired, TypedDict

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import Metric

from petmood.core.world import ALONE, World
from petmood.models.backbones import layer_groups
from petmood.models.distillation import Teacher
from petmood.models.network import ExpressionNet
from petmood.models.synced_batchnorm import synchronize_batchnorm

__all__ = [
    "Batch",
    "ExpressionClassifier",
    "OptimizationConfig",
    "PhotoMean",
    "cosine_after_warmup",
    "parameter_groups",
    "training_side",
]

GROWTH: Final = 1_000_003
"""A prime that separates the random seeds of different runs and epochs."""
RANK_GROWTH: Final = 7_778_777
"""As above, of the processes of a run: each draws its own dropout and mixup."""
SIDE_STEP_PX: Final = 32
"""The sides of smaller training images are multiples of it: backbones halve an image five times."""


class Batch(TypedDict):
    """Images uint8 [B, 3, S, S] and their class indices int64 [B]; ``weight``: of the mean loss, see ``loaders``."""

    images: Tensor
    labels: Tensor
    weight: NotRequired[Tensor]


@dataclass(frozen=True, slots=True)
class OptimizationConfig:
    """Hyperparameters of the optimization.

    ``lr`` is AdamW's learning rate for the head. A backbone part d steps below the top has
    ``lr * backbone_lr_multiplier * layer_decay**d``. The backbone is frozen for the first ``freeze_epochs`` epochs.
    ``warmup`` is a share of all steps. ``mixup`` is the Beta parameter (0 = off; Zhang et al. 2018). ``image_scales``
    are the training images' side in the first and the last epoch, as shares of the network's (see ``training_side``).
    """

    epochs: int
    lr: float = 1e-3
    weight_decay: float = 0.05
    backbone_lr_multiplier: float = 1.0
    layer_decay: float = 1.0
    freeze_epochs: int = 0
    warmup: float = 0.1
    label_smoothing: float = 0.0
    mixup: float = 0.0
    image_scales: tuple[float, float] = (1.0, 1.0)
    seed: int = 0


class PhotoMean(Metric):
    """Mean over photos of the means of batches, in all processes together; a NaN stays one.

    (torchmetrics' ``MeanMetric`` either drops NaNs or ignores the weights.)
    """

    total: Tensor
    photos: Tensor

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - of the base class
        super().__init__(**given)
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("photos", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, mean: Tensor, photos: int) -> None:
        """Add the mean of a batch."""
        self.total = self.total + mean * photos
        self.photos = self.photos + photos

    def compute(self) -> Tensor:
        """Return the mean."""
        return self.total / self.photos


class ExpressionClassifier(LightningModule):
    """Train a network on batches of images; random draws depend only on seed and epoch, so training can resume.

    In several processes, the means of loss, metrics and batch normalization are those over all of them.
    """

    def __init__(
        self,
        network: ExpressionNet,
        learning: OptimizationConfig,
        *,
        class_weights: Tensor | None = None,
        teacher: Teacher | None = None,
        world: World = ALONE,
    ) -> None:
        super().__init__()
        self.network = network
        self.learning = learning
        self.teacher = teacher  # a plain record: its network is in no checkpoint, and is not trained
        self.world = world
        self.register_buffer("class_weights", class_weights, persistent=False)
        together = world.size > 1
        self.train_loss, self.val_loss, self.val_accuracy = (PhotoMean(sync_on_compute=together) for _ in range(3))
        if together:
            synchronize_batchnorm(network)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [B, K]."""
        out: Tensor = self.network(images)
        return out

    def on_train_epoch_start(self) -> None:
        """Seed this epoch's dropout and mixup; freeze or unfreeze the backbone."""
        torch.manual_seed(self.learning.seed * GROWTH + self.current_epoch + self.world.rank * RANK_GROWTH)
        frozen = self.current_epoch < self.learning.freeze_epochs
        self.network.backbone.requires_grad_(not frozen)
        self.network.backbone.train(not frozen)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of one batch, weighted so that its mean over the processes is that of all photos."""
        images, targets = batch["images"], self._targets(batch["labels"])
        if self.learning.mixup > 0:
            images, targets = _mixed(images, targets, self.learning.mixup)
        logits = self(self._resized(images))
        loss = self._loss(logits, targets)
        if self.teacher is not None:
            loss = self.teacher.loss(logits, images, loss)
        self.train_loss.update(loss.detach(), len(images))
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True)
        return loss * batch["weight"].to(loss.dtype) if "weight" in batch else loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Log loss and accuracy of one batch; the loss is unweighted cross-entropy, so that runs are comparable."""
        logits, labels = self(batch["images"]), batch["labels"]
        right = (logits.argmax(1) == labels).float().mean()
        self.val_loss.update(functional.cross_entropy(logits, labels), len(labels))
        self.val_accuracy.update(right, len(labels))
        self.log("val/loss", self.val_loss)
        self.log("val/accuracy", self.val_accuracy, prog_bar=True)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own union of a dozen forms
        """Return AdamW with parameter groups by depth, and a cosine schedule that steps with every batch."""
        optimizer = torch.optim.AdamW(parameter_groups(self.network, self.learning))
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        schedule = cosine_after_warmup(steps, warmup=self.learning.warmup)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _resized(self, images: Tensor) -> Tensor:
        full = images.shape[-1]
        side = training_side(full, self.learning.image_scales, epoch=self.current_epoch, epochs=self.learning.epochs)
        if side == full:
            return images
        return functional.interpolate(images.float(), size=(side, side), mode="bilinear", antialias=True)

    def _targets(self, labels: Tensor) -> Tensor:
        return functional.one_hot(labels, self.network.classes).float()

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        weights = self.class_weights if isinstance(self.class_weights, Tensor) else None
        return functional.cross_entropy(logits, targets, weight=weights, label_smoothing=self.learning.label_smoothing)


def cosine_after_warmup(steps: int, *, warmup: float) -> Callable[[int], float]:
    """Return the learning-rate factor by step: linear warmup over ``warmup * steps``, then cosine decay to 0.

    SGDR without restarts (Loshchilov, Hutter 2017).
    """
    warmup_steps = max(1, round(steps * warmup)) if warmup else 0

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / max(1, steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def training_side(full_px: int, scales: tuple[float, float], *, epoch: int, epochs: int) -> int:
    """Return the side of an epoch's training images: it grows linearly from ``scales[0]`` to ``scales[1]`` of the full.

    Below the full side it is rounded to a multiple of ``SIDE_STEP_PX``. Small images first cost less time (progressive
    learning: Tan, Le 2021). A network that was trained on images somewhat smaller than those that it predicts is more
    accurate, since random crops enlarge what they show (Touvron et al. 2019).
    """
    first, last = scales
    share = first + (last - first) * (epoch / (epochs - 1) if epochs > 1 else 1.0)
    rounded = max(SIDE_STEP_PX, SIDE_STEP_PX * round(share * full_px / SIDE_STEP_PX))
    return full_px if share >= 1 else min(full_px, rounded)


def parameter_groups(network: ExpressionNet, learning: OptimizationConfig) -> list[dict[str, Any]]:
    """Return AdamW's parameter groups: layer-wise learning rates; no weight decay for biases and norms."""
    parts = [*layer_groups(network.backbone)]
    groups: list[dict[str, Any]] = []
    for depth, part in enumerate(reversed(parts)):
        rate = learning.lr * learning.backbone_lr_multiplier * learning.layer_decay**depth
        groups.extend(_groups(part.named_parameters(), rate, learning.weight_decay))
    groups.extend(_groups(network.head.named_parameters(), learning.lr, learning.weight_decay))
    return groups


def _groups(named: Iterator[tuple[str, nn.Parameter]], rate: float, decay: float) -> list[dict[str, Any]]:
    by_decay: Mapping[float, list[nn.Parameter]] = {decay: [], 0.0: []}
    for _, weight in named:
        by_decay[decay if weight.ndim > 1 else 0.0].append(weight)
    return [{"params": weights, "lr": rate, "weight_decay": d} for d, weights in by_decay.items() if weights]


def _mixed(images: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    share = torch.distributions.Beta(alpha, alpha).sample((len(images),)).to(images.device)
    other = torch.randperm(len(images), device=images.device)
    wide = share.view(-1, 1, 1, 1)
    mixed = wide * images.float() + (1 - wide) * images[other].float()
    return mixed, share.view(-1, 1) * targets + (1 - share.view(-1, 1)) * targets[other]

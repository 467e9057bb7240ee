"""Settings of one training as plain records, independent of the configuration files."""

from dataclasses import dataclass
from typing import Literal

from petmood.core.image import ImageSpec
from petmood.data.augment_spec import AugmentSpec
from petmood.models.classifier import OptimizationConfig
from petmood.models.distillation import Teacher
from petmood.models.network import NetworkSpec

__all__ = ["FitSettings", "ProbeSettings", "TrainerSettings"]


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """Settings of a linear head fitted to frozen features.

    ``num_views``: augmented views of each photo. ``l2_strengths``: candidate strengths of L2 regularization.
    """

    num_views: int = 1
    solver: Literal["logistic", "ridge"] = "logistic"
    l2_strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True, slots=True)
class TrainerSettings:
    """Settings of Lightning's trainer; ``ema_decay`` 0 and ``patience`` 0 disable averaging and early stopping.

    ``batch_size``: photos of a step in all processes together.
    """

    batch_size: int = 32
    accelerator: str = "auto"
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    gradient_clip: float = 1.0
    workers: int = 0
    deterministic: bool = True
    ema_decay: float = 0.0
    patience: int = 0
    checkpoint: Literal["best", "last"] = "best"


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings that determine the weights of a training, apart from the photos.

    ``weights``: initial weights of the backbone (none, imagenet, or a file). ``kind``: gradient steps, or a linear head
    on frozen features. ``class_weight_power``: power of a class's frequency by which its loss is divided (0: none).
    ``teacher``: the network that this one learns from, by gradient steps.
    """

    seed: int
    network: NetworkSpec
    image: ImageSpec
    weights: str
    kind: Literal["gradient", "linear_probe"]
    class_weight_power: float
    augment: AugmentSpec
    optimization: OptimizationConfig
    trainer: TrainerSettings
    probe: ProbeSettings
    teacher: Teacher | None = None

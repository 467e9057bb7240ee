"""Exponential moving average of a network's weights over the steps of its training."""

from functools import partial
from typing import Final

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

__all__ = ["averaged", "decay_at", "weight_average"]

WARMUP: Final = 10


def decay_at(step: int, *, decay: float) -> float:
    """Return the decay of the average at a step: ``decay``, and less in the first steps.

    It is (1 + step) / (10 + step) until that exceeds ``decay``, as in TensorFlow's ``ExponentialMovingAverage``. So a
    short training is averaged over a ninth of its steps, and its average doesn't keep the first weights.
    """
    return min(decay, (1 + step) / (WARMUP + step))


def weight_average(*, decay: float) -> WeightAveraging:
    """Return the callback that averages weights and buffers over the steps, and keeps the average at the end."""
    return WeightAveraging(avg_fn=partial(averaged, decay=decay))


def averaged(average: Tensor, current: Tensor, count: Tensor | int, *, decay: float) -> Tensor:
    """Return the average after a step: of weights or a buffer, before it and now; ``count`` steps are in it."""
    kept = decay_at(int(count), decay=decay)
    return kept * average + (1 - kept) * current

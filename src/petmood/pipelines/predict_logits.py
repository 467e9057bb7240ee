"""Logits of a trained network for photos, with the labels and groups that evaluation needs."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from petmood.core.progress import ProgressBar, no_progress
from petmood.evaluation.predictions import Predictions, from_rows
from petmood.models.network import ExpressionNet
from petmood.training.dataset import PhotoSet

__all__ = ["logits_of", "predict_logits"]

BATCH = 64


def logits_of(
    network: ExpressionNet, pixels: NDArray[np.uint8], *, progress: ProgressBar = no_progress, what: str = "scoring"
) -> NDArray[np.float64]:
    """Return the logits float64 [N, K] of preprocessed images uint8 [N, S, S, 3]."""
    network.eval()
    starts: Sequence[int] = range(0, len(pixels), BATCH)
    found = [np.zeros((0, network.classes))]
    with torch.inference_mode():
        for start in progress(starts, total=len(starts), what=what):
            images = torch.from_numpy(np.array(pixels[start : start + BATCH])).permute(0, 3, 1, 2)
            found.append(network(images).double().numpy())
    return np.concatenate(found)


def predict_logits(
    network: ExpressionNet, photo_set: PhotoSet, *, source: str = "", progress: ProgressBar = no_progress
) -> Predictions:
    """Return the logits of a network for photos, with their labels and groups."""
    return from_rows(
        logits_of(network, photo_set.cache.pixels, progress=progress),
        photo_set.rows,
        classes=photo_set.classes,
        source=source,
    )

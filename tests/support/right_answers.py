"""Predictions that are right where a test says so."""

import numpy as np

from petmood.core.labels import DEFAULT_CLASSES
from petmood.evaluation.predictions import Predictions


def answers(right: np.ndarray, *, labels: np.ndarray | None = None, group_size: int = 1) -> Predictions:
    """Make calibrated predictions, correct where `right` is true; a wrong one is the next class."""
    count, share = len(right), float(np.clip(np.mean(right), 0.05, 0.95))
    truth = np.arange(count) % 4 if labels is None else labels
    logits = np.zeros((count, 4))
    logits[np.arange(count), np.where(right, truth, (truth + 1) % 4)] = np.log(3 * share / (1 - share))
    return Predictions(
        logits=logits,
        labels=truth,
        groups=tuple(f"f{place // group_size:04d}" for place in range(count)),
        paths=tuple(f"photos/{place:04d}.png" for place in range(count)),
        classes=DEFAULT_CLASSES,
        species=("",) * count,
        image_sizes=np.full((count, 2), 64),
        source=("",) * count,
    )


def shares(count: int, share: float) -> np.ndarray:
    """Return flags of which a share are true, spread evenly over the classes."""
    return (np.arange(count) // 4 * 0.618034) % 1 < share

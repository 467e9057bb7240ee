"""What does a trained network say to photos? Its logits, beside everything that evaluation needs to know of them."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from petmood.core.moods import MOODS
from petmood.core.progress import Track, silent
from petmood.evaluation.scored import Scored, from_rows
from petmood.models.network import MoodNetwork
from petmood.training.material import Material

__all__ = ["logits_of", "score"]

BATCH = 64


def logits_of(
    network: MoodNetwork, pixels: NDArray[np.uint8], *, track: Track = silent, what: str = "scoring"
) -> NDArray[np.float64]:
    """Return the logits float64 [N, K] of prepared pictures uint8 [N, S, S, 3]."""
    network.eval()
    starts: Sequence[int] = range(0, len(pixels), BATCH)
    found = [np.zeros((0, network.classes))]
    with torch.inference_mode():
        for start in track(starts, total=len(starts), what=what):
            pictures = torch.from_numpy(np.array(pixels[start : start + BATCH])).permute(0, 3, 1, 2)
            found.append(network(pictures).double().numpy())
    return np.concatenate(found)


def score(network: MoodNetwork, material: Material, *, source: str = "", track: Track = silent) -> Scored:
    """Return a network's logits for some photos, with their labels and families."""
    return from_rows(logits_of(network, material.bank.pixels, track=track), material.rows, classes=MOODS, source=source)

"""Robustness of predictions that get worse with each level of a corruption."""

from dataclasses import replace

import numpy as np

from petmood.evaluation.corruptions import CORRUPTIONS, LEVELS
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.robustness import Robustness, evaluate_robustness


def robustness_of(scored: Predictions, *, split: str = "test", available: int = 570) -> Robustness:
    """Return the robustness for logits that are scaled down beside noise, more so for later corruptions."""
    noise = np.random.default_rng(0).normal(size=scored.logits.shape)
    corrupted = {
        (name, level): replace(scored, logits=scored.logits + noise * level * number / 4)
        for number, name in enumerate(CORRUPTIONS)
        for level in LEVELS
    }
    return evaluate_robustness(scored, corrupted, split=split, available=available)

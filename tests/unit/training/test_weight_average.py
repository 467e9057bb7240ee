"""Tests of the moving average of weights; test_fit.py has the average of a whole training."""

import pytest
import torch

from petmood.training.weight_average import averaged, decay_at


def test_the_decay_rises_to_the_configured_one() -> None:
    assert [decay_at(step, decay=0.9) for step in (0, 8, 80, 81, 10_000)] == [0.1, 0.5, 0.9, 0.9, 0.9]


def test_the_average_of_a_short_training_has_forgotten_the_first_weights() -> None:
    """A constant decay of 0.99 would keep 36% of them after 100 steps."""
    left = 1.0
    for step in range(100):
        left *= decay_at(step, decay=0.99)
    assert left < 1e-6


@pytest.mark.parametrize("kind", [torch.float32, torch.int64])
def test_weights_and_counters_are_averaged(kind: torch.dtype) -> None:
    """Half and half after 8 steps; a counter of batches is an integer."""
    before, now = (torch.tensor(values).to(kind) for values in ([0, 4], [8, 4]))
    assert averaged(before, now, torch.tensor(8), decay=0.9).tolist() == [4, 4]

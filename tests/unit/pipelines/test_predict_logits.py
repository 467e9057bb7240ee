"""Logits in evaluation mode, independent of batch size, with the labels and groups of the photos."""

import numpy as np
import pytest
import torch

from petmood.core.labels import DEFAULT_CLASSES
from petmood.pipelines import predict_logits as score_module
from petmood.pipelines.networks import load_network
from petmood.pipelines.predict_logits import logits_of, predict_logits
from petmood.pipelines.run_folder import RunFolder
from petmood.training.dataset import PhotoSet


def test_logits_do_not_depend_on_the_batch(
    small_run: RunFolder, photo_sets: tuple[PhotoSet, PhotoSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, pixels = load_network(small_run).train(), photo_sets[1].cache.pixels
    together = logits_of(network, pixels)
    monkeypatch.setattr(score_module, "BATCH", 5)
    np.testing.assert_allclose(logits_of(network, pixels), together, rtol=1e-4, atol=1e-5)
    assert together.dtype == np.float64
    assert not network.training


def test_no_photos_give_no_logits(small_run: RunFolder) -> None:
    assert logits_of(load_network(small_run), np.zeros((0, 24, 24, 3), np.uint8)).shape == (0, len(DEFAULT_CLASSES))


def test_scores_carry_truth_group_species_and_source(
    small_run: RunFolder, photo_sets: tuple[PhotoSet, PhotoSet]
) -> None:
    valid = photo_sets[1]
    scored = predict_logits(load_network(small_run), valid, source="somewhere")
    assert scored.paths == tuple(row.path for row in valid.rows)
    assert scored.groups == tuple(row.group_id for row in valid.rows)
    assert set(scored.species) == {"cat", "dog"}
    assert set(scored.source) == {"somewhere"}
    assert torch.equal(torch.from_numpy(scored.labels), torch.from_numpy(valid.labels))

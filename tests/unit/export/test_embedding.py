"""Tests of the embedding's outputs of a graph."""

import numpy as np
import pytest
import torch

from petmood.export.embedding import EmbeddingOutputs
from petmood.monitoring.projection import fit_projection


@pytest.mark.parametrize(("width", "columns"), [(12, 12), (700, 29)])
def test_the_network_computes_what_the_projection_does(width: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    projection = fit_projection(rng.normal(size=(30, width)).astype(np.float32))
    given = rng.normal(size=(5, width)).astype(np.float32)
    embedding, residual = EmbeddingOutputs(projection)(torch.from_numpy(given))
    expected, norms = projection.project(given)
    assert embedding.shape == (5, columns)
    assert embedding.numpy() == pytest.approx(expected, abs=1e-4)
    assert residual.numpy() == pytest.approx(norms, rel=1e-4)
    assert norms.min() > 0.1

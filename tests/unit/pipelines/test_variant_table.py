"""Tests of the measurement of networks: each row beside the first, and the torch network after torch.compile."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch

from petmood.core.bundle import Bundle
from petmood.core.variants import relative_deviation
from petmood.data.index import IndexRow
from petmood.pipelines.variant_table import MeasuredNetwork, compiled_network, measure_networks, serving_network
from tests.support.evaluation import MakeRows
from tests.support.images import faces
from tests.support.networks import IMAGE, tiny_network

PIXELS = faces(12, side_px=IMAGE.side_px, seed=4)


@pytest.fixture
def rows(make_rows: MakeRows) -> list[IndexRow]:
    """Return the index rows of the photos."""
    return list(make_rows(12))


def test_each_network_has_a_row_beside_the_first_one(shared_bundle: Bundle, rows: list[IndexRow]) -> None:
    graph = (shared_bundle.folder / "model.onnx").read_bytes()
    with ExitStack() as opener:
        own = serving_network(opener, graph, PIXELS, name="fp32", what="float")
        same = serving_network(opener, graph, PIXELS, name="copy", what="float", is_variant=True)
        before = torch.get_num_threads()
        first, second = measure_networks([own, same], rows, classes=shared_bundle.manifest.classes, rounds=3)
    assert torch.get_num_threads() == before
    assert (first.paired, first.shift, first.note) == (None, None, "")
    assert second.paired is not None
    assert second.shift is not None
    assert second.paired.difference.value == second.shift.embedding == second.shift.probabilities == 0
    assert "fp32" in second.note
    assert first.size_bytes == len(graph)


@pytest.mark.proof
def test_the_compiled_network_gives_the_logits_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    network = tiny_network()
    found: MeasuredNetwork = compiled_network(network, PIXELS, name="compiled", size_bytes=5)
    logits = found.outputs(PIXELS)["logits"]
    with torch.inference_mode():
        expected = network(torch.from_numpy(PIXELS).permute(0, 3, 1, 2)).numpy()
    assert relative_deviation(expected, np.asarray(logits)) < 1e-3

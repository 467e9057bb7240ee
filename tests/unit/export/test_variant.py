"""Tests of a variant's files: its network and its own golden outputs, only beside the graph that it was made of."""

import hashlib
import io

import numpy as np
import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError
from petmood.export.variant import FittedVariant, opened_graph, variant_files
from tests.support.images import faces
from tests.support.networks import IMAGE
from tests.support.variants import variant_info

GOLDEN = faces(3, side_px=IMAGE.side_px)


def test_golden_outputs_are_those_of_the_variant(shared_bundle: Bundle) -> None:
    graph = (shared_bundle.folder / "model.onnx").read_bytes()
    fitted = FittedVariant(graph, variant_info(), hashlib.sha256(graph).hexdigest())
    files = variant_files(fitted, graph, GOLDEN)
    assert files["model.int8.onnx"] == graph
    with np.load(io.BytesIO(files["golden.int8.npz"]), allow_pickle=False) as found, opened_graph(graph) as session:
        assert set(found) == {"logits", "maps", "embedding", "residual"}
        np.testing.assert_allclose(found["logits"], session.logits(GOLDEN), rtol=1e-4, atol=1e-5)


def test_a_variant_of_another_graph_is_refused(shared_bundle: Bundle) -> None:
    graph = (shared_bundle.folder / "model.onnx").read_bytes()
    with pytest.raises(BundleError, match=r"int8 was made of another network than .* petmood optimize again"):
        variant_files(FittedVariant(graph, variant_info(), "0" * 64), graph, GOLDEN)

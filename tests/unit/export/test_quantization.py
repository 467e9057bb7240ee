"""Tests of INT8 quantization of a serving graph: same outputs, convolutions in integers, the rest in float."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from petmood.core.bundle import Bundle
from petmood.core.errors import ConfigError, DataError
from petmood.core.variants import relative_deviation
from petmood.export.onnx import to_onnx
from petmood.export.quantization import quantize
from petmood.export.variant import opened_graph
from petmood.inference.onnx import OnnxSession
from tests.support.images import faces
from tests.support.networks import IMAGE, color_network, tiny_network

CALIBRATION = faces(40, side_px=IMAGE.side_px, seed=7)
PIXELS = faces(24, side_px=IMAGE.side_px, seed=3)


@pytest.fixture(scope="module")
def float_graph(shared_bundle: Bundle) -> bytes:
    """Return the serving graph of the tiny network."""
    return (shared_bundle.folder / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def small(float_graph: bytes) -> bytes:
    """Return its quantized variant."""
    return quantize(float_graph, CALIBRATION)


def test_inputs_and_outputs_stay_and_a_batch_may_have_any_size(float_graph: bytes, small: bytes) -> None:
    before, after = (onnx.load_from_string(one).graph for one in (float_graph, small))
    assert [one.name for one in after.output] == [one.name for one in before.output]
    assert [one.type.tensor_type.elem_type for one in after.input] == [onnx.TensorProto.UINT8]
    with opened_graph(small) as session:
        whole = session.run(PIXELS)
        single = session.run(PIXELS[5:6])
    for name, found in whole.items():
        np.testing.assert_allclose(found[5:6], single[name], rtol=1e-3, atol=1e-4)


def test_outputs_are_near_those_in_float_and_the_file_is_much_smaller(float_graph: bytes, small: bytes) -> None:
    with opened_graph(float_graph) as own, opened_graph(small) as other:
        before, after = own.run(PIXELS), other.run(PIXELS)
    deviations = {name: relative_deviation(before[name], after[name]) for name in before}
    assert set(deviations) == {"logits", "maps", "embedding", "residual"}
    assert max(deviations.values()) < 0.3
    assert len(small) < len(float_graph) / 2


def test_convolutions_but_the_first_have_weights_of_8_bits_and_the_head_is_float(small: bytes) -> None:
    graph = onnx.load_from_string(small).graph
    made_by = {name: node for node in graph.node for name in node.output}
    weights = [made_by.get(node.input[1]) for node in graph.node if node.op_type == "Conv"]
    assert [node.op_type if node else "float" for node in weights] == ["float"] + ["DequantizeLinear"] * 5
    scales = {one.name: one for one in graph.initializer}
    assert [scales[node.input[1]].dims[0] for node in weights if node] == [48, 64, 96, 128, 160]
    heads = [node for node in graph.node if node.op_type == "Gemm"]
    assert heads
    assert not any(name in made_by and made_by[name].op_type == "DequantizeLinear" for name in heads[0].input[1:])


def test_a_network_that_averages_over_the_mirror_image_is_quantized_like_any_other(
    float_graph: bytes,
) -> None:
    """Its first convolution had been there twice, one of them in integers, and each weight too."""
    network = tiny_network()
    network.test_time_flip = True
    flipped = quantize(to_onnx(network, side_px=IMAGE.side_px, temperature=1.0), CALIBRATION)
    graph = onnx.load_from_string(flipped).graph
    made_by = {name: node for node in graph.node for name in node.output}
    weights = [made_by.get(node.input[1]) for node in graph.node if node.op_type == "Conv"]
    assert [node.op_type if node else "float" for node in weights] == ["float"] + ["DequantizeLinear"] * 5
    assert len(flipped) < len(float_graph) / 2
    with opened_graph(flipped) as session:
        shown, mirrored = (session.run(np.ascontiguousarray(one))["logits"] for one in (PIXELS, PIXELS[:, :, ::-1]))
    np.testing.assert_allclose(shown, mirrored, rtol=1e-3, atol=1e-4)


def test_the_same_photos_give_the_same_bytes_without_external_data(
    float_graph: bytes, small: bytes, tmp_path: Path
) -> None:
    assert quantize(float_graph, CALIBRATION) == small
    (tmp_path / "small.onnx").write_bytes(small)
    OnnxSession(tmp_path / "small.onnx")
    assert not Counter(one.data_location for one in onnx.load_from_string(small).graph.initializer)[1]


def test_too_few_photos_are_one_line(float_graph: bytes) -> None:
    with pytest.raises(DataError, match=r"^Expected at least 20 training photos to calibrate INT8 on, got 19\."):
        quantize(float_graph, CALIBRATION[:19])


def test_a_network_without_convolutions_is_refused() -> None:
    with pytest.raises(ConfigError, match="two convolutions or more to quantize, got 0"):
        quantize(color_network(), CALIBRATION)

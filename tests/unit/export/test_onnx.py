"""Tests of the exported ONNX graph."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from petmood.core.bundle import Bundle
from petmood.core.image import ImageSpec
from petmood.export.embedding import EmbeddingOutputs
from petmood.export.onnx import ServingModel, to_onnx
from petmood.inference.onnx import OnnxSession
from petmood.models.class_maps import class_map_network
from petmood.models.network import NetworkSpec, build_network
from petmood.monitoring.projection import fit_projection
from tests.support.images import faces
from tests.support.networks import IMAGE, TEMPERATURE, reference_photos, tiny_network

PIXELS = faces(9, side_px=IMAGE.side_px)


@pytest.fixture(scope="module")
def model(shared_bundle: Bundle) -> onnx.ModelProto:
    """Return the graph of the tiny bundle, without looking at other files."""
    return onnx.load(shared_bundle.folder / "model.onnx", load_external_data=False)


def test_uint8_pixels_of_any_number_go_in_and_all_outputs_come_out(model: onnx.ModelProto) -> None:
    ((pixels,), (logits, maps, embedding, residual)) = model.graph.input, model.graph.output
    assert [one.name for one in (embedding, residual)] == ["embedding", "residual"]
    assert {one.type.tensor_type.elem_type for one in (embedding, residual)} == {TensorProto.FLOAT}
    assert (maps.name, maps.type.tensor_type.elem_type) == ("maps", TensorProto.FLOAT)
    assert (pixels.name, pixels.type.tensor_type.elem_type) == ("pixels", TensorProto.UINT8)
    assert (logits.name, logits.type.tensor_type.elem_type) == ("logits", TensorProto.FLOAT)
    sizes = [dimension.dim_value for dimension in pixels.type.tensor_type.shape.dim]
    assert sizes == [0, 32, 32, 3]
    assert pixels.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_graph_is_valid_and_keeps_every_tensor_inside(model: onnx.ModelProto) -> None:
    onnx.checker.check_model(model)
    assert not any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer)


@pytest.mark.parametrize("size", range(1, 10))
def test_normalisation_and_temperature_are_inside(shared_bundle: Bundle, size: int) -> None:
    with torch.inference_mode():
        raw = tiny_network()(torch.from_numpy(PIXELS[:size]).permute(0, 3, 1, 2)).numpy()
    logits = OnnxSession(shared_bundle.folder / "model.onnx").logits(PIXELS[:size])
    assert np.allclose(logits, raw / TEMPERATURE, rtol=1e-3, atol=1e-4)


def test_the_served_network_divides_by_the_temperature() -> None:
    network = tiny_network()
    pixels = torch.from_numpy(PIXELS)
    (cool,), (warm,) = (ServingModel(network, temperature=temperature)(pixels) for temperature in (1.0, 4.0))
    assert torch.allclose(cool, 4 * warm)


def test_the_served_network_with_class_maps_divides_both_by_the_temperature() -> None:
    network = class_map_network(tiny_network(), side_px=IMAGE.side_px)
    pixels = torch.from_numpy(PIXELS)
    assert network is not None
    with torch.inference_mode():
        raw = network(pixels.permute(0, 3, 1, 2))[:2]
        served = ServingModel(network, temperature=4.0)(pixels)
    assert [tuple(one.shape) for one in served] == [tuple(one.shape) for one in raw]
    assert all(torch.allclose(one, 4 * other) for one, other in zip(raw, served, strict=True))


def test_a_network_of_timm_is_exported_with_its_asymmetric_padding(tmp_path: Path) -> None:
    """Sides of 49 and 25 are padded unequally by a stride of 2; the batch norms were trained on ImageNet."""
    image = ImageSpec(side_px=49)
    network = build_network(NetworkSpec("efficientnet_lite0"), image=image, classes=4, weights="imagenet").eval()
    (tmp_path / "model.onnx").write_bytes(to_onnx(network, side_px=49, temperature=1.0))
    pixels = faces(3, side_px=49)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    assert np.allclose(OnnxSession(tmp_path / "model.onnx").logits(pixels), expected, rtol=1e-3, atol=1e-4)


def test_the_bytes_name_no_file_of_this_machine(shared_bundle: Bundle) -> None:
    data = (shared_bundle.folder / "model.onnx").read_bytes()
    assert re.findall(rb"[\w/]+\.py\b|site-packages|stack_trace", data) == []


def test_the_same_network_gives_the_same_bytes(shared_bundle: Bundle) -> None:
    """The version of a bundle is the hash of these bytes."""
    network = tiny_network()
    maps = class_map_network(network, side_px=IMAGE.side_px)
    others = torch.from_numpy(reference_photos().fit_to).permute(0, 3, 1, 2)
    with torch.inference_mode():
        embedding = EmbeddingOutputs(fit_projection(network.features(others).numpy()))
    again = to_onnx(network, side_px=IMAGE.side_px, temperature=TEMPERATURE, maps=maps, embedding=embedding)
    assert again == (shared_bundle.folder / "model.onnx").read_bytes()


@pytest.mark.parametrize("with_maps", [True, False])
def test_a_network_that_averages_over_the_mirror_image_does_so_when_served(tmp_path: Path, *, with_maps: bool) -> None:
    network = tiny_network()
    network.test_time_flip = True
    maps = class_map_network(network, side_px=IMAGE.side_px) if with_maps else None
    (tmp_path / "model.onnx").write_bytes(to_onnx(network, side_px=IMAGE.side_px, temperature=1.0, maps=maps))
    session, pixels = OnnxSession(tmp_path / "model.onnx"), faces(3, side_px=IMAGE.side_px)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()
    for shown in (pixels, pixels[:, :, ::-1]):
        assert np.allclose(session.logits(np.ascontiguousarray(shown)), expected, rtol=1e-3, atol=1e-4)


def test_fixed_filters_take_any_batch_too() -> None:
    """Python's len() of a tensor fixes the batch in the exported graph; parity at batch 1, 2 and 7 found it."""
    image = ImageSpec(side_px=64, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    network = build_network(NetworkSpec("fixed_filters", dropout=0.0), image=image, classes=4).eval()
    model = to_onnx(network, side_px=64, temperature=1.0)
    session = onnxruntime.InferenceSession(model)
    pixels = np.random.default_rng(0).integers(0, 255, (7, 64, 64, 3), dtype=np.uint8)
    expected = network(torch.from_numpy(pixels).permute(0, 3, 1, 2)).detach().numpy()
    for size in (1, 7):
        (found,) = session.run(None, {"pixels": pixels[:size]})
        np.testing.assert_allclose(found, expected[:size], rtol=1e-3, atol=1e-4)

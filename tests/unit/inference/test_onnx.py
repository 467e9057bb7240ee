"""Tests of the ONNX Runtime session, with damaged and malicious files."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError, MissingDependency
from petmood.inference.onnx import OnnxSession
from tests.support.images import faces
from tests.support.networks import color_network

PIXELS = faces(9, side_px=32)


def multiplying(
    *,
    kind: int = TensorProto.UINT8,
    names: tuple[str, ...] = ("logits",),
    result: int = TensorProto.FLOAT,
    location: str | None = None,
) -> Any:  # noqa: ANN401 - protobuf's class
    """Build a network that multiplies one number by weights; with a location its weights are expected in that file."""
    weights = numpy_helper.from_array(np.arange(4, dtype=np.float32).reshape(1, 4), "weights")
    if location is not None:
        onnx.external_data_helper.set_external_data(weights, location, offset=0, length=16)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)]
    for name in names:
        nodes.append(helper.make_node("MatMul", ["f", "weights"], [f"{name} float"]))
        nodes.append(helper.make_node("Cast", [f"{name} float"], [name], to=result))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, ["batch", 1])],
        [helper.make_tensor_value_info(name, result, ["batch", 4]) for name in names],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def refusal(folder: Path, data: bytes) -> str:
    """Return the one line with which a file is refused."""
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(BundleError) as refused:
        OnnxSession(folder / "model.onnx")
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- what is run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 10))
def test_any_batch_size_gives_each_photo_the_same_logits(shared_bundle: Bundle, size: int) -> None:
    session = OnnxSession(shared_bundle.folder / "model.onnx")
    one_by_one = np.concatenate([session.logits(PIXELS[k : k + 1]) for k in range(size)])
    logits = session.logits(PIXELS[:size])
    assert logits.dtype == np.float32
    assert logits.shape == (size, 4)
    assert np.allclose(logits, one_by_one, rtol=1e-4, atol=1e-5)


def test_outputs_come_by_name_with_the_rows_of_their_photos(tmp_path: Path) -> None:
    (tmp_path / "domain.onnx").write_bytes(color_network())
    session = OnnxSession(tmp_path / "domain.onnx", outputs=("novelty", "animal"))
    pixels = np.array([[0, 9, 100], [255, 9, 0], [51, 9, 200]], np.uint8).reshape(3, 1, 1, 3).repeat(4, 1).repeat(4, 2)
    found = session.run(pixels)
    assert {name: (array.shape, array.dtype.name) for name, array in found.items()} == {
        "novelty": ((3,), "float32"),
        "animal": ((3,), "float32"),
    }
    assert found["novelty"] == pytest.approx([1, 0, 2])
    assert found["animal"] == pytest.approx([0, 1, 0.2])


def test_more_threads_change_nothing(shared_bundle: Bundle) -> None:
    one, two = (OnnxSession(shared_bundle.folder / "model.onnx", threads=threads) for threads in (1, 2))
    assert np.allclose(one.logits(PIXELS), two.logits(PIXELS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 16, 16, 3), (1, 3, 32, 32), (32, 32, 3)])
def test_images_of_another_size_are_refused_in_one_line(shared_bundle: Bundle, shape: tuple[int, ...]) -> None:
    session = OnnxSession(shared_bundle.folder / "model.onnx")
    with pytest.raises(BundleError) as refused:
        session.logits(np.zeros(shape, np.uint8))
    assert f"can't run on input of shape {shape}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_onnxruntime_the_command_that_installs_it_is_named(
    shared_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match=r"pip install 'petmood\[serve\]'"):
        OnnxSession(shared_bundle.folder / "model.onnx")


# --- 26 damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_or_empty_network_is_refused(shared_bundle: Bundle, tmp_path: Path, kept: float) -> None:
    data = (shared_bundle.folder / "model.onnx").read_bytes()
    assert "is not a valid ONNX network" in refusal(tmp_path, data[: int(kept * len(data))])


@pytest.mark.parametrize("data", [b"PK\x03\x04" * 9, b"\0\0\0\0ORTM" + bytes(64)], ids=["zip", "ORT's own format"])
def test_another_format_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "is not a valid ONNX network" in refusal(tmp_path, data)


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"kind": TensorProto.FLOAT}, "inputs tensor(float); outputs logits tensor(float)"),
        ({"names": ("probabilities",)}, "inputs tensor(uint8); outputs probabilities tensor(float)"),
        ({"result": TensorProto.DOUBLE}, "inputs tensor(uint8); outputs logits tensor(double)"),
        ({"result": TensorProto.STRING}, "inputs tensor(uint8); outputs logits tensor(string)"),
    ],
)
def test_a_network_with_another_input_or_other_outputs_is_refused_with_both(
    tmp_path: Path, changes: dict[str, Any], got: str
) -> None:
    wanted = "expected one input tensor(uint8) and as outputs logits tensor(float)"
    said = f"{tmp_path / 'model.onnx'}: {wanted}; got {got}. Export the run again."
    assert refusal(tmp_path, multiplying(**changes).SerializeToString()) == said


def test_outputs_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "domain.onnx"
    path.write_bytes(color_network())
    pixels = np.full((2, 4, 4, 3), 51, np.uint8)
    session = OnnxSession(path, outputs=("animal", "novelty"))
    assert {name: array.tolist() for name, array in session.run(pixels).items()} == {
        "animal": pytest.approx([0.2, 0.2]),
        "novelty": pytest.approx([0.51, 0.51]),
    }
    assert session.run(pixels, only=("animal",)) == {"animal": pytest.approx([0.2, 0.2])}
    assert list(OnnxSession(path, outputs=("novelty",)).run(pixels)) == ["novelty"]


@pytest.mark.parametrize("outputs", [("logits",), ("animal", "novelty", "maps")])
def test_other_names_of_outputs_are_refused_with_both(tmp_path: Path, outputs: tuple[str, ...]) -> None:
    path = tmp_path / "domain.onnx"
    path.write_bytes(multiplying(names=("animal", "novelty")).SerializeToString())
    with pytest.raises(BundleError) as refused:
        OnnxSession(path, outputs=outputs)
    assert str(refused.value) == (
        f"{path}: expected one input tensor(uint8) and as outputs "
        f"{', '.join(f'{name} tensor(float)' for name in outputs)}; got inputs tensor(uint8); "
        "outputs animal tensor(float), novelty tensor(float). Export the run again."
    )


@pytest.mark.parametrize(("keepdims", "shape", "gives"), [(0, [], "()"), (1, [1, 1], "(1, 1)")])
def test_outputs_that_are_not_one_row_for_each_photo_are_refused(
    tmp_path: Path, keepdims: int, shape: list[int], gives: str
) -> None:
    """Without this, a batch would fail with an error of numpy, or photos would get the answers of others."""
    model = multiplying()
    model.graph.node[-1].output[0] = "each"
    model.graph.node.append(helper.make_node("ReduceSum", ["each"], ["logits"], keepdims=keepdims))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape))
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    session = OnnxSession(tmp_path / "model.onnx")
    said = f"The network gives logits of shape {gives} for 3 photos; expected one row for each. Export the run again."
    with pytest.raises(BundleError, match=f"^{re.escape(said)}$"):
        session.run(np.ones((3, 1), np.uint8))


# --- 27 attacks -------------------------------------------------------------------------------------------------------


class Dangerous:
    """A pickle that leaves a mark when it is opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("opened"),))


def test_a_pickle_is_refused_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is not a valid ONNX network" in refusal(tmp_path, pickle.dumps(Dangerous()))
    assert not (tmp_path / "opened").exists()


@pytest.fixture
def bait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay readable weights everywhere that a network might ask for; return the folder from which it would ask."""
    inner = tmp_path / "inner"
    inner.mkdir()
    for place in (inner / "weights.bin", tmp_path / "weights.bin"):
        place.write_bytes(np.full(4, 7, np.float32).tobytes())
    monkeypatch.chdir(inner)
    return inner


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "{parent}/weights.bin", ""])
def test_weights_in_another_file_are_refused(bait: Path, location: str) -> None:
    network = multiplying(location=location.format(parent=bait.parent))
    assert "stores weights in an external file" in refusal(bait, network.SerializeToString())


def test_weights_that_onnx_itself_put_into_another_file_are_refused(bait: Path) -> None:
    onnx.save_model(multiplying(), "saved.onnx", save_as_external_data=True, location="own.bin", size_threshold=0)
    assert (bait / "own.bin").exists()
    assert "stores weights in an external file" in refusal(bait, (bait / "saved.onnx").read_bytes())


ENTRY = b"\x0a\x08location\x12\x0bweights.bin"
FORMS = {
    "value first": b"\x12\x0bweights.bin\x0a\x08location",
    "length in two bytes": b"\x0a\x88\x00location\x12\x0bweights.bin",
    "length in three bytes": b"\x0a\x88\x80\x00location\x12\x0bweights.bin",
    "tag in two bytes": b"\x8a\x00\x08location\x12\x0bweights.bin",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_other_spelling_of_the_same_entry_gets_through(bait: Path, form: bytes) -> None:
    """Protobuf allows fields in any order and numbers in more bytes than they need; onnx reads all of these alike."""
    data = multiplying(location="weights.bin").SerializeToString()
    (tensor,) = onnx.load_from_string(data).graph.initializer
    length = tensor.ByteSize()
    start = data.index(tensor.SerializeToString()) - 1
    longer = len(form) - len(ENTRY)
    respelled = data[start + 1 : start + 1 + length].replace(bytes([len(ENTRY)]) + ENTRY, bytes([len(form)]) + form)
    graph_length = len(onnx.load_from_string(data).graph.SerializeToString())
    rebuilt = data[:start].replace(varint(graph_length), varint(graph_length + longer), 1)
    attack = rebuilt + bytes([length + longer]) + respelled + data[start + 1 + length :]
    entries = {entry.key: entry.value for entry in onnx.load_from_string(attack).graph.initializer[0].external_data}
    assert entries["location"] == "weights.bin"
    assert "stores weights in an external file" in refusal(bait, attack)


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    return bytes([number]) if number < 128 else bytes([number % 128 | 128]) + varint(number // 128)


def test_a_network_that_merely_speaks_of_a_location_is_not_refused(bait: Path) -> None:
    network = multiplying()
    network.graph.doc_string = "the location of the pet does not matter"
    network.graph.node[0].name = "relocation"
    (bait / "model.onnx").write_bytes(network.SerializeToString())
    logits = OnnxSession(bait / "model.onnx").logits(np.array([[2]], np.uint8))
    assert logits.tolist() == [[0, 2, 4, 6]]


def test_answering_leaves_nothing_in_the_home_folder_and_reports_to_nobody(
    shared_bundle: Bundle, tmp_path: Path
) -> None:
    program = "import sys, pathlib; from petmood.inference.load import load_bundle as o; o(pathlib.Path(sys.argv[1]))"
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", program, str(shared_bundle.folder)], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []

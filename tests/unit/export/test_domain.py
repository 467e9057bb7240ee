"""Tests of the exported network of the domain scores."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from petmood.core.bundle import ATOL, DOMAIN_OUTPUTS, RTOL
from petmood.core.domain import SceneWarning
from petmood.export import domain as exporting
from petmood.export.domain import FittedDomain, domain_onnx, domain_outputs
from petmood.inference.onnx import OnnxSession
from tests.support.fitted_domains import random_domain
from tests.support.images import faces
from tests.support.networks import IMAGE

SIDE = IMAGE.side_px
PIXELS = faces(9, side_px=SIDE)


def answers(fitted: FittedDomain, folder: Path, *, size: int = 9) -> dict[str, NDArray[np.float32]]:
    """Return what ONNX Runtime answers, in batches."""
    (folder / "domain.onnx").write_bytes(domain_onnx(fitted, side_px=SIDE))
    session = OnnxSession(folder / "domain.onnx", outputs=DOMAIN_OUTPUTS)
    parts = [session.run(PIXELS[start : start + size]) for start in range(0, len(PIXELS), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in DOMAIN_OUTPUTS}


@pytest.mark.parametrize(("components", "seed", "size"), [(64, 0, 9), (64, 1, 1), (20, 2, 2), (1, 3, 7)])
def test_onnx_and_torch_give_the_same_scores(tmp_path: Path, components: int, seed: int, size: int) -> None:
    fitted = random_domain(components=components, seed=seed)
    expected, found = domain_outputs(fitted, PIXELS, side_px=SIDE, size=4), answers(fitted, tmp_path, size=size)
    for name in ("novelty", "animal"):
        assert expected[name].shape == found[name].shape == (9,)
        assert expected[name].std() > 10 * ATOL, "the scores depend on the photo"
        assert np.allclose(found[name], expected[name], rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("scenes", [("two_pets", "face_unclear"), ("face_unclear",)])
def test_onnx_and_torch_give_the_same_scores_of_the_scene_warnings_of_the_rule(
    tmp_path: Path, scenes: tuple[SceneWarning, ...]
) -> None:
    fitted = random_domain(scenes=scenes)
    expected = domain_outputs(fitted, PIXELS, side_px=SIDE, size=4)
    assert list(expected) == ["novelty", "animal", *scenes]
    (tmp_path / "domain.onnx").write_bytes(domain_onnx(fitted, side_px=SIDE))
    found = OnnxSession(tmp_path / "domain.onnx", outputs=fitted.rule.outputs).run(PIXELS)
    plain = answers(replace(fitted, scene_weights=None, scene_offsets=None), tmp_path)
    for name in expected:
        assert found[name].shape == (9,)
        assert expected[name].std() > 10 * ATOL, "the scores depend on the photo"
        assert np.allclose(found[name], expected[name], rtol=RTOL, atol=ATOL)
    for name in DOMAIN_OUTPUTS:
        assert np.allclose(found[name], plain[name], rtol=RTOL, atol=ATOL), "a rule without them has the same scores"


def test_half_the_limit_gives_twice_the_novelty_and_the_same_animal_score(tmp_path: Path) -> None:
    fitted = random_domain()
    once = answers(fitted, tmp_path)
    twice = answers(replace(fitted, limit=fitted.limit / 2), tmp_path)
    assert twice["novelty"] == pytest.approx(2 * once["novelty"])
    assert np.array_equal(twice["animal"], once["animal"])


def test_each_fit_has_its_own_file_and_the_same_fit_the_same_bytes() -> None:
    one, other = random_domain(seed=0), random_domain(seed=1)
    first = domain_onnx(one, side_px=SIDE)
    assert domain_onnx(other, side_px=SIDE) != first
    assert domain_onnx(one, side_px=SIDE) == first
    constants = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(first).graph.initializer
    }
    for name, expected in (("mean", one.mean), ("components", one.components), ("precisions", one.precisions)):
        assert constants[name] == pytest.approx(expected.astype(np.float32))
    assert constants["residual"] == pytest.approx([one.residual])
    assert constants["limit"] == pytest.approx([one.limit])


def test_missing_components_are_zeros() -> None:
    state = random_domain(components=3).state()
    assert {name: (array.shape, array.dtype.name) for name, array in state.items()} == {
        "mean": ((1280,), "float32"),
        "components": ((1280, 64), "float32"),
        "precisions": ((64,), "float32"),
        "residual": ((1,), "float32"),
        "limit": ((1,), "float32"),
    }
    assert np.abs(state["components"][:, :3]).sum(axis=0).min() > 0
    assert not state["components"][:, 3:].any()
    assert not state["precisions"][3:].any()


def test_the_graph_takes_any_number_of_photos_and_is_whole_in_one_file() -> None:
    data = domain_onnx(random_domain(), side_px=SIDE)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model)
    (pixels,) = model.graph.input
    assert (pixels.name, pixels.type.tensor_type.elem_type) == ("pixels", TensorProto.UINT8)
    assert pixels.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [dimension.dim_value for dimension in pixels.type.tensor_type.shape.dim][1:] == [SIDE, SIDE, 3]
    assert [output.name for output in model.graph.output] == ["novelty", "animal"]
    assert not any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer)
    assert re.findall(rb"[\w/]+\.py\b|site-packages|stack_trace", data) == []


@pytest.mark.parametrize("change", ["missing", "other shape"])
def test_a_graph_without_one_of_the_constants_is_refused(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """An exporter that folds or renames a constant would else leave that of the template in the file."""
    model = onnx.load_from_string(exporting._graph(SIDE, scenes=False))
    (limit,) = (tensor for tensor in model.graph.initializer if tensor.name == "limit")
    other = numpy_helper.from_array(np.ones(2, np.float32), "limit" if change == "other shape" else "limit_1")
    limit.CopyFrom(other)
    monkeypatch.setattr(exporting, "_graph", lambda _, **__: model.SerializeToString())
    with pytest.raises(
        RuntimeError, match=r"^the exported graph of the domain scores has no constant limit of \(1,\)$"
    ):
        domain_onnx(random_domain(), side_px=SIDE)

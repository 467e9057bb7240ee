"""Does the built wheel hold the package alone, and answer a photo from an empty environment, without torch?"""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from petmood.core.bundle import Manifest, pack_arrays, write
from petmood.core.image import ImageSpec
from petmood.core.moods import MOODS
from tests.house.tree import ROOT, tracked
from tests.pictures import faces, jpeg

__all__: list[str] = []

pytestmark = pytest.mark.proof

SIDE_PX = 16
WEIGHTS = np.array([[0.05, 0, 0, 0.01], [0, 0.05, 0, 0.01], [0, 0, 0.05, 0.01]], np.float32)


def mean_colour_network() -> bytes:
    """Return a network that judges a picture by its mean colour, and is small enough to be written down."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
        numpy_helper.from_array(WEIGHTS, "weights"),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["batch", SIDE_PX, SIDE_PX, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(MOODS)])
    graph = helper.make_graph(nodes, "mean_colour", [pixels], [logits], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def logits_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the network should answer."""
    return np.asarray(pixels.astype(np.float32).mean(axis=(1, 2)) @ WEIGHTS, np.float32)


def write_bundle(folder: Path) -> None:
    """Write a bundle around the network."""
    golden = faces(4, side_px=SIDE_PX)
    manifest = Manifest(
        name="colour", version="1", classes=MOODS, image=ImageSpec(side_px=SIDE_PX), temperature=1, sure_from=0,
        set_quantile=1, backbone="mean", data_hash="", code_version="", created="", files={},
    )  # fmt: skip
    write(
        folder,
        manifest,
        {
            "model.onnx": mean_colour_network(),
            "golden.npz": pack_arrays(pixels=golden, logits=logits_of(golden)),
            "reference.npz": pack_arrays(mean=np.zeros(3)),
            "card.md": b"# colour\n",
        },
    )


def uv(*arguments: str, cwd: Path = ROOT) -> None:
    """Run uv, and show what it says if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from what git tracks, and nothing that lies about."""
    clean, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for path in tracked():
        target = clean / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    pins = ["--build-constraint", str(ROOT / "constraints.txt")]
    uv("build", "--wheel", "--python", sys.executable, *pins, "--out-dir", str(out), cwd=clean)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_alone_with_all_its_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    expected = {path.relative_to(ROOT / "src").as_posix() for path in tracked() if path.is_relative_to(ROOT / "src")}
    assert names == expected
    assert "petmood/py.typed" in names
    assert len(licences) == 1


def test_installed_alone_with_the_serve_extra_it_answers_a_photo_without_torch(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "env/bin/python"
    uv("venv", "--python", sys.executable, str(tmp_path / "env"))
    uv("pip", "install", "--python", str(python), "--constraint", str(ROOT / "constraints.txt"), f"{wheel}[serve]")
    write_bundle(tmp_path / "bundle")
    photo = faces(1, side_px=40, seed=7)[0]
    (tmp_path / "photo.jpg").write_bytes(jpeg(photo))
    command = [str(python.with_name("petmood")), "predict", str(tmp_path / "bundle"), str(tmp_path / "photo.jpg")]
    done = subprocess.run([*command, "--json"], cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["mood"] == MOODS[int(logits_of(photo[None]).argmax())]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["model"]["name"] == "colour"
    assert not list((tmp_path / "env").rglob("site-packages/torch"))
    uv("pip", "check", "--python", str(python))

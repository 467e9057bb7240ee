"""Wheel with the package alone, working in an empty environment, from another folder, without torch."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from petmood.cli.app import VERBS
from petmood.configs.load import compose
from petmood.core.schemas import PredictionResponse
from petmood.pipelines.evaluate import evaluate_run
from petmood.pipelines.export import export_run
from petmood.pipelines.train import train
from tests.support.images import jpeg, photo_like
from tests.support.small_sets import SMALL, write_small_set

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


def run(*command: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints; a failure shows what it said."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, env=clean | (env or {}))
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `make wheel` does, elsewhere."""
    to, uv = tmp_path_factory.mktemp("dist"), (sys.executable, "-m", "uv")
    pins = root / "constraints.txt"
    run(*uv, "build", "--quiet", "--wheel", "--build-constraint", pins, "--out-dir", to, root, cwd=to)
    (built,) = to.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(root: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with the extra 'serve' into an empty environment; return the folder of its programs."""
    place, uv = tmp_path_factory.mktemp("serving") / "venv", (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", "--python", sys.executable, place, cwd=place.parent)
    python = place / "bin/python"
    asked = f"petmood[serve] @ {wheel.as_uri()}"
    run(*uv, "pip", "install", "--quiet", "--python", python, "-c", root / "constraints.txt", asked, cwd=place.parent)
    return place / "bin"


def packages(programs: Path) -> set[str]:
    """Return the names of what is installed."""
    words = (sys.executable, "-m", "uv", "pip", "list", "--format", "json", "--python", programs / "python")
    return {entry["name"] for entry in json.loads(run(*words, cwd=programs))}


def test_the_wheel_holds_the_package_alone_with_settings_templates_and_typing_marker(root: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if not name.endswith("/")}
    inside = {name for name in held if ".dist-info/" not in name}
    source = root / "src"
    wanted = {
        path.relative_to(source).as_posix()
        for path in (source / "petmood").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == wanted
    assert "petmood/py.typed" in inside
    assert any(name.endswith(".j2") for name in inside)
    assert {name for name in inside if name.endswith(".yaml")} == {name for name in wanted if name.endswith(".yaml")}
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_serving_environment_answers_a_photo_from_the_root_folder_without_torch(
    installed: Path, tmp_path: Path
) -> None:
    data = write_small_set(tmp_path / "data")
    trained = train(compose([*SMALL, f"data={data}", f"run.folder={tmp_path}/runs", "name=x", "epochs=4"]))
    evaluate_run(trained)
    bundle = export_run(trained, to=tmp_path / "bundles/x").folder
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg(photo_like(320, 240)))
    assert not packages(installed) & {"torch", "torchvision", "lightning", "hydra-core", "opencv-python-headless"}
    text = run(installed / "petmood", "predict", bundle, photo, "--json", cwd=Path("/"))
    answer = PredictionResponse.model_validate_json(text)
    assert answer.model.name == "x"
    program = "import sys, petmood; print(petmood.load_bundle(sys.argv[1]).predict(sys.argv[2]).model.name)"
    assert run(installed / "python", "-c", program, bundle, photo, cwd=Path("/")) == "x\n"
    assert str(bundle) in run(installed / "petmood", "bundle", "verify", bundle, cwd=Path("/"))


@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS), ["data", "import"], ["bundle", "verify"]], ids=str)
def test_every_verb_explains_itself_in_a_foreign_folder(installed: Path, tmp_path: Path, verb: Sequence[str]) -> None:
    text = run(installed / "petmood", *verb, "--help", cwd=tmp_path)
    assert re.match(r"Usage: (\S*/)?petmood\b", text)  # with its path, since this environment is not on PATH
    assert list(tmp_path.iterdir()) == []


def test_a_verb_that_needs_another_extra_names_the_command_to_type(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    for extra, words in (("train", ("train", "data=nowhere")), ("client", ("predict", "http://127.0.0.1:9", "a.jpg"))):
        command = [str(installed / "petmood"), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f"install 'petmood[{extra}]'" in done.stderr
        assert done.stderr.count("\n") == 1

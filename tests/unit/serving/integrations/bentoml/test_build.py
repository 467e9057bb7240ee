"""Tests of the bento build: bundle, wheel and pinned requirements, without training dependencies."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle, verify
from petmood.core.errors import BundleError, ConfigError, MissingDependency, OutputLocked
from petmood.core.locks import exclusive_lock
from petmood.core.signature import check_signature, read_signature, sign
from petmood.serving.integrations.bentoml import build
from petmood.serving.integrations.bentoml.build import Built, build_bento, write_project
from petmood.serving.integrations.bentoml.cli_args import ServeOptions
from tests.support.networks import tiny_bundle
from tests.support.signing import key_pair


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a tiny bundle."""
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def bentoml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Replace BentoML by a program that records its arguments and creates an empty bento."""
    program = tmp_path / "bentoml"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "from pathlib import Path\n"
        f"Path({str(tmp_path)!r}, 'told.json').write_text(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
        "if 'max_batch=13' in sys.argv: sys.exit('BentoMLException: no')\n"
        "made = Path(os.environ.get('BENTOML_HOME', '.'), 'bentos/petmood/v1')\n"
        "made.mkdir(parents=True)\n"
        "made.chmod(0o711)\n"
        "(made / 'bento.yaml').write_text('x')\n"
        "print('__tag__:petmood:v1')\n",
        "utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(build, "bentoml_command", lambda *words: [str(program), *words])
    monkeypatch.delenv("BENTOML_DO_NOT_TRACK", raising=False)
    return tmp_path / "told.json"


def test_the_project_holds_the_bundle_the_wheel_and_the_versions(bundle: Bundle, tmp_path: Path) -> None:
    write_project(bundle, to=tmp_path / "project")
    project = tmp_path / "project"
    assert verify(project / "bundle").sha256 == bundle.sha256
    (wheel,) = (project / "wheels").iterdir()
    lines = (project / "requirements.txt").read_text().splitlines()
    assert lines[-1] == f"./wheels/{wheel.name}"
    assert all("==" in line for line in lines[:-1])
    assert not any(line.startswith("torch") for line in lines)
    settings = json.loads((project / "bentofile.yaml").read_text())
    assert settings["labels"]["version"] == bundle.manifest.version
    assert (project / settings["description"].removeprefix("file: ")).is_file()
    compile((project / "service.py").read_text(), "service.py", "exec")


def test_the_signature_of_a_bundle_and_what_checks_it_are_in_the_project(tmp_path: Path) -> None:
    signed, keys, project = tiny_bundle(tmp_path / "signed"), key_pair(tmp_path / "keys"), tmp_path / "project"
    sign(signed.folder, key=keys.private)
    write_project(signed, to=project)
    check_signature(project / "bundle", read_signature(project / "bundle"), public_key=keys.public)
    assert "bundle.sig" in json.loads((project / "bentofile.yaml").read_text())["include"]
    assert any(line.startswith("model-signing==") for line in (project / "requirements.txt").read_text().splitlines())


def test_a_bento_in_bentoml_s_store_is_named_by_its_tag(
    bundle: Bundle, bentoml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    made = build_bento(bundle.folder, start=ServeOptions(max_batch=4))
    words, env = json.loads(bentoml.read_text())
    assert made == Built("petmood:v1", None)
    assert made.name == "petmood:v1"
    assert words[0] == "build"
    assert "max_batch=4" in words
    assert env["BENTOML_DO_NOT_TRACK"] == "True"
    assert env["BENTOML_HOME"] == str(tmp_path / "home")


def test_a_bento_in_a_folder_leaves_the_store_alone(
    bundle: Bundle, bentoml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    made = build_bento(bundle.folder, to=tmp_path / "out/bento")
    assert (tmp_path / "out/bento/bento.yaml").is_file()
    assert made.name == str(tmp_path / "out/bento")
    assert not (tmp_path / "home").exists()
    home = Path(json.loads(bentoml.read_text())[1]["BENTOML_HOME"])
    assert not home.exists()


@pytest.mark.usefixtures("bentoml")
@pytest.mark.parametrize(("umask", "modes"), [(0o077, {0o600, 0o700}), (0o002, {0o664, 0o775})])
def test_the_modes_of_a_bento_follow_the_umask(bundle: Bundle, tmp_path: Path, umask: int, modes: set[int]) -> None:
    """BentoML creates its folder privately, and the bundle's files have modes of their own."""
    before = os.umask(umask)
    try:
        build_bento(bundle.folder, to=tmp_path / "out")
        write_project(bundle, to=tmp_path / "project")
    finally:
        os.umask(before)
    made = [path for name in ("out", "project") for path in (tmp_path / name, *(tmp_path / name).rglob("*"))]
    assert tmp_path / "project/bundle/model.onnx" in made
    assert {path.stat().st_mode & 0o777 for path in made} == modes


def test_a_folder_that_exists_is_left_as_it_is(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists"):
        build_bento(bundle.folder, to=tmp_path)


def test_a_damaged_bundle_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    with pytest.raises(BundleError, match=r"is not a bundle: manifest\.json is missing"):
        build_bento(tmp_path / "bad", to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_second_build_into_one_folder_is_refused_before_any_work(
    bundle: Bundle, bentoml: Path, tmp_path: Path
) -> None:
    with (
        exclusive_lock(tmp_path / "out"),
        pytest.raises(OutputLocked, match="out is being written by process"),
    ):
        build_bento(bundle.folder, to=tmp_path / "out")
    assert not bentoml.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("bentoml")
def test_what_bentoml_says_is_reported_in_one_line(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="from the bundle: BentoMLException: no"):
        build_bento(bundle.folder, to=tmp_path / "out", start=ServeOptions(max_batch=13))
    assert not (tmp_path / "out").exists()


def test_without_bentoml_the_command_that_installs_it_is_named(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bentoml", None)
    with pytest.raises(MissingDependency, match=r"petmood\[bento\]"):
        build_bento(bundle.folder, to=tmp_path / "out")

"""`dvc pull && dvc repro` from an empty clone to a registered bundle, and only changed stages afterwards."""

import re

import pytest
import yaml

from petmood.core.bundle import read
from petmood.data.index import read_index
from tests.support.repositories import Repository, new_project

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

STAGES = ["settings", "import", "check", "train", "evaluate", "export", "register"]
QUICK = "experiment=demo epochs=1 model.image_size=32 evaluation.baselines=false"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    """Type the two commands of the README in a fresh clone, with settings that take seconds; return what was said."""
    place = tmp_path_factory.mktemp("repro")
    clone = new_project(place / "origin").clone(place / "clone")
    pulled = clone.run("dvc", "pull")
    assert "up to date" in pulled
    set_parameter(clone, "settings", QUICK)
    return clone, clone.run("dvc", "repro")


def set_parameter(project: Repository, name: str, value: str) -> None:
    """Change one line of params.yaml."""
    path = project.folder / "params.yaml"
    text, changed = re.subn(rf"^{name}: .*$", f"{name}: {value}", path.read_text("utf-8"), flags=re.MULTILINE)
    assert changed == 1
    path.write_text(text, "utf-8")


def ran(said: str) -> list[str]:
    """Return the stages that DVC ran."""
    return re.findall(r"^Running stage '(\w+)'", said, re.MULTILINE)


def test_a_fresh_clone_goes_from_nothing_to_a_registered_bundle(project: tuple[Repository, str]) -> None:
    clone, said = project
    assert sorted(ran(said)) == sorted(STAGES)
    assert ran(said)[-1] == "register"
    index = read_index(clone.folder / "data/demo")
    manifest = read(clone.folder / "bundles/dvc")
    assert manifest.data_hash == index.hash
    kept = [path.read_bytes() for path in (clone.folder / "registry").rglob("model.onnx")]
    assert (clone.folder / "bundles/dvc/model.onnx").read_bytes() in kept
    changed = clone.run("git", "status", "--short", "--untracked-files=all").split()
    assert changed == ["M", "params.yaml", "??", "dvc.lock"], "what is made here is ignored, and the lock is not"


def test_a_second_time_nothing_is_done(project: tuple[Repository, str]) -> None:
    clone, _ = project
    said = clone.run("dvc", "repro")
    assert ran(said) == []
    assert "Data and pipelines are up to date" in said


def test_one_value_of_the_optimizer_trains_anew_and_imports_nothing(project: tuple[Repository, str]) -> None:
    """The value is changed where a person would: in a YAML file of Hydra's groups."""
    clone, _ = project
    before = read(clone.folder / "bundles/dvc").version
    path = clone.folder / "src/petmood/configs/optimizer/adamw_fast.yaml"
    text = path.read_text("utf-8")
    assert "warmup: 0.15" in text
    path.write_text(text.replace("warmup: 0.15", "warmup: 0.14"), "utf-8")
    doing = clone.run("dvc", "status")
    assert "import:" not in doing
    set_parameter(clone, "settings", f"{QUICK} optimizer.lr=0.002")
    said = clone.run("dvc", "repro")
    assert ran(said) == ["settings", "train", "evaluate", "export", "register"]
    config = yaml.safe_load((clone.folder / "runs/dvc/config.yaml").read_text("utf-8"))
    assert config["optimizer"]["lr"] == 0.002
    assert read(clone.folder / "bundles/dvc").version != before
    assert ran(clone.run("dvc", "repro")) == []


def test_data_that_has_blocking_issues_ends_the_pipeline_before_training(project: tuple[Repository, str]) -> None:
    clone, _ = project
    corrupted = clone.folder / "data/demo"
    victim = corrupted / read_index(corrupted).rows[0].path
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    try:
        said = clone.run("dvc", "repro", "--single-item", "check", code=None)
    finally:
        victim.write_bytes(whole)
    assert "[BLOCKING]" in said
    assert "failed to reproduce 'check'" in said

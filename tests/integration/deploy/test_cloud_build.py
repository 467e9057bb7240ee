"""Build on Google Cloud, by the discovery document of the Cloud Build API."""

import copy
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from petmood.cloud.jobs import job_spec
from petmood.cloud.services import service_spec
from petmood.cloud.settings import CloudSettings, Component
from tests.support.discovery import problems
from tests.support.source_tree import ROOT

BUILD: dict[str, Any] = yaml.safe_load((ROOT / "deploy/gcp/cloudbuild.yaml").read_text("utf-8"))
SETTINGS = CloudSettings(
    project="pets-12345", api_url="https://petmood-api-abc.a.run.app", cloud_sql="pets-12345:us-central1:petmood"
)


def test_the_api_has_every_field() -> None:
    assert problems(BUILD, api="cloudbuild.v1", schema="Build") == []


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [((), "step", []), (("steps", 0), "image", "x"), (("options",), "logging", "NONE_AT_ALL")],
)
def test_a_planted_mistake_is_found(where: tuple[str | int, ...], key: str, value: object) -> None:
    build: Any = copy.deepcopy(BUILD)
    place = build
    for part in where:
        place = place[part]
    place[key] = value
    (found,) = problems(build, api="cloudbuild.v1", schema="Build")
    assert key in found


def test_every_image_that_is_deployed_is_built_and_pushed() -> None:
    specs = [service_spec(SETTINGS, component)["template"]["containers"][0]["image"] for component in Component]
    specs.append(job_spec(SETTINGS, name="x")["jobSpec"]["workerPoolSpecs"][0]["containerSpec"]["imageUri"])
    needed = {address.rpartition("/")[2].partition(":")[0] for address in specs}
    built = {step["args"][step["args"].index("--tag") + 1] for step in BUILD["steps"] if step["args"][0] == "build"}
    assert built == set(BUILD["images"])
    assert {address.rpartition("/")[2].partition(":")[0] for address in built} == needed


def test_each_image_is_a_target_of_a_dockerfile_with_known_arguments_and_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for words in (step["args"] for step in BUILD["steps"] if step["args"][0] == "build"):
        text = (ROOT / words[words.index("--file") + 1]).read_text("utf-8")
        assert re.search(rf"^FROM \S+ AS {words[words.index('--target') + 1]}$", text, re.MULTILINE)
        for name, value in (word.split("=") for word in words if word.startswith("EXTRAS=")):
            assert re.search(rf"^ARG {name}=$", text, re.MULTILINE)
            assert value in extras


def test_steps_wait_for_steps_that_exist_and_substitutions_are_declared() -> None:
    ids = {step["id"] for step in BUILD["steps"]}
    assert {one for step in BUILD["steps"] for one in step["waitFor"]} - ids == {"-"}
    own = set(re.findall(r"\$\{(_\w+)\}", (ROOT / "deploy/gcp/cloudbuild.yaml").read_text("utf-8")))
    assert own == set(BUILD["substitutions"])


def test_the_documented_commands_name_the_region_of_the_images() -> None:
    """Without one, Cloud Build fills in "global", and no repository of images is there."""
    assert "${LOCATION}" in BUILD["substitutions"]["_IMAGES"]
    text = "".join((ROOT / name).read_text("utf-8") for name in ("deploy/gcp/cloudbuild.yaml", "docs/cloud.md"))
    commands = re.findall(r"^(?:# )?gcloud builds submit .*", text, re.MULTILINE)
    assert len(commands) == 2
    assert [one for one in commands if " --region " not in one] == []


def not_uploaded(paths: list[str], folder: Path) -> set[str]:
    """Return those paths that gcloud leaves out, by git's own matching of the same patterns."""
    lines = (ROOT / ".gcloudignore").read_text("utf-8").splitlines()
    included = [(ROOT / one).read_text("utf-8") for line in lines for one in re.findall(r"^#!include:(.+)$", line)]
    (folder / ".gitignore").write_text("\n".join([*included, *lines]), "utf-8")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    command = ["git", "-C", str(folder), "check-ignore", "--no-index", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(done.stdout.splitlines())


def test_the_build_gets_the_history_that_its_tests_read_and_nothing_that_git_ignores(tmp_path: Path) -> None:
    ignored = {".venv/bin/python", "data/pets/1.jpg", "runs/first/run.json", "bundles/pets/model.onnx", ".env"}
    ignored |= {".dvc/cache/files/1", ".dvc/config.local", ".dvc/tmp/lock", "kaggle.json"}
    needed = {".git/HEAD", ".git/objects/pack/1.pack", ".gitignore", "data/pets.dvc", "src/petmood/__init__.py"}
    assert not_uploaded(sorted(ignored | needed), tmp_path) == ignored

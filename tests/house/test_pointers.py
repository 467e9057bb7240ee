"""Ignore rules of git and DVC: pointers to data are visible, the data is not."""

import subprocess
from pathlib import Path

import pytest
from scmrepo.git import Git

from tests.support.source_tree import ROOT

SEEN = ("data/", "data/pets.dvc", "data/.gitignore", "dvc.yaml", "dvc.lock", "params.yaml", ".dvc/config")
UNSEEN = (
    *("data/pets", "data/pets/photos/1.jpg", "data/pets.problems.csv", "data/demo/index.csv"),
    *("settings.yaml", "reports/check.html", "runs/dvc/run.json", "bundles/dvc/model.onnx", "registry/versions"),
    *(".dvc/cache/files", ".dvc/tmp/lock", ".dvc/config.local"),
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty repository with petmood's ignores."""
    folder = tmp_path_factory.mktemp("ignores")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    for name in (".gitignore", ".dvc/.gitignore"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.mark.parametrize("name", [*SEEN, *UNSEEN])
def test_git_and_dvc_agree_on_what_is_ignored(repository: Path, name: str) -> None:
    """Where DVC takes data/ itself for ignored, it finds no pointer in it: a push sends nothing and ends with 0."""
    by_git = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=repository, check=False).returncode == 0
    by_dvc = Git(str(repository)).is_ignored(f"{repository}/{name}")
    assert (by_git, by_dvc) == (name in UNSEEN, name in UNSEEN)

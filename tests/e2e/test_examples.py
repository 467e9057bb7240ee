"""Examples, each run in order as its README describes, on a few generated photos."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.synthetic.dataset import write_demo
from tests.support.e2e_servers import running

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

PROGRAMS = Path(sys.executable).parent


def run(root: Path, name: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """Run an example as in an activated environment."""
    path = root / "examples" / name
    program = [path] if path.suffix == ".sh" else [PROGRAMS / "python", path]
    env = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    command = [str(word) for word in (*program, *words)]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=900)


@pytest.fixture(scope="module")
def work(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw class folders of photos, and train on them by the example; return the folder that it filled."""
    folder = tmp_path_factory.mktemp("examples")
    write_demo(folder / "photos", photos=320, flaws=False)
    settings = ("experiment=demo", "evaluation.baselines=false", "trainer.max_epochs=30")
    done = run(root, "train_on_a_folder.sh", folder / "photos", folder / "work", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Bundle: " in done.stdout
    return folder / "work"


@pytest.fixture(scope="module")
def photo(work: Path) -> Path:
    """Return a photo of the dataset."""
    return min((work / "data/photos").rglob("*.jpg"))


def test_predictions_in_python(root: Path, work: Path, photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:100])
    done = run(root, "predict.py", work / "bundle", photo, broken)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{photo}: ")
    assert any(name in first for name in DEFAULT_CLASSES)
    assert second.startswith(f"{broken}: refused, corrupt_image: ")


def test_predictions_over_http(root: Path, work: Path, photo: Path, tmp_path: Path) -> None:
    command = (PROGRAMS / "petmood", "serve", work / "bundle", "--port", "{port}")
    with running(command, home=tmp_path / "home", ready="/readyz") as client:
        address = str(client.base_url)
        done = run(root, "call_api.py", address, photo)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{photo}: ")
        assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(DEFAULT_CLASSES)
        (tmp_path / "text.jpg").write_text("no photo")
        refused = run(root, "call_api.py", address, tmp_path / "text.jpg")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"{tmp_path / 'text.jpg'}: unsupported_format: ")


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_of_a_page_runs_as_printed(root: Path, work: Path, photo: Path, tmp_path: Path, page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (root / page).read_text("utf-8"), re.DOTALL)
    assert blocks
    for name in ("first", "demo"):
        shutil.copytree(work / "bundle", tmp_path / "bundles" / name)
    (tmp_path / "photos").mkdir()
    for target in ("pet.jpg", "photos/one.jpg"):
        shutil.copy(photo, tmp_path / target)
    (tmp_path / "photos/text.jpg").write_text("no photo")
    command = (PROGRAMS / "petmood", "serve", work / "bundle", "--port", "{port}")
    with running(command, home=tmp_path / "home", ready="/readyz") as client:
        program = "".join(blocks).replace("http://127.0.0.1:8000", str(client.base_url))
        done = subprocess.run(
            [PROGRAMS / "python", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900
        )
    assert done.returncode == 0, done.stderr
    expected = {"README.md": ("'request_id'",), "docs/python.md": ("corrupt_image", "bad_photo", "unsupported_format")}
    assert [word for word in expected[page] if word not in done.stdout] == []


def test_a_version_is_promoted(root: Path, work: Path) -> None:
    done = run(root, "promote.py", work / "bundle", work / "registry")
    assert (done.returncode, done.stdout) == (0, "Version 1 of petmood is champion.\n"), done.stderr


def test_every_example_stands_in_the_readme_with_a_command(root: Path) -> None:
    text = (root / "examples/README.md").read_text("utf-8")
    names = {path.name for path in (root / "examples").iterdir() if path.suffix in {".py", ".sh"}}
    assert len(names) == 5
    assert all(f"[{name}]({name})" in text and f"examples/{name} " in text for name in names)

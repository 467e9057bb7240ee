"""Rules on imports: no side effects, layers import downward only, and serving loads nothing heavy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, modules, named

CLIENTS = ("mlflow", "boto3", "botocore", "pandas", "sqlalchemy", "wandb", "optuna")
HEAVY = ("torch", "torchvision", "lightning", "hydra", "omegaconf", "sklearn", "skimage", "cv2", "scipy", "onnx")
SERVING = tuple(named(path) for path in modules("src/petmood/core/", "src/petmood/client/", "src/petmood/inference/"))
WITHOUT_TORCH = (
    "index",
    "validation.issues",
    "split",
    "sources.base",
    "sources.folder",
    "sources.csv_file",
    "sources.kaggle",
)

WATCHED = """
import importlib, json, os, sys, sysconfig, traceback
light, every = json.loads(sys.argv[1])
seen, stdlib = [], sysconfig.get_path("stdlib")
NETWORK = {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"}
ACTS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate",
        "os.system", "subprocess.Popen"}
def actor():
    files = [frame.filename for frame in traceback.extract_stack()[:-2]]
    return next(f for f in reversed(files) if "site-packages" in f or not f.startswith((stdlib, "<frozen")))
def watch(event, args):
    writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (writes and args[0] != os.devnull and not isinstance(args[0], int)) or event in ACTS | NETWORK:
        seen.append((actor(), event, str(args[0])))
sys.addaudithook(watch)
for name in light:
    importlib.import_module(name)
by_light = list(seen)
for name in every:
    importlib.import_module(name)
package = os.path.dirname(importlib.import_module("petmood").__file__)
ours = [act for act in seen if act[0].startswith(package)]
calls = [act for act in seen if act[1] in NETWORK]
print(json.dumps({"light": by_light, "ours": ours, "network": calls}))
"""

LOADED = """
import importlib, json, sys
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which every default place for files is the folder, and nothing is measured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "KAGGLE", "MPL", "TORCH"))}
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder))
    return {**kept, **places, "PYTHONDONTWRITEBYTECODE": "1"}


def loaded_by(names: tuple[str, ...], folder: Path) -> set[str]:
    """Import modules in a fresh interpreter; return the packages that are loaded then."""
    command = [sys.executable, "-c", LOADED, json.dumps(names)]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_floors_of_the_house_hold() -> None:
    """In a process of its own: the linter sets logging up, and with that would silence petmood's in the other tests."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_importing_any_module_writes_no_file_and_opens_no_socket(tmp_path: Path) -> None:
    """What torch and matplotlib do to their own caches when imported is theirs; the light rooms don't even do that."""
    here, home = tmp_path / "here", tmp_path / "home"
    here.mkdir()
    home.mkdir()
    every = [named(path) for path in modules("src/petmood/") if path.stem != "__main__"]
    light = [*SERVING, *(name for name in every if name.startswith("petmood.cli"))]
    command = [sys.executable, "-c", WATCHED, json.dumps([light, every])]
    done = subprocess.run(command, cwd=here, env=environment(home), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1, "importing printed something"
    assert done.stderr == ""
    assert json.loads(done.stdout) == {"light": [], "ours": [], "network": []}
    assert list(here.iterdir()) == []


def test_the_serving_half_loads_nothing_heavy(tmp_path: Path) -> None:
    assert len(SERVING) > 5
    assert loaded_by(SERVING, tmp_path) & set(HEAVY) == set()


def test_serving_loads_no_client_of_a_registry_that_is_not_used(tmp_path: Path) -> None:
    names = tuple(named(path) for path in modules("src/petmood/registry/", "src/petmood/serving/"))
    service = tuple(
        name for name in names if ".bento" not in name and ".loadtest" not in name and ".function" not in name
    )
    assert "petmood.registry.mlflow" in service
    assert loaded_by(service, tmp_path) & {*CLIENTS, *HEAVY} == set()


def test_looking_at_photos_loads_no_torch(tmp_path: Path) -> None:
    names = tuple(f"petmood.data.{name}" for name in WITHOUT_TORCH)
    assert loaded_by(names, tmp_path) & {"torch", "torchvision", "lightning"} == set()


def test_composing_settings_loads_no_torch(tmp_path: Path) -> None:
    loaded = loaded_by(("petmood.configs.load",), tmp_path)
    assert "hydra" in loaded
    assert loaded & (set(HEAVY) - {"hydra", "omegaconf"}) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["data", "--help"], ["predict", "--help"], ["--version"]])
def test_asking_for_help_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from petmood.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('LOADED', *sorted(name for name in sys.modules if '.' not in name))"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True)
    help_text, _, loaded = done.stdout.rpartition("LOADED")
    assert help_text.strip()
    assert set(loaded.split()) & {*HEAVY, "PIL", "onnxruntime"} == set()

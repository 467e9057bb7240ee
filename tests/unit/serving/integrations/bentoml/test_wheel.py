"""Tests of the wheel packed from the installed petmood."""

import base64
import csv
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import petmood
from petmood.serving.integrations.bentoml.wheel import pack_wheel


def test_the_wheel_holds_every_file_of_the_package_and_no_compiled_one(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack_wheel(tmp_path / "new")) as file:
        held = {name for name in file.namelist() if name.startswith("petmood/")}
    package = Path(petmood.__file__).parent
    there = {f"petmood/{p.relative_to(package).as_posix()}" for p in package.rglob("*.py")}
    assert there <= held
    assert "petmood/py.typed" in held
    assert not any("__pycache__" in name for name in held)


def test_the_record_is_true_of_every_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack_wheel(tmp_path)) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/RECORD"))
        rows = list(csv.reader(file.read(name).decode().splitlines()))
        for path, found, _ in rows[:-1]:
            digest = base64.urlsafe_b64encode(hashlib.sha256(file.read(path)).digest()).rstrip(b"=").decode()
            assert found == f"sha256={digest}"
        assert {row[0] for row in rows} == set(file.namelist())


def test_the_same_petmood_gives_the_same_bytes(tmp_path: Path) -> None:
    assert pack_wheel(tmp_path / "a").read_bytes() == pack_wheel(tmp_path / "b").read_bytes()


@pytest.mark.spawns
def test_the_wheel_is_installed_and_found_with_its_version_and_its_command(tmp_path: Path) -> None:
    wheel, to = pack_wheel(tmp_path), tmp_path / "installed"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--target", to, wheel]
    subprocess.run([str(word) for word in command], check=True, cwd=tmp_path)
    assert (to / "bin/petmood").is_file()
    program = "import petmood, importlib.metadata as m; print(petmood.__file__, m.version('petmood'))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(to)},
    )
    assert done.stdout.startswith(str(to))

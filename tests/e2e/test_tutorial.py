"""Tutorial of the documentation: its commands in order, as printed, from a folder of drawn pets to an answer."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from petmood.data.synthetic.dataset import write_demo
from tests.support.ports import free_port
from tests.support.source_tree import ROOT
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

BLOCK: Final = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""Blocks that are run; those of another kind, such as sh, are for a person's own machine alone."""
ADDRESS: Final = "http://127.0.0.1:8000"
WITHIN_S: Final = 300


class Reader:
    """A person at a terminal, in a folder with photos, who runs one block after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PETMOOD_", "MLFLOW_"))}
        home = folder / "home"
        home.mkdir()
        self._env = clean | {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        self.opened = contextlib.ExitStack()

    def run(self, kind: str, text: str) -> str:
        """Run a block to its end, or start it if it serves; return what it printed."""
        text = text.replace(ADDRESS, f"http://127.0.0.1:{self._port}")
        if text.startswith("petmood serve"):
            return self._serve(text)
        command = ["bash", "-euo", "pipefail", "-c", text] if kind == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=self._folder, env=self._env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def _serve(self, text: str) -> str:
        log = self._folder / "service.log"
        with log.open("wb") as output:
            command = f"exec {text.strip()} --port {self._port}"
            process = subprocess.Popen(["bash", "-c", command], cwd=self._folder, env=self._env, stderr=output)
        self.opened.callback(process.wait, WITHIN_S)
        self.opened.callback(process.terminate)
        wait_until(lambda: "http://" in log.read_text("utf-8") or process.poll() is not None, within_s=WITHIN_S)
        assert process.poll() is None, log.read_text("utf-8")
        return log.read_text("utf-8")


def test_the_commands_of_the_tutorial_lead_to_an_answer_as_printed(tmp_path: Path) -> None:
    write_demo(tmp_path / "PHOTOS", photos=160, flaws=False)
    shutil.copy(min((tmp_path / "PHOTOS").rglob("*.jpg")), tmp_path / "pet.jpg")
    blocks = BLOCK.findall((ROOT / "docs/tutorial.md").read_text("utf-8"))
    reader = Reader(tmp_path)
    with reader.opened:
        printed = [reader.run(kind, text) for kind, text in blocks]
    assert len(blocks) > 6
    whole = "\n".join(printed)
    assert "bundles/pets" in whole
    assert '"request_id"' in whole
    assert "Version 1 of petmood" in whole
    assert list((tmp_path / "explained").rglob("*.jpg")) != []

"""Complete life cycle as one script: two data versions, and a model that is promoted, served and rolled back."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port

pytestmark = [pytest.mark.proof, pytest.mark.spawns]


@pytest.mark.posix
def test_the_story_from_two_data_versions_to_a_rolled_back_model(root: Path, tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PETMOOD_", "GIT_", "MLFLOW_"))}
    env = clean | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    command = ["bash", str(root / "docs/life_cycle.sh"), str(tmp_path / "story"), str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=3000)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    first, second = re.findall(r"answers come from ([0-9a-f]{64})", done.stdout)
    assert first != second
    assert "Version 1 of petmood may not become champion:\n  superiority: " in done.stderr
    assert f"manifest {second}" in done.stdout
    one, two = (int(count) for count in re.findall(r"all (\d+) photos are there, byte for byte", done.stdout))
    assert 200 < one < two
    assert re.search(r"3\. \S+ \S+ rolled back champion from 2 to 1: it was wrong about rabbits", done.stdout)
    assert "versions: 2, issues: 0" in done.stdout
    assert done.stdout.rstrip().endswith("== The end")
    for report in ("promotion-1/promotion.html", "promotion-2/promotion.html"):
        assert "passed" in (tmp_path / "story" / report).read_text("utf-8")

"""Tests of imports killed at any moment: a complete old or new dataset, and a working next import."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.trees import bring_in, contents, tree

pytestmark = pytest.mark.spawns

CHILD = """
import os, shutil, signal, sys
from pathlib import Path
from tests.support.trees import bring_in

moment, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])

def dies_at(owner, name, call):
    real, calls = getattr(owner, name), []
    def counted(*args, **named):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **named)
    setattr(owner, name, counted)

if moment == "copying":
    dies_at(Path, "write_bytes", 7)
elif moment == "index":
    dies_at(os, "fsync", 2)
elif moment == "before the renames":
    dies_at(Path, "rename", 1)
elif moment == "between the renames":
    dies_at(Path, "rename", 2)
elif moment == "after the renames":
    dies_at(shutil, "rmtree", 1)
bring_in(source, to=target)
"""
MOMENTS = ("copying", "index", "before the renames", "between the renames", "after the renames")


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_importing_again_the_next_import_succeeds(tmp_path: Path, moment: str, root: Path) -> None:
    source, target = tree(tmp_path / "in"), tmp_path / "out/pets"
    bring_in(source, to=target)
    splits = (target / "index.csv").read_bytes()
    tree(source, each=5)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, moment, str(source), str(target)], cwd=root, capture_output=True, check=False
    )
    assert child.returncode == -9, child.stderr.decode()
    if target.exists():
        assert len((target / "index.csv").read_bytes().splitlines()) in {17, 21}
        assert len(list((target / "photos").rglob("*.png"))) in {16, 20}
    report = bring_in(source, to=target)
    assert len(report.index) == 20
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pets"]
    before = {line.split(b",")[1]: line.split(b",")[3] for line in splits.splitlines()[1:]}
    after = {line.split(b",")[1]: line.split(b",")[3] for line in (target / "index.csv").read_bytes().splitlines()}
    assert all(after[sha] == split for sha, split in before.items() if sha in after)
    assert set(contents(target)) >= {"index.csv", "rejected.csv", "relations.csv", "import.json"}

"""Tests of concurrent imports by several processes: complete datasets and exit codes."""

from pathlib import Path

import pytest

from petmood.data.index import read_index
from tests.support.stepping import SteppedProcess
from tests.support.trees import contents, put, tree

pytestmark = pytest.mark.spawns

IMPORT = """
import sys
from pathlib import Path
from petmood.cli.app import main
from petmood.data.duplicates import near_duplicates as groups
from tests.support.trees import mirror_finder

source, target, pause = sys.argv[1], sys.argv[2], int(sys.argv[3])
real, calls = Path.write_bytes, []

def paused(path, data):
    calls.append(path)
    if len(calls) == pause:
        print("copying", flush=True)
        sys.stdin.readline()
    return real(path, data)

Path.write_bytes = paused
groups.find_near_duplicates = mirror_finder
main(["data", "import", "folder", source, "--output", target])
"""


def start(source: Path, target: Path, *, pause: int = 9) -> SteppedProcess:
    """Start `petmood data import` in a separate process, and wait until it has copied half of the photos."""
    child = SteppedProcess(IMPORT, source, target, str(pause))
    assert child.hear() == "copying"
    return child


def finish(source: Path, target: Path) -> tuple[int, str]:
    """Run `petmood data import` to its end; return its exit code and what it wrote to stderr."""
    return SteppedProcess(IMPORT, source, target, "0").end()


def has_all_photos(folder: Path, source: Path) -> bool:
    """Return whether a dataset has its index and, byte for byte, every photo of the source."""
    photos = {name.removeprefix("photos/"): data for name, data in contents(folder).items() if "/" in name}
    return photos == contents(source) and len(read_index(folder)) == len(photos)


@pytest.mark.parametrize("fresh", [True, False])
def test_imports_to_pets_and_to_pets_v2_at_once_both_have_all_photos(tmp_path: Path, fresh: bool) -> None:
    source = tree(tmp_path / "in")
    if not fresh:
        for name in ("pets", "pets.v2"):
            assert finish(source, tmp_path / "out" / name)[0] == 0
        tree(source, each=5)
    slow = start(source, tmp_path / "out/pets.v2")
    assert finish(source, tmp_path / "out/pets")[0] == 0
    assert slow.end()[0] == 0
    for name in ("pets", "pets.v2"):
        assert has_all_photos(tmp_path / "out" / name, source)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["pets", "pets.v2"]


@pytest.mark.parametrize("name", ["pets", "link"])
def test_a_second_import_to_the_same_target_ends_with_2_and_one_line(tmp_path: Path, name: str) -> None:
    source = tree(tmp_path / "in")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to("pets")
    slow = start(source, tmp_path / "out/pets")
    put(tmp_path / "bad", "happy/nothing.jpg", b"")  # not read at all
    target = tmp_path / "out" / name
    code, errors = finish(tmp_path / "bad", target)
    assert code == 2
    assert errors == (
        f"petmood: {target} is being written by process {slow.pid}. "
        "Nothing was changed; try again when that process has ended.\n"
    )
    assert slow.end()[0] == 0
    assert has_all_photos(tmp_path / "out/pets", source)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["link", "pets"]


def test_after_a_kill_the_next_import_clears_what_that_one_left_and_nothing_else(tmp_path: Path) -> None:
    source = tree(tmp_path / "in")
    start(source, tmp_path / "out/pets").kill()
    living = start(source, tmp_path / "out/pets.v2")
    assert finish(source, tmp_path / "out/pets")[0] == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name.rpartition("v2.")[0] or name for name in names] == [".pets.", ".pets.", "pets"]
    assert living.end()[0] == 0
    assert has_all_photos(tmp_path / "out/pets", source)
    assert has_all_photos(tmp_path / "out/pets.v2", source)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["pets", "pets.v2"]

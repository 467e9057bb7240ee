"""Interleaved and randomly killed writers of similar names: no data loss, and correct exit codes."""

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.stepping import SteppedProcess

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

FILES = 3
NAMES = ("pets", "pets.v2", "link")
WRITER = """
import sys
from pathlib import Path
from petmood.core.atomic_directory import atomic_directory
from petmood.core.errors import OutputLocked

target, word, files = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rename = Path.rename

def step(what):
    print(what, flush=True)
    sys.stdin.readline()

def stepped_rename(path, to):
    step("rename")
    return rename(path, to)

Path.rename = stepped_rename
step("begin")
try:
    with atomic_directory(target, existing=lambda _: ()) as draft:
        for number in range(files):
            step("write")
            (draft.path / str(number)).write_text(word)
            draft.expect([str(number)])
        step("publish")
    step("published")
except OutputLocked as error:
    print(f"petmood: {error}", file=sys.stderr)
    sys.exit(2)
"""


@dataclass
class Writer:
    """A process that writes a word, and how far it has come."""

    name: str
    word: str
    child: SteppedProcess
    said: str = ""

    @property
    def place(self) -> str:
        """The folder that is written in the end."""
        return "pets" if self.name == "link" else self.name

    @property
    def writes(self) -> bool:
        """Whether it holds the lock of its target."""
        return self.said in {"write", "rename", "publish"}


def words_in(folder: Path) -> list[str]:
    """Return the text of every file of a folder."""
    return [path.read_text() for path in sorted(folder.iterdir())]


class Scenario:
    """What two or three writers do, one step at a time, and what has to be there afterwards."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.expected: dict[str, str] = {}
        self.refused = self.killed = 0
        (folder / "link").symlink_to("pets")

    def begin(self, name: str, word: str) -> Writer:
        """Start a writer; it stands before its first step."""
        writer = Writer(name, word, SteppedProcess(WRITER, self.folder / name, word, str(FILES)))
        writer.said = writer.child.hear()
        return writer

    def step(self, writer: Writer, others: list[Writer]) -> bool:
        """Let a writer take a step; return whether it goes on."""
        taken = any(other.writes and other.place == writer.place for other in others if other is not writer)
        begins = writer.said == "begin"
        writer.child.go()
        writer.said = writer.child.hear()
        if begins and taken:
            assert writer.said == ""
            code, errors = writer.child.end()
            assert code == 2
            assert errors.count("\n") == 1
            assert "is being written by process" in errors
            self.refused += 1
            return False
        assert writer.said
        if writer.said == "published":
            self.expected[writer.place] = writer.word
            assert writer.child.end() == (0, "")
        return writer.said != "published"

    def kill(self, writer: Writer) -> None:
        """Kill a writer wherever it stands."""
        writer.child.kill()
        self.killed += 1

    def play(self) -> None:
        """Let writers begin, go on and be killed in an order that the seed draws."""
        going: list[Writer] = []
        for number in range(7):
            going.append(self.begin(self.chance.choice(NAMES), f"word {number}"))
            for _ in range(self.chance.randrange(14)):
                if not going:
                    break
                writer = self.chance.choice(going)
                if self.chance.random() < 0.06:
                    self.kill(writer)
                    going.remove(writer)
                elif not self.step(writer, going):
                    going.remove(writer)
        while going:
            writer = self.chance.choice(going)
            if not self.step(writer, going):
                going.remove(writer)


@pytest.mark.parametrize("round_", range(8))
def test_interleaved_and_killed_writers_lose_nothing(tmp_path: Path, round_: int) -> None:
    scenarios = []
    for seed in range(4 * round_, 4 * round_ + 4):
        (folder := tmp_path / str(seed)).mkdir()
        scenarios.append(scenario := Scenario(folder, seed))
        scenario.play()
        look_at_the_end(scenario, folder)
    assert sum(scenario.refused for scenario in scenarios) > 0
    assert sum(scenario.killed for scenario in scenarios) > 0


def look_at_the_end(scenario: Scenario, folder: Path) -> None:
    """Check that each target holds what was published last, and that nothing else is left."""
    for name in ("pets", "pets.v2"):  # what was published last is there, or comes back when the next writer begins
        next_one = scenario.begin(name, "next")
        next_one.child.go()
        said = next_one.child.hear()
        if said == "rename":
            next_one.child.go()
            said = next_one.child.hear()
        assert said == "write"
        if name in scenario.expected:
            assert words_in(folder / name) == [scenario.expected[name]] * FILES
        else:
            assert not (folder / name).exists()
        assert next_one.child.end()[0] == 0
        assert words_in(folder / name) == ["next"] * FILES
    assert sorted(path.name for path in folder.iterdir()) == ["link", "pets", "pets.v2"]
    assert (folder / "link").is_symlink()

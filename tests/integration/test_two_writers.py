"""Two processes that write at one place or at similar ones, interleaved and killed: nothing lost, exit codes true."""

import hashlib
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from petmood.core.bundle import verify
from petmood.data.index import read_index
from petmood.registry.uri import open_registry
from tests.support.bundles import word_bundle
from tests.support.stepped_commands import Starter, SteppedCommand, starter
from tests.support.trees import photo_bytes, put, tree

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

VARIANTS: Final = 4
ROUNDS: Final = 9
PAIRS: Final = {
    "same name": ("pets", "pets"),
    "prefix of a name": ("pets", "pets.v2"),
    "link": ("pets", "link"),
    "mount": ("disk/pets", "bound/pets"),
}
PLACES: Final = {"link": "pets", "bound/pets": "disk/pets"}
OWN: Final = {"README.txt": b"mine", "labels/corrections.csv": b"a,b"}


@dataclass(frozen=True, slots=True)
class Sources:
    """What the writers write: a few variants of a dataset, of a bundle, and of a version in a registry."""

    folder: Path

    def words(self, kind: str, variant: int, target: Path) -> list[str]:
        """Return the command that writes a variant to a target."""
        if kind == "import":
            return ["data", "import", "folder", str(self.folder / f"photos-{variant}"), "--output", str(target)]
        if kind == "bundle":
            return ["bundle", str(self.folder / f"bundle-{variant}"), str(target)]
        where = ["--registry", str(self.folder / "registry"), "--output", str(target), "--replace"]
        return ["registry", "pull", str(variant + 1), *where]

    def variant_in(self, kind: str, target: Path) -> int:
        """Return which variant a folder holds as a whole: every file is there, counted and hashed."""
        if kind != "import":
            return int(verify(target).manifest.version.removeprefix("of-bundle-"))
        index = read_index(target)
        for row in index:
            assert hashlib.sha256((target / row.path).read_bytes()).hexdigest() == row.sha256
        assert len(list((target / "photos").rglob("*.png"))) == len(index)
        held = {row.sha256 for row in index}
        return next(number for number in range(VARIANTS) if self._photos(number) == held)

    def _photos(self, variant: int) -> set[str]:
        photos = (self.folder / f"photos-{variant}").rglob("*.png")
        return {hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Return the variants; those of the dataset share most of their photos."""
    folder = tmp_path_factory.mktemp("sources")
    registry = open_registry(str(folder / "registry"))
    for variant in range(VARIANTS):
        tree(folder / f"photos-{variant}", each=3)
        put(folder, f"photos-{variant}/happy/own.png", photo_bytes(100 + variant))
        registry.push(word_bundle(folder, f"bundle-{variant}"), by="me")
    return Sources(folder)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """Return a process that starts commands."""
    with starter(tmp_path_factory.mktemp("pipes")) as found:
        yield found


@dataclass(slots=True)
class Room:
    """A folder to write in, with a disk of its own that has a second path: a bind mount, or a stand-in for one."""

    folder: Path
    mounts: Path | None = None


@pytest.fixture
def room(tmp_path: Path, commands: Starter) -> Iterator[Room]:
    """Return a room; where mounts are not allowed, the second path is a link and the kernel's list a file."""
    disk, bound = tmp_path / "disk", tmp_path / "bound"
    disk.mkdir()
    bound.mkdir()
    (tmp_path / "link").symlink_to("pets")
    mounted: list[Path] = []
    for command, place in (
        (["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)], disk),
        (["mount", "--bind", str(disk), str(bound)], bound),
    ):
        if len(mounted) == (place is bound) and _succeeds(command):
            mounted.append(place)
    try:
        if len(mounted) == 2:
            yield Room(tmp_path)
        else:
            bound.rmdir()
            bound.symlink_to("disk")
            (tmp_path / "mountinfo").write_text(f"31 22 8:1 / {disk} rw - tmpfs tmpfs rw\n")
            yield Room(tmp_path, tmp_path / "mountinfo")
    finally:
        commands.kill_stepped()
        for place in reversed(mounted):
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@dataclass(slots=True)
class Writer:
    """A command under way, and what was at its place since it began."""

    name: str
    variant: int
    command: SteppedCommand
    seen: set[int | None]
    met_another: bool = False
    has_published: bool = False

    @property
    def place(self) -> str:
        """The folder that is written in the end."""
        return PLACES.get(self.name, self.name)


@dataclass(slots=True)
class Scenario:
    """Two writers at a time, one step at a time, and what has to be at each place."""

    kind: str
    pair: tuple[str, str]
    room: Room
    sources: Sources
    commands: Starter
    chance: random.Random
    expected: dict[str, int] = field(default_factory=dict)
    going: list[Writer] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("published", "refused", "killed"), 0))

    def begin(self, name: str) -> Writer:
        """Start a writer; it stands before its first change."""
        variant = self.chance.randrange(VARIANTS)
        words = self.sources.words(self.kind, variant, self.room.folder / name)
        command = self.commands.step(words, mounts=self.room.mounts)
        writer = Writer(name, variant, command, {self.expected.get(PLACES.get(name, name))})
        for other in self.going:
            if other.place == writer.place:
                other.met_another = writer.met_another = True
        self.going.append(writer)
        self.settle(writer)
        return writer

    def step(self, writer: Writer) -> None:
        """Let a writer make its next change; note what is at its place from then on."""
        verb, *names = writer.command.at.split()
        publishes = verb == "rename" and names[0].endswith(".partial") and names[1] == Path(writer.place).name
        writer.command.go()
        if publishes:
            self.expected[writer.place] = writer.variant
            writer.has_published = True
            for other in self.going:
                if other.place == writer.place:
                    other.seen.add(writer.variant)
        self.settle(writer)

    def settle(self, writer: Writer) -> None:
        """Check a writer that has ended: 0 only with its content published, 2 only beside another writer."""
        code = writer.command.code
        if code is None:
            return
        self.going.remove(writer)
        if code == 0:
            assert writer.has_published or (self.kind == "pull" and writer.variant in writer.seen)
            self.counts["published"] += 1
        else:
            assert code == 2, writer.command.errors
            assert not writer.has_published
            assert writer.met_another, writer.command.errors
            assert writer.command.errors.count("\n") == 1
            assert "is being written by process" in writer.command.errors
            self.counts["refused"] += 1

    def kill(self, writer: Writer) -> None:
        """Kill a writer where it stands."""
        writer.command.kill()
        assert writer.command.code == -9
        self.going.remove(writer)
        self.counts["killed"] += 1

    def play(self) -> None:
        """Let five writers begin, two at a time, go on and be killed in an order that the seed draws."""
        for number in range(5):
            self.begin(self.pair[number % 2])
            for _ in range(self.chance.randrange(40)):
                if len(self.going) < 2:
                    break
                writer = self.chance.choice(self.going)
                for _ in range(self.chance.randrange(1, 25)):
                    if writer.command.code is None:
                        self.step(writer)
                if writer.command.code is None and self.chance.random() < 0.1:
                    self.kill(writer)
            if len(self.going) == 2 or (self.going and self.chance.random() < 0.3):
                self.finish(self.chance.choice(self.going))
        while self.going:
            self.finish(self.going[0])

    def finish(self, writer: Writer) -> None:
        """Let a writer run to its end, or be killed on the way."""
        last = self.chance.randrange(120) if self.chance.random() < 0.4 else 100_000
        while writer.command.code is None:
            if last == 0:
                self.kill(writer)
                return
            self.step(writer)
            last -= 1

    def conclude(self) -> None:
        """Check each place once the next writer has begun to draft, and that this one leaves nothing behind."""
        for name in sorted(set(self.pair)):
            place, target = PLACES.get(name, name), self.room.folder / name
            writer = self.begin(name)
            while writer.command.code is None and not writer.command.at.startswith(f"mkdir .{Path(place).name}."):
                self.step(writer)
            if place in self.expected:
                assert self.sources.variant_in(self.kind, target) == self.expected[place]
                self.check_own_files(target)
            while writer.command.code is None:
                self.step(writer)
            assert self.sources.variant_in(self.kind, target) == writer.variant
            self.check_own_files(target)
        for folder in {(self.room.folder / name).parent for name in self.pair}:
            left = {path.name for path in folder.iterdir()}
            assert left <= {"pets", "pets.v2", "link", "disk", "bound", "mountinfo"}
        assert (self.room.folder / "link").is_symlink()

    def check_own_files(self, target: Path) -> None:
        """Check the files that a person put into a dataset."""
        if self.kind == "import":
            assert {name: (target / name).read_bytes() for name in OWN} == OWN


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("kind", ["import", "bundle", "pull"])
def test_two_writers_interleaved_and_killed_lose_nothing(
    room: Room, sources: Sources, commands: Starter, kind: str, pair: str
) -> None:
    total = dict.fromkeys(("published", "refused", "killed"), 0)
    for seed in range(ROUNDS):
        chance = random.Random(f"{kind} {pair} {seed}")
        scenario = Scenario(kind, PAIRS[pair], room, sources, commands, chance)
        _prepare(scenario, commands, empty=seed % 2 == 1)
        scenario.play()
        scenario.conclude()
        total = {name: total[name] + count for name, count in scenario.counts.items()}
    assert total["published"] >= ROUNDS
    assert total["killed"] > 0
    assert total["refused"] > 0 or pair == "prefix of a name"


def _prepare(scenario: Scenario, commands: Starter, *, empty: bool) -> None:
    """Let each place be new, or hold a variant; a dataset has files of a person in it."""
    for place in {PLACES.get(name, name) for name in scenario.pair}:
        target = scenario.room.folder / place
        subprocess.run(["rm", "-rf", str(target)], check=True)
        if empty and scenario.kind != "import":
            continue
        assert commands.run(scenario.sources.words(scenario.kind, 0, target)) == (0, "")
        scenario.expected[place] = 0
        if scenario.kind == "import":
            for name, data in OWN.items():
                put(target, name, data)


@pytest.mark.parametrize("kind", ["import", "bundle", "pull"])
def test_a_mount_point_is_refused_before_any_change(room: Room, sources: Sources, commands: Starter, kind: str) -> None:
    before = sorted(room.folder.iterdir())
    for name in ("disk", "bound"):
        command = commands.step(sources.words(kind, 1, room.folder / name), mounts=room.mounts)
        assert (command.at, command.code) == ("", 2)
        assert "is a mount point. Choose a folder inside" in command.errors
    assert sorted(room.folder.iterdir()) == before
    assert list((room.folder / "disk").iterdir()) == []

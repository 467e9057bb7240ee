"""Does the registry stay whole, whoever is killed, overtaken or out of space while writing to it? (faults 23 and 25)"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from petmood.registry.address import open_registry
from petmood.registry.base import By
from petmood.registry.registry import Registry
from tests.bundles import word_bundle
from tests.registries import registry_address

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

ENDLESS_PUSHES = """
import sys
from pathlib import Path
from petmood.registry.address import open_registry
from tests.bundles import word_bundle
registry = open_registry(sys.argv[1])
print("ready", flush=True)
for number in range(1000):
    version = registry.push(word_bundle(Path(sys.argv[2]), f"{sys.argv[3]}-{number}"), by="me")
    print(version.number, flush=True)
"""

ENDLESS_PROMOTIONS = """
import itertools, sys
from petmood.registry.address import open_registry
from petmood.registry.base import By
registry = open_registry(sys.argv[1])
print("ready", flush=True)
for number in itertools.cycle((1, 2)):
    if registry.state().aliases.get("champion") != number:
        registry.promote(registry.find(str(number)), alias="champion", by=By("me"), seen=registry.state())
        print(number, flush=True)
"""

ONE_PROMOTION = """
import sys
from petmood.core.errors import Conflict
from petmood.registry.address import open_registry
from petmood.registry.base import By
registry = open_registry(sys.argv[1])
seen = registry.state()
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote(registry.find(sys.argv[2]), alias="champion", by=By(f"writer {sys.argv[2]}"), seen=seen)
    print("won", flush=True)
except Conflict:
    print("conflict", flush=True)
"""

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from petmood.registry.address import open_registry
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    open_registry(sys.argv[1]).push(Path(sys.argv[2]), by="me")
except OSError as error:
    print(error.errno)
"""


@pytest.fixture(params=["folder", "mlflow"])
def registry(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Return a registry of two versions, the first of which is champion."""
    with registry_address(request.param, tmp_path, monkeypatch) as address:
        opened = open_registry(address)
        for word in ("one", "two"):
            opened.push(word_bundle(tmp_path / "bundles", word), by="me")
        opened.promote(opened.find("1"), alias="champion", by=By("me"), seen=opened.state())
        yield opened


def spawn(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a writer, and wait until it is about to write."""
    words = [sys.executable, "-c", program, *map(str, arguments)]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    return child


def kill_after(child: subprocess.Popen[str], seconds: float) -> str:
    """Kill a writer in the midst of its work, and return what it told before."""
    time.sleep(seconds)
    assert child.poll() is None, "it ended by itself"
    child.send_signal(signal.SIGKILL)
    return child.communicate(timeout=30)[0]


def kills_of(registry: Registry) -> int:
    """Return how many kills there is time for: MLflow takes seconds to be imported."""
    return 4 if registry.address.startswith("sqlite") else 20


def test_pushes_killed_at_random_moments_leave_whole_versions_alone(registry: Registry, tmp_path: Path) -> None:
    chance = random.Random(0)
    before = 2
    for number in range(kills_of(registry)):
        child = spawn(ENDLESS_PUSHES, registry.address, tmp_path / "made", number)
        if number == 0:  # on the slowest of disks too, one push comes to its end
            assert child.stdout
            assert child.stdout.readline() == "3\n"
        told = kill_after(child, chance.uniform(0, 0.3 if kills_of(registry) > 10 else 3)).split()
        found = open_registry(registry.address)
        versions = [version.number for version in found.versions()]
        assert versions == list(range(1, len(versions) + 1))
        assert len(versions) >= before
        assert not told or int(told[-1]) in versions, "a version that was told is there"
        before = len(versions)
        assert found.find("champion").number == 1
    assert before > 2
    assert registry.verify(tmp_path / "scratch") == []
    again = registry.push(word_bundle(tmp_path / "bundles", "three"), by="me")
    assert again.number == before + 1


def test_promotions_killed_at_random_moments_leave_the_old_or_the_new_champion(
    registry: Registry, tmp_path: Path
) -> None:
    chance = random.Random(1)
    for _ in range(kills_of(registry)):
        told = kill_after(spawn(ENDLESS_PROMOTIONS, registry.address), chance.uniform(0, 0.2)).split()
        found = open_registry(registry.address)
        champion, last = found.find("champion").number, found.history()[-1]
        assert champion == last.to
        assert champion in (1, 2)
        if told:
            assert last.to == int(told[-1]) or last.before == int(told[-1]), "a change that was told is there"
    assert registry.verify(tmp_path / "scratch") == []
    assert registry.roll_back(By("me")).kind == "rolled_back"


def test_of_two_promotions_at_once_by_two_processes_one_gets_a_conflict(registry: Registry, tmp_path: Path) -> None:
    registry.push(word_bundle(tmp_path / "bundles", "three"), by="me")
    for _ in range(3):
        before = len(registry.history())
        champion = registry.find("champion").number
        others = [number for number in (1, 2, 3) if number != champion]
        children = [spawn(ONE_PROMOTION, registry.address, number) for number in others]
        for child in children:
            assert child.stdin
            child.stdin.write("go\n")
            child.stdin.flush()
        said = {
            number: child.communicate(timeout=60)[0].strip() for number, child in zip(others, children, strict=True)
        }
        assert sorted(said.values()) == ["conflict", "won"]
        (won,) = (number for number, word in said.items() if word == "won")
        assert registry.find("champion").number == won
        assert len(registry.history()) == before + 1
        assert registry.history()[-1].who == f"writer {won}"


def test_a_full_disk_is_one_error_and_the_registry_is_as_it_was(tmp_path: Path) -> None:
    address = str(tmp_path / "registry")
    opened = open_registry(address)
    opened.push(word_bundle(tmp_path / "bundles", "one"), by="me")
    large = word_bundle(tmp_path / "bundles", "large", padding=100_000)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, address, str(large)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "27\n"
    assert done.stderr == ""
    assert [version.number for version in open_registry(address).versions()] == [1]
    assert list((tmp_path / "registry").rglob("*.partial")) == []
    assert opened.verify(tmp_path / "scratch") == []
    assert opened.push(large, by="me").number == 2

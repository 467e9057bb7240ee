"""Registry validity after kills, conflicting writers and full disks. (faults 23 and 25)"""

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from petmood.registry.base import Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.bundles import word_bundle
from tests.support.kill_points import count_calls
from tests.support.registries import registry_address
from tests.support.source_tree import ROOT

pytestmark = [pytest.mark.proof, pytest.mark.spawns]

PUSHES_UNTIL_DEATH = """
import itertools, sys
from pathlib import Path
from petmood.registry.uri import open_registry
from tests.support.bundles import word_bundle
from tests.support.kill_points import die_after
address, folder, name, first, calls = sys.argv[1:]
registry = open_registry(address)
bundles = [word_bundle(Path(folder), f"{name}-{number}") for number in range(8)]
for number, bundle in enumerate(itertools.cycle(bundles)):
    if number == int(first):
        die_after(int(calls))
    print(registry.push(bundle, by="me").number, flush=True)
"""
"""Push, and be killed so many calls after the first ones were pushed."""

PROMOTIONS_UNTIL_DEATH = """
import itertools, sys
from petmood.registry.uri import open_registry
from petmood.registry.base import Author
from tests.support.kill_points import die_after
registry = open_registry(sys.argv[1])
registry.state()
die_after(int(sys.argv[2]))
for number in itertools.cycle((1, 2)):
    if registry.state().aliases.get("champion") != number:
        registry.promote(registry.find(str(number)), alias="champion", by=Author("me"), seen=registry.state())
        print(number, flush=True)
"""

ONE_PROMOTION = """
import sys
from petmood.core.errors import RegistryConflict
from petmood.registry.uri import open_registry
from petmood.registry.base import Author
registry = open_registry(sys.argv[1])
seen = registry.state()
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.promote(registry.find(sys.argv[2]), alias="champion", by=Author(f"writer {sys.argv[2]}"), seen=seen)
    print("won", flush=True)
except RegistryConflict:
    print("conflict", flush=True)
"""

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from petmood.registry.uri import open_registry
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
        opened.promote(opened.find("1"), alias="champion", by=Author("me"), seen=opened.state())
        yield opened


def spawn(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a writer, and wait until it is about to write."""
    child = start(program, *arguments)
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    return child


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a writer in the project's folder."""
    words = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def killed(program: str, *arguments: object) -> list[str]:
    """Let a writer work until it is killed, and return what it told before."""
    child = start(program, *arguments)
    printed = child.communicate(timeout=600)[0]
    assert child.returncode == -signal.SIGKILL
    return printed.split()


def kills_of(registry: Registry) -> int:
    """Return how many kills a proof can afford: MLflow takes seconds to be imported."""
    return 4 if registry.address.startswith("sqlite") else 20


def champion_in_mlflow(registry: Registry, *, otherwise: int) -> int:
    """Return the champion in MLflow's page; ``otherwise`` where the registry is a folder."""
    if not registry.address.startswith("sqlite"):
        return otherwise
    client = MlflowClient(tracking_uri=registry.address, registry_uri=registry.address)
    return int(client.get_model_version_by_alias("petmood", "champion").version)


def test_pushes_killed_at_random_moments_leave_whole_versions_alone(registry: Registry, tmp_path: Path) -> None:
    """The first kill comes after a push, each other anywhere in one, or in the next."""
    chance = random.Random(0)
    calls = count_calls(lambda: registry.push(word_bundle(tmp_path / "bundles", "measured"), by="me"))
    before = 3
    for number in range(kills_of(registry)):
        first = 1 if number == 0 else 0
        printed = killed(
            PUSHES_UNTIL_DEATH, registry.address, tmp_path / "made", number, first, chance.randrange(2 * calls)
        )
        found = open_registry(registry.address)
        versions = [version.number for version in found.versions()]
        assert versions == list(range(1, len(versions) + 1))
        assert len(versions) >= before + first
        assert not printed or int(printed[-1]) in versions, "a version that was told is there"
        before = len(versions)
        assert found.find("champion").number == 1
    assert before > 3
    assert registry.verify(tmp_path / "scratch") == []
    again = registry.push(word_bundle(tmp_path / "bundles", "three"), by="me")
    assert again.number == before + 1


def test_promotions_killed_at_random_moments_leave_the_old_or_the_new_champion(
    registry: Registry, tmp_path: Path
) -> None:
    chance = random.Random(1)
    calls = count_calls(
        lambda: registry.promote(registry.find("2"), alias="champion", by=Author("me"), seen=registry.state())
    )
    for _ in range(kills_of(registry)):
        printed = killed(PROMOTIONS_UNTIL_DEATH, registry.address, chance.randrange(3 * calls))
        found = open_registry(registry.address)
        champion, last = found.find("champion").number, found.history()[-1]
        assert champion in (1, 2)
        assert champion == last.to == champion_in_mlflow(found, otherwise=champion)
        if printed:
            assert last.to == int(printed[-1]) or last.before == int(printed[-1]), "a change that was told is there"
    assert registry.verify(tmp_path / "scratch") == []
    assert registry.roll_back(Author("me")).kind == "rolled_back"
    assert {change.kind for change in registry.history()} == {"promoted", "rolled_back"}, "no move is unexplained"


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
            number: child.communicate(timeout=600)[0].strip() for number, child in zip(others, children, strict=True)
        }
        assert sorted(said.values()) == ["conflict", "won"]
        (won,) = (number for number, word in said.items() if word == "won")
        assert registry.find("champion").number == won
        assert len(registry.history()) == before + 1
        assert registry.history()[-1].author == f"writer {won}"
        assert champion_in_mlflow(registry, otherwise=won) == won


@pytest.mark.drill
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

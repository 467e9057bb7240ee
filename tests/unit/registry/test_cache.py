"""Tests of the local cache of pulled bundles."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.core.bundle import verify
from petmood.core.errors import OutputLocked, RegistryError
from petmood.registry.cache import cached
from petmood.registry.uri import open_registry
from tests.support.stepping import SteppedProcess

MakeBundle = Callable[[str], Path]


def test_a_version_is_fetched_once_and_again_only_when_damaged(tmp_path: Path, make_bundle: MakeBundle) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    version = registry.push(make_bundle("one"), by="me")
    first = cached(registry, version, folder=tmp_path / "cache")
    (tmp_path / "registry").rename(tmp_path / "away")
    assert cached(registry, version, folder=tmp_path / "cache") == first
    (tmp_path / "away").rename(tmp_path / "registry")
    (first.folder / "model.onnx").write_bytes(b"damaged")
    again = cached(registry, version, folder=tmp_path / "cache")
    assert (again.folder / "model.onnx").read_bytes() == b"model.onnx of one"


def test_another_bundle_in_the_place_of_a_version_is_not_taken_for_it(tmp_path: Path, make_bundle: MakeBundle) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    one, two = (registry.push(make_bundle(word), by="me") for word in ("one", "two"))
    place = cached(registry, one, folder=tmp_path / "cache").folder
    cached(registry, two, folder=tmp_path / "cache").folder.rename(tmp_path / "two")
    place.rename(tmp_path / "one")
    (tmp_path / "two").rename(place)
    assert cached(registry, one, folder=tmp_path / "cache").sha256 == one.sha256
    assert (place / "model.onnx").read_bytes() == b"model.onnx of one"


@pytest.mark.parametrize("name", ["manifest.json", "card.md", "golden.npz", "model.onnx"])
def test_a_sparse_file_of_gigabytes_in_the_registry_is_refused_before_it_is_read(
    tmp_path: Path, make_bundle: MakeBundle, name: str
) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    version = registry.push(make_bundle("one"), by="me")
    (stored,) = (tmp_path / "registry").rglob(name)
    with stored.open("ab") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(RegistryError, match=rf"{name}: expected at most [\d,]+ bytes, got 3,000,000,000"):
        cached(registry, version, folder=tmp_path / "cache")
    assert list((tmp_path / "cache/bundles").iterdir()) == []


def test_many_may_fetch_one_version_at_once(tmp_path: Path, make_bundle: MakeBundle) -> None:
    address = str(tmp_path / "registry")
    version = open_registry(address).push(make_bundle("one"), by="me")
    found: list[str] = []
    barrier = threading.Barrier(6)

    def fetch() -> None:
        barrier.wait()
        found.append(cached(open_registry(address), version, folder=tmp_path / "cache").sha256)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert set(found) == {version.sha256}
    assert [path.name for path in (tmp_path / "cache/bundles").iterdir()] == [version.sha256]


KILLED = """
import sys
from pathlib import Path
from petmood.core.bundle import verify
from petmood.core.errors import OutputLocked
from petmood.registry.cache import cached
from petmood.registry.objects import ObjectBackend
from petmood.registry.uri import open_registry
def halted(self, version, name, to, real=ObjectBackend._fetch_file):
    if name == "card.md":
        print("fetching", flush=True)
        sys.stdin.readline()
    real(self, version, name, to)
ObjectBackend._fetch_file = halted
registry = open_registry(sys.argv[1])
cached(registry, registry.find("1"), folder=Path(sys.argv[2]))
"""


@pytest.mark.spawns
def test_what_a_killed_fetch_left_is_removed_by_the_next_one(tmp_path: Path, make_bundle: MakeBundle) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    version = registry.push(make_bundle("one"), by="me")
    child = SteppedProcess(KILLED, tmp_path / "registry", tmp_path / "cache")
    assert child.hear() == "fetching"
    child.kill()
    assert len(list((tmp_path / "cache/bundles").iterdir())) == 2, "the partial folder and the lock"
    assert cached(registry, version, folder=tmp_path / "cache").sha256 == version.sha256
    assert [path.name for path in (tmp_path / "cache/bundles").iterdir()] == [version.sha256]


@pytest.mark.spawns
def test_a_fetch_by_another_process_is_waited_for_at_most_so_long(
    tmp_path: Path, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    version = registry.push(make_bundle("one"), by="me")
    child = SteppedProcess(KILLED, tmp_path / "registry", tmp_path / "cache")
    assert child.hear() == "fetching"
    monkeypatch.setattr("petmood.registry.cache.MAX_WAIT_S", 0.2)
    with pytest.raises(OutputLocked, match=f"is being written by process {child.pid}"):
        cached(registry, version, folder=tmp_path / "cache")
    assert child.end() == (0, "")
    assert cached(registry, version, folder=tmp_path / "cache").sha256 == version.sha256


WITHOUT_LOCKS = """
import errno, fcntl, sys
from pathlib import Path
from petmood.registry.cache import cached
from petmood.registry.objects import ObjectBackend
from petmood.registry.uri import open_registry
def no_locks(*_):
    raise OSError(getattr(errno, sys.argv[4]), "no locks here")
fcntl.flock = no_locks
def halted(self, version, to, real=ObjectBackend.fetch):
    real(self, version, to)
    print("fetched", flush=True)
    sys.stdin.readline()
ObjectBackend.fetch = halted
registry = open_registry(sys.argv[1])
version = registry.find("1")
if sys.argv[2] == "cached":
    found = cached(registry, version, folder=Path(sys.argv[3]))
else:
    found = registry.pull(version, Path(sys.argv[3]) / "pulled")
print(found.folder, found.folder.stat().st_ino, flush=True)
"""


@pytest.mark.spawns
@pytest.mark.parametrize("error", ["ENOLCK", "EOPNOTSUPP"])
@pytest.mark.parametrize("how", ["cached", "pull"])
def test_on_a_file_system_without_locks_two_fetches_at_once_end_with_one_whole_bundle(
    tmp_path: Path, make_bundle: MakeBundle, how: str, error: str
) -> None:
    registry = open_registry(str(tmp_path / "registry"))
    version = registry.push(make_bundle("one"), by="me")
    arguments = (tmp_path / "registry", how, tmp_path / "cache", error)
    first, second = SteppedProcess(WITHOUT_LOCKS, *arguments), SteppedProcess(WITHOUT_LOCKS, *arguments)
    assert (first.hear(), second.hear()) == ("fetched", "fetched")
    found = []
    for child in (first, second):
        child.go()
        found.append(child.hear())
        assert child.end() == (0, "")
    assert found[0] == found[1] != "", "the folder that the first one may be reading was not replaced"
    pulled = Path(found[0].rpartition(" ")[0])
    assert verify(pulled).sha256 == version.sha256
    assert [path.name for path in pulled.parent.iterdir()] == [pulled.name]


def test_a_folder_that_appears_just_before_the_rename_is_taken_if_it_is_the_version(
    tmp_path: Path, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by another process, on a file system without locks."""
    registry = open_registry(str(tmp_path / "registry"))
    version = registry.push(make_bundle("one"), by="me")
    target = tmp_path / "cache/bundles" / version.sha256
    rename = Path.rename

    def overtaken(self: Path, to: Path) -> Path:
        if to == target and not target.exists():
            shutil.copytree(self, target)
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", overtaken)
    assert cached(registry, version, folder=tmp_path / "cache").folder == target
    assert [path.name for path in target.parent.iterdir()] == [version.sha256]

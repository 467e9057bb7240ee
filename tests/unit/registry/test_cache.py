"""Tests of the local cache of pulled bundles."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

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

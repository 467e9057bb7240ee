"""Tests of the local cache of pulled bundles."""

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.core.errors import RegistryError
from petmood.registry.cache import cache_folder, cached
from petmood.registry.uri import open_registry

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


def test_the_cache_is_where_it_was_set_else_in_the_persons_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PETMOOD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/petmood"
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "told"))
    assert cache_folder() == tmp_path / "told"


def test_where_the_persons_cache_can_not_be_written_it_is_a_passing_one_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.delenv("PETMOOD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = cache_folder()
    assert found.parent == tmp_path
    assert stat.S_IMODE(found.stat().st_mode) == 0o700

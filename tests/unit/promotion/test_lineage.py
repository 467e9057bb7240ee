"""Tests of lineage: from a prediction to the hashes of the training photos."""

import dataclasses
import hashlib
import re
from pathlib import Path

import pytest

from petmood.core.bundle import read, write
from petmood.core.errors import RegistryError
from petmood.data.index import index_text, read_index
from petmood.pipelines.export import export_run
from petmood.pipelines.run_folder import RunFolder
from petmood.promotion.lineage import find_lineage
from petmood.registry.base import Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.bundles import word_bundle


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return an empty registry."""
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    return open_registry(str(tmp_path / "registry"))


def test_a_version_is_traced_to_every_photo(
    registry: Registry, small_run: RunFolder, small_set: Path, tmp_path: Path
) -> None:
    version = registry.push(export_run(small_run, to=tmp_path / "first").folder, by="me")
    registry.promote(version, alias="champion", by=Author("me"), seen=registry.state())
    found = find_lineage(registry, version.sha256)
    index = read_index(small_set)
    assert found.version.data_hash == index.hash
    assert (found.version.run, found.aliases, [one.to for one in found.changes]) == (
        small_run.path.name,
        ("champion",),
        [1],
    )
    assert [(one.path, one.sha256, one.split) for one in found.photos] == [
        (row.path, row.sha256, row.split) for row in index
    ]
    assert all(hashlib.sha256((small_set / one.path).read_bytes()).hexdigest() == one.sha256 for one in found.photos)
    assert found.counts == {"train": 36, "valid": 19, "test": 19}


def without(folder: Path, to: Path, *, data: bytes | None) -> Path:
    """Write a bundle again with another index of photos, or without one, with valid hashes."""
    manifest = read(folder)
    files = {name: (folder / name).read_bytes() for name in manifest.files if name != "data.csv"}
    return write(to, manifest, files | ({"data.csv": data} if data is not None else {})).folder


def test_a_bundle_that_does_not_list_its_photos_is_refused(
    registry: Registry, small_run: RunFolder, tmp_path: Path
) -> None:
    folder = export_run(small_run, to=tmp_path / "first").folder
    registry.push(without(folder, tmp_path / "old", data=None), by="me")
    named = re.escape(f"The bundle {read(folder).name} {read(folder).version} ")
    before = r"was exported before bundles held data\.csv\. Export its run again, and push that\."
    with pytest.raises(RegistryError, match=f"^{named}{before}$"):
        find_lineage(registry, "1")
    registry.push(without(folder, tmp_path / "other", data=b"path,sha256,class,split,role\n"), by="me")
    data_version = read(folder).data_hash[:12]
    with pytest.raises(RegistryError, match=rf"/data\.csv is not the data version {data_version} of the manifest\.$"):
        find_lineage(registry, "2")


def test_an_index_that_can_not_be_read_is_an_error_of_the_registry(registry: Registry, tmp_path: Path) -> None:
    data = b"path,sha256\n"
    folder = word_bundle(tmp_path, "one")
    manifest = read(folder).model_copy(update={"data_hash": hashlib.sha256(data).hexdigest()})
    files = {name: (folder / name).read_bytes() for name in manifest.files}
    registry.push(write(tmp_path / "odd", manifest, {**files, "data.csv": data}).folder, by="me")
    with pytest.raises(RegistryError, match=r"/data\.csv' isn't an index: expected the header path,.*"):
        find_lineage(registry, "1")


def test_a_trace_can_not_be_changed(registry: Registry, small_run: RunFolder, tmp_path: Path) -> None:
    registry.push(export_run(small_run, to=tmp_path / "first").folder, by="me")
    with pytest.raises(dataclasses.FrozenInstanceError):
        find_lineage(registry, "1").photos[0].sha256 = "x"  # type: ignore[misc] # the assignment is what is tested


def test_a_version_has_the_alias_changes_to_it_and_from_it(registry: Registry, tmp_path: Path) -> None:
    data = index_text([]).encode()
    for word in ("one", "two", "three"):
        folder = word_bundle(tmp_path, word)
        manifest = read(folder).model_copy(update={"data_hash": hashlib.sha256(data).hexdigest()})
        files = {name: (folder / name).read_bytes() for name in manifest.files}
        made = write(tmp_path / f"{word}-with-data", manifest, {**files, "data.csv": data})
        version = registry.push(made.folder, by="me")
        registry.promote(version, alias="champion", by=Author("me"), seen=registry.state())
    found = [find_lineage(registry, str(number)) for number in (1, 2, 3)]
    moves = [[(change.before, change.to) for change in one.changes if change.alias == "champion"] for one in found]
    assert moves == [[(None, 1), (1, 2)], [(1, 2), (2, 3)], [(2, 3)]]
    assert [one.version.number for one in found] == [1, 2, 3]
    assert [("champion" in one.aliases) for one in found] == [False, False, True]
    assert [one.photos for one in found] == [(), (), ()]

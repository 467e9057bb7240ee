"""Tests of the object-store backend with damaged and missing objects."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from petmood.core.bundle import verify
from petmood.core.errors import BundleError, RegistryError
from petmood.registry.base import Author, Version
from petmood.registry.folder import FolderStore
from petmood.registry.objects import ObjectBackend
from petmood.registry.registry import Registry

MakeBundle = Callable[[str], Path]


def opened(folder: Path) -> Registry:
    """Open the registry of a folder as another process would."""
    return Registry(ObjectBackend(FolderStore(folder), model="petmood"))


@pytest.fixture
def place(tmp_path: Path, make_bundle: MakeBundle) -> Path:
    """Return a folder with one registered version, which is the champion."""
    registry = opened(tmp_path / "registry")
    version = registry.push(make_bundle("one"), by="me")
    registry.promote(version, alias="champion", by=Author("me"), seen=registry.state())
    return tmp_path / "registry"


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "reference.npz", "card.md", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_is_found_refused_and_repaired_by_a_second_push(
    place: Path, tmp_path: Path, name: str, harm: str
) -> None:
    (path,) = place.rglob(name)
    data = path.read_bytes()
    if harm == "flip":
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif harm == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    registry = opened(place)
    with pytest.raises((RegistryError, BundleError)):
        registry.pull(registry.find("champion"), tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()
    (issue,) = registry.verify(tmp_path / "scratch")
    assert issue.what == "version 1"
    registry.push(tmp_path / "bundles/one", by="me")
    assert registry.verify(tmp_path / "scratch again") == []
    assert path.read_bytes() == data


def test_a_push_that_was_killed_before_its_number_leaves_no_version(place: Path, make_bundle: MakeBundle) -> None:
    registry = opened(place)
    registry.push(make_bundle("two"), by="me")
    (place / "petmood/versions/000002.json").unlink()
    assert [version.number for version in opened(place).versions()] == [1]
    assert opened(place).push(place.parent / "bundles/two", by="me").number == 2


def test_records_that_are_damaged_are_named(place: Path) -> None:
    (place / "petmood/versions/000001.json").write_text("{")
    with pytest.raises(RegistryError, match=r"versions/000001\.json is damaged: .*Restore it from a backup"):
        opened(place).versions()


def test_an_alias_of_a_version_that_is_gone_is_a_trouble(place: Path, tmp_path: Path) -> None:
    (place / "petmood/versions/000001.json").unlink()
    registry = opened(place)
    (issue,) = registry.verify(tmp_path / "scratch")
    assert (issue.what, issue.message) == ("champion", "points to version 1, which does not exist")
    with pytest.raises(RegistryError, match="Expected 'champion' to match one version"):
        registry.find("champion")


def test_a_history_with_a_gap_is_a_trouble(place: Path, tmp_path: Path) -> None:
    registry = opened(place)
    registry.promote(registry.find("1"), alias="challenger", by=Author("me"), seen=registry.state())
    (place / "petmood/changes/000001.json").unlink()
    (issue,) = opened(place).verify(tmp_path / "scratch")
    assert issue.what == "history"


def test_another_bundle_in_the_place_of_a_version_is_refused(
    place: Path, tmp_path: Path, make_bundle: MakeBundle
) -> None:
    other = verify(make_bundle("other"))
    (folder,) = (place / "petmood/bundles").iterdir()
    for name in (*other.manifest.files, "manifest.json"):
        (folder / name).write_bytes((other.folder / name).read_bytes())
    registry = opened(place)
    with pytest.raises(RegistryError, match="holds another bundle: expected the manifest hash"):
        registry.pull(registry.find("1"), tmp_path / "pulled")


def test_what_other_programs_left_is_passed_over(place: Path) -> None:
    (place / "petmood/versions/.000002.json.x.partial").write_text("{")
    (place / "petmood/versions/notes.txt").write_text("mine")
    assert len(opened(place).versions()) == 1


def test_models_do_not_know_one_another(place: Path) -> None:
    assert Registry(ObjectBackend(FolderStore(place), model="other")).versions() == []


def test_when_every_number_is_taken_meanwhile_a_push_gives_up(place: Path, make_bundle: MakeBundle) -> None:
    class Full(FolderStore):
        def create(self, key: str, data: bytes) -> bool:
            return "/versions/" not in key and super().create(key, data)

    registry = Registry(ObjectBackend(Full(place), model="petmood"))
    with pytest.raises(RegistryError, match="No free version number of petmood"):
        registry.push(make_bundle("two"), by="me")


@pytest.mark.parametrize("moment", ["before the numbers are read", "before the number is taken"])
def test_one_bundle_that_two_clients_push_at_once_is_one_version(
    place: Path, make_bundle: MakeBundle, moment: str
) -> None:
    folder, lists, others = make_bundle("two"), list[str](), list[Version]()

    class Overtaken(FolderStore):
        def names(self, prefix: str) -> Sequence[str]:
            lists.append(prefix)
            if moment == "before the numbers are read" and lists.count("petmood/versions") == 2:
                others.append(opened(place).push(folder, by="another"))
            return super().names(prefix)

        def create(self, key: str, data: bytes) -> bool:
            if moment == "before the number is taken" and "/versions/" in key:
                others.append(opened(place).push(folder, by="another"))
            return super().create(key, data)

    mine = Registry(ObjectBackend(Overtaken(place), model="petmood")).push(folder, by="me")
    assert [mine] == others
    assert [version.number for version in opened(place).versions()] == [1, 2]


def test_a_new_version_does_not_take_the_number_of_one_after_a_gap(place: Path, make_bundle: MakeBundle) -> None:
    for word in ("two", "three"):
        opened(place).push(make_bundle(word), by="me")
    (place / "petmood/versions/000002.json").unlink()
    assert opened(place).push(make_bundle("four"), by="me").number == 4

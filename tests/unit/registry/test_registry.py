"""Tests of push, pull, promotion and rollback on every backend."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from petmood.core.bundle import verify
from petmood.core.errors import BundleError, OutputLocked, RegistryConflict, RegistryError
from petmood.core.locks import exclusive_lock
from petmood.registry.base import AliasState, Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry

MakeBundle = Callable[[str], Path]
ME = Author("me", "it is better")


def promote(registry: Registry, number: int, *, alias: str = "champion", by: Author = ME) -> None:
    """Promote a version as one who has looked just now."""
    registry.promote(registry.find(str(number)), alias=alias, by=by, seen=registry.state())


def test_a_bundle_comes_back_as_it_went_in(registry: Registry, make_bundle: MakeBundle, tmp_path: Path) -> None:
    folder = make_bundle("one")
    version = registry.push(folder, by="me")
    assert (version.number, version.by, version.data_hash) == (1, "me", "d" * 64)
    assert version.run == "run-one"
    assert version.accuracy == {"value": 0.9, "low": 0.8, "high": 0.95, "split": "test"}
    assert list(registry.versions()) == [version]
    pulled = registry.pull(version, tmp_path / "pulled")
    assert pulled.sha256 == version.sha256 == verify(folder).sha256
    names = sorted(path.name for path in folder.iterdir())
    assert sorted(path.name for path in pulled.folder.iterdir()) == names
    assert all((pulled.folder / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_versions_are_numbered_in_their_order_and_an_equal_one_is_the_same(
    registry: Registry, make_bundle: MakeBundle
) -> None:
    first, second = registry.push(make_bundle("one"), by="me"), registry.push(make_bundle("two"), by="me")
    again = registry.push(make_bundle("three").parent / "one", by="somebody else")
    assert [first.number, second.number] == [1, 2]
    assert again == first
    assert len(registry.versions()) == 2


def test_a_bundle_that_is_not_whole_is_not_registered(registry: Registry, make_bundle: MakeBundle) -> None:
    folder = make_bundle("one")
    (folder / "model.onnx").write_bytes(b"changed")
    with pytest.raises(BundleError, match=r"model\.onnx was changed"):
        registry.push(folder, by="me")
    assert list(registry.versions()) == []


def test_aliases_move_and_the_champion_goes_back(registry: Registry, make_bundle: MakeBundle) -> None:
    for word in ("one", "two", "three"):
        registry.push(make_bundle(word), by="me")
    promote(registry, 1)
    promote(registry, 3, alias="challenger")
    promote(registry, 2)
    assert registry.state() == AliasState(last=3, aliases={"champion": 2, "challenger": 3, "previous": 1})
    back = registry.roll_back(Author("the one on call", "it was wrong about rabbits"))
    assert (back.kind, back.before, back.to) == ("rolled_back", 2, 1)
    assert registry.state().aliases == {"champion": 1, "challenger": 3, "previous": 2}
    assert registry.find("champion").number == 1
    assert registry.roll_back(ME).to == 2


def test_the_history_says_who_when_and_why(registry: Registry, make_bundle: MakeBundle) -> None:
    registry.push(make_bundle("one"), by="me")
    change = registry.promote(
        registry.find("1"),
        alias="champion",
        by=Author("me", 'says "better"; 5%'),
        seen=registry.state(),
        report="f" * 64,
    )
    assert list(open_registry(_address(registry)).history()) == [change]
    assert (change.author, change.reason, change.report) == ("me", 'says "better"; 5%', "f" * 64)
    assert change.at.startswith("20")


def test_who_decided_on_an_older_state_gets_a_conflict(registry: Registry, make_bundle: MakeBundle) -> None:
    for word in ("one", "two"):
        registry.push(make_bundle(word), by="me")
    seen = registry.state()
    promote(registry, 1)
    with pytest.raises(RegistryConflict, match=r"Another client changed the aliases of petmood first \(change 1\)"):
        registry.promote(registry.find("2"), alias="champion", by=ME, seen=seen)
    assert registry.state().aliases == {"champion": 1}
    assert len(registry.history()) == 1


def test_of_many_promotions_at_once_one_wins(registry: Registry, make_bundle: MakeBundle) -> None:
    versions = [registry.push(make_bundle(word), by="me") for word in ("one", "two", "three", "four")]
    seen, address = registry.state(), _address(registry)
    results: list[str] = []
    barrier = threading.Barrier(len(versions))

    def run(number: int) -> None:
        opened = open_registry(address)
        barrier.wait()
        try:
            opened.promote(versions[number], alias="champion", by=Author(f"number {number}"), seen=seen)
            results.append("won")
        except RegistryConflict:
            results.append("conflict")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(versions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["conflict", "conflict", "conflict", "won"]
    (change,) = registry.history()
    assert registry.find("champion").number == change.to


def test_a_pulled_folder_is_only_verified_again(registry: Registry, make_bundle: MakeBundle, tmp_path: Path) -> None:
    version = registry.push(make_bundle("one"), by="me")
    registry.pull(version, tmp_path / "there")
    stamp = (tmp_path / "there").stat().st_ino
    registry.pull(version, tmp_path / "there")
    assert (tmp_path / "there").stat().st_ino == stamp


def test_a_folder_with_something_else_is_not_replaced_unasked(
    registry: Registry, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    first, second = registry.push(make_bundle("one"), by="me"), registry.push(make_bundle("two"), by="me")
    with exclusive_lock(tmp_path / "there"), pytest.raises(OutputLocked, match="there is being written by process"):
        registry.pull(first, tmp_path / "there")
    registry.pull(first, tmp_path / "there")
    with pytest.raises(RegistryError, match="exists and is not version 2"):
        registry.pull(second, tmp_path / "there")
    assert registry.pull(second, tmp_path / "there", replace=True).sha256 == second.sha256
    (tmp_path / "photos").mkdir()
    with pytest.raises(RegistryError, match="exists and is not version 2"):
        registry.pull(second, tmp_path / "photos", replace=True)
    (tmp_path / "there/NOTES.md").write_text("mine")
    with pytest.raises(BundleError, match=r"would delete NOTES\.md"):
        registry.pull(first, tmp_path / "there", replace=True)
    assert (tmp_path / "there/NOTES.md").read_text() == "mine"
    (tmp_path / "there/NOTES.md").unlink()
    assert verify(tmp_path / "there").sha256 == second.sha256


def test_what_is_not_there_is_reported_with_what_is(registry: Registry, make_bundle: MakeBundle) -> None:
    with pytest.raises(RegistryError, match=r"The model has no versions\. Register one with: petmood registry push"):
        registry.find("1")
    version = registry.push(make_bundle("one"), by="me")
    with pytest.raises(RegistryError, match="No version of petmood is champion yet"):
        registry.find("champion")
    for name in ("2", "v7", "ffffffff", "nonsense", "../..", ""):
        with pytest.raises(RegistryError, match="Known: 1; aliases: none"):
            registry.find(name)
    assert registry.find("v1") == registry.find(version.sha256[:12]) == registry.find(version.sha256) == version


def test_what_can_not_be_promoted_is_refused(registry: Registry, make_bundle: MakeBundle) -> None:
    registry.push(make_bundle("one"), by="me")
    with pytest.raises(RegistryError, match="Expected one of: champion, challenger"):
        promote(registry, 1, alias="previous")
    with pytest.raises(RegistryError, match="has no previous champion to roll back to"):
        registry.roll_back(ME)
    promote(registry, 1)
    with pytest.raises(RegistryError, match="is champion already"):
        promote(registry, 1)


def test_reports_are_kept_beside_a_version(registry: Registry, make_bundle: MakeBundle) -> None:
    version = registry.push(make_bundle("one"), by="me")
    registry.attach(version, {"promotion/abc/promotion.md": b"all is well", "promotion/abc/promotion.json": b"{}"})
    assert registry.attachment(version, "promotion/abc/promotion.md") == b"all is well"
    assert registry.attachments(version, "promotion/abc") == ["promotion.json", "promotion.md"]
    assert list(registry.attachments(version, "nothing")) == []
    with pytest.raises(RegistryError, match="promotion/abc/other"):
        registry.attachment(version, "promotion/abc/other")


def test_a_whole_registry_has_no_troubles(registry: Registry, make_bundle: MakeBundle, tmp_path: Path) -> None:
    registry.push(make_bundle("one"), by="me")
    promote(registry, 1)
    assert registry.verify(tmp_path / "scratch") == []


def _address(registry: Registry) -> str:
    return registry.address


@pytest.mark.parametrize(("author", "reason"), [("", ""), ("  ", "x"), ("w" * 201, ""), ("me", "y" * 501)])
def test_a_change_by_nobody_or_with_a_novel_is_refused(author: str, reason: str) -> None:
    with pytest.raises(RegistryError, match="Expected an author of 1 to 200 characters"):
        Author(author, reason)


def test_a_rollback_to_a_bundle_that_cannot_be_read_leaves_the_alias(
    registry: Registry, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, word in ((1, "one"), (2, "two")):
        registry.push(make_bundle(word), by="me")
        promote(registry, number)

    def refuse(folder: Path) -> None:
        raise BundleError(f"{folder}: expected schema version 2, got 1.")

    monkeypatch.setattr("petmood.registry.registry.verify", refuse)
    before = registry.state()
    with pytest.raises(BundleError, match="expected schema version 2, got 1"):
        registry.roll_back(ME)
    assert registry.state() == before
    assert before.aliases["champion"] == 2

"""Registry commands: output, suggested next commands and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.cli.registry_tables import versions_text
from petmood.registry.base import AliasState, Author, Version
from petmood.registry.uri import open_registry
from tests.support.bundles import word_bundle
from tests.support.signing import key_pair

Petmood = Callable[..., Any]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a registry of this test's own."""
    monkeypatch.setenv("PETMOOD_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GITHUB_ACTOR", "octo")
    return tmp_path / "registry"


@pytest.fixture
def three(place: Path, petmood: Petmood, tmp_path: Path) -> Path:
    """Register three bundles, the first two of which were champions by decree."""
    for word in ("one", "two", "three"):
        assert petmood("registry", "push", word_bundle(tmp_path / "bundles", word)).code == 0
    registry = open_registry(str(place))
    for number, why in ((1, "the first"), (2, "=cmd|calc")):
        registry.promote(registry.find(str(number)), alias="champion", by=Author("ann", why), seen=registry.state())
    return place


@pytest.mark.usefixtures("place")
def test_a_push_gives_the_number_and_what_to_type_next(petmood: Petmood, tmp_path: Path) -> None:
    folder = word_bundle(tmp_path / "bundles", "one")
    done = petmood("registry", "push", folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Version 1 of petmood: pets of-one, manifest ")
    assert done.out.endswith("Next: petmood registry promote 1 --to champion\n")
    assert petmood("registry", "push", folder).out == done.out
    assert petmood("registry", "push", folder, "--model", "cats").out.startswith("Version 1 of cats: ")
    assert petmood("registry", "push", folder, "--registry", tmp_path / "other").out.startswith("Version 1 of petmood")


@pytest.mark.usefixtures("three")
def test_lists_are_for_people_and_for_programs(petmood: Petmood) -> None:
    lines = petmood("registry", "list").out.splitlines()
    assert lines[0].split() == ["version", "aliases", "accuracy", "data", "manifest", "registered"]
    assert [line.split()[:2] for line in lines[1:3]] == [["1", "previous"], ["2", "champion"]]
    assert " 90.0% [80.0%, 95.0%], test photos  " in lines[1]
    rows = json.loads(petmood("registry", "list", "--json").out)
    assert [(row["number"], row["aliases"], row["by"]) for row in rows] == [
        (1, ["previous"], "octo"),
        (2, ["champion"], "octo"),
        (3, [], "octo"),
    ]
    shown = json.loads(petmood("registry", "show", "champion").out)
    assert (shown["number"], shown["aliases"]) == (2, ["champion"])


@pytest.mark.usefixtures("place")
def test_an_accuracy_on_validation_photos_is_called_so_in_the_list(petmood: Petmood, tmp_path: Path) -> None:
    folders = [word_bundle(tmp_path / split, "one", split=split) for split in ("valid", "nothing", "crossval")]
    assert [petmood("registry", "push", folder).code for folder in folders] == [0, 0, 0]
    header, first, second, third = petmood("registry", "list").out.splitlines()
    assert " 90.0% [80.0%, 95.0%], validation photos  " in first
    assert " not evaluated  " in second
    assert " 90.0% [80.0%, 95.0%], photos in cross-validation  " in third
    assert header.index("data") == first.index("d" * 12)
    rows = json.loads(petmood("registry", "list", "--json").out)
    assert [row["accuracy"] and row["accuracy"]["split"] for row in rows] == ["valid", None, "crossval"]


def test_a_version_of_an_earlier_petmood_has_no_split() -> None:
    fields: dict[str, Any] = {
        "number": 1,
        "model": "pets",
        "sha256": "a" * 64,
        "bundle": "b",
        "bundle_version": "1",
        "by": "ann",
    }
    old = Version(
        **fields, backbone="t", data_hash="d" * 64, code_version="1", registered="2026", accuracy={"value": 0.5}
    )
    assert " 50.0%   " in versions_text([old], AliasState(last=0, aliases={}))


@pytest.mark.usefixtures("three")
def test_the_history_is_reported(petmood: Petmood) -> None:
    done = petmood("registry", "rollback", "--reason", "it was wrong about rabbits", "--author", "bea")
    assert done.out == "Version 1 of petmood is champion again, instead of 2.\n"
    lines = petmood("registry", "history").out.splitlines()
    assert lines[0].endswith("ann promoted champion to 1: the first")
    assert lines[2].endswith("bea rolled back champion from 2 to 1: it was wrong about rabbits")
    assert [one["to"] for one in json.loads(petmood("registry", "history", "--json").out)] == [1, 2, 1]


def test_an_empty_registry_says_how_to_begin(petmood: Petmood, place: Path) -> None:
    place.mkdir()
    assert "petmood registry push bundles/first" in petmood("registry", "list").out
    assert petmood("registry", "history").out == "No promotions yet.\n"
    done = petmood("registry", "rollback")
    assert (done.code, done.err.count("\n")) == (2, 1)
    done = petmood("registry", "pull", "champion", "--output", place / "x")
    assert (done.code, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "verb", [["verify"], ["list"], ["history"], ["rollback"], ["show", "1"], ["lineage", "1"]], ids=lambda verb: verb[0]
)
def test_a_folder_that_does_not_exist_is_no_registry(petmood: Petmood, tmp_path: Path, verb: list[str]) -> None:
    folder = tmp_path / "regstry"
    done = petmood("registry", *verb, "--registry", folder)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"petmood: No registry at {folder}. Check --registry, or create it with: "
        f"petmood registry push BUNDLE --registry {folder}\n"
    )
    assert not folder.exists()


def test_a_folder_of_the_environment_that_does_not_exist_is_no_registry(petmood: Petmood, place: Path) -> None:
    done = petmood("registry", "verify")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"petmood: No registry at {place}. Check $PETMOOD_REGISTRY, or create it with: petmood registry push BUNDLE\n"
    )


@pytest.mark.usefixtures("three")
def test_a_pull_puts_the_bundle_there(petmood: Petmood, tmp_path: Path) -> None:
    done = petmood("registry", "pull", "champion", "--output", tmp_path / "pulled")
    assert done.out == f"{tmp_path}/pulled holds version 2 of petmood. Next: petmood serve {tmp_path}/pulled\n"
    assert (tmp_path / "pulled/model.onnx").read_bytes() == b"model.onnx of two"
    assert petmood("registry", "pull", "1", "--output", tmp_path / "pulled").code == 2
    assert petmood("registry", "pull", "1", "--output", tmp_path / "pulled", "--replace").code == 0


@pytest.mark.usefixtures("place")
def test_a_pull_and_verify_demand_a_signature_where_a_key_is_given(petmood: Petmood, tmp_path: Path) -> None:
    folder, keys = word_bundle(tmp_path / "bundles", "one"), key_pair(tmp_path / "keys")
    assert petmood("registry", "push", folder).code == 0
    pull = ["registry", "pull", "1", "--output", tmp_path / "pulled", "--public-key", keys.public]
    done = petmood(*pull)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "Version 1 of petmood has no signature" in done.err
    assert petmood("registry", "verify", "--public-key", keys.public).code == 1
    assert petmood("bundle", "sign", folder, "--key", keys.private).code == 0
    assert petmood("registry", "push", folder, "--public-key", keys.public).code == 0
    assert petmood(*pull).code == 0
    assert (tmp_path / "pulled.sig").read_bytes() == (tmp_path / "bundles/one.sig").read_bytes()
    assert petmood("registry", "verify", "--public-key", keys.public).out == "versions: 1, issues: 0\n"


def test_verify_ends_with_1_where_something_is_wrong(petmood: Petmood, three: Path) -> None:
    assert petmood("registry", "verify").out == "versions: 3, issues: 0\n"
    next(three.rglob("card.md")).unlink()
    done = petmood("registry", "verify")
    assert done.code == 1
    assert "card.md of version" in done.out
    assert done.out.endswith("versions: 3, issues: 1\n")


@pytest.mark.usefixtures("place")
def test_a_trace_leads_to_the_photos(petmood: Petmood, small_bundle: Path, small_set: Path) -> None:
    petmood("registry", "push", small_bundle)
    photo = small_set / "photos/test-000.png"
    answer = json.loads(petmood("predict", small_bundle, photo, "--json").out)
    done = petmood("registry", "lineage", answer["model"]["sha256"])
    assert done.out.startswith("version  1 of petmood\n")
    assert "photos   16 test, 32 train, 16 valid; each with its hash: --photos" in done.out
    rows = petmood("registry", "lineage", answer["model"]["sha256"], "--photos").out.splitlines()
    assert rows[0] == "sha256,split,role,label,path"
    assert len(rows) == 1 + 64


@pytest.mark.usefixtures("place")
def test_a_promotion_after_passed_checks(petmood: Petmood, small_bundle: Path, tmp_path: Path) -> None:
    petmood("registry", "push", small_bundle)
    refused = petmood("registry", "promote", "1", "--to", "champion")
    assert refused.code == 3
    assert refused.err.startswith("petmood: Version 1 of petmood may not become champion:\n  held_out: ")
    limits = ["--limit", "min_photos=8", "--limit", "min_groups=8"]
    report = tmp_path / "report"
    done = petmood("registry", "promote", "1", "--to", "champion", *limits, "--report", report, "--reason", "the first")
    assert done.code == 0, done.err
    lines = ["Version 1 of petmood is champion now.", "This test set has decided 0 promotions before."]
    assert done.out.splitlines() == lines, "there is nothing before it to roll back to"
    assert sorted(path.name for path in report.iterdir()) == ["promotion.html", "promotion.json", "promotion.md"]
    assert petmood("registry", "promote", "1", "--to", "champion", "--limit", "x=1").code == 2
    assert "the first" in petmood("registry", "lineage", "1").out

"""Tests of where files generated from a dataset go: beside its photos, or elsewhere if it is read-only."""

import hashlib
import os
from pathlib import Path

import pytest

from petmood.data.generated import find_generated, generated_path
from tests.support.read_only import deny_writes


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the user's cache, an own one for the test."""
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "user"))
    return tmp_path / "user/datasets"


def test_a_writable_dataset_keeps_its_own_files(tmp_path: Path, elsewhere: Path) -> None:
    data = tmp_path / "pets"
    data.mkdir()
    assert generated_path(data, ".cache/x") == data / ".cache/x"
    assert find_generated(data, ".cache/x") is None
    (data / ".cache").mkdir()
    (data / ".cache/x").touch()
    assert find_generated(data, ".cache/x") == data / ".cache/x"
    assert not elsewhere.exists()


def test_the_files_of_a_read_only_dataset_are_in_the_users_cache(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for name in ("one", "two"):
        data = tmp_path / name / "pets"
        data.mkdir(parents=True)
        (data / "check.html").write_text("old")
        deny_writes(monkeypatch, data)
        paths.append(generated_path(data, "check.html"))
        assert find_generated(data, "check.html") == data / "check.html"
    assert all(path.is_relative_to(elsewhere) and path.name == "check.html" for path in paths)
    assert paths[0] != paths[1], "two datasets of one name"
    paths[0].parent.mkdir(parents=True)
    paths[0].write_text("new")
    assert find_generated(tmp_path / "one/pets", "check.html") == paths[0]


def test_a_cache_that_another_user_made_is_not_written(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pets/.cache").mkdir(parents=True)
    deny_writes(monkeypatch, tmp_path / "pets/.cache")
    assert generated_path(tmp_path / "pets", ".cache/x").is_relative_to(elsewhere)
    assert generated_path(tmp_path / "pets", "check.html") == tmp_path / "pets/check.html"


def test_the_place_of_a_read_only_dataset_is_its_name_and_a_hash_of_its_real_path(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pets").mkdir()
    (tmp_path / "link").symlink_to("pets")
    for folder in ("pets", "link"):
        deny_writes(monkeypatch, tmp_path / folder)
    digest = hashlib.sha256(os.fsencode(tmp_path / "pets")).hexdigest()[:12]
    assert generated_path(tmp_path / "link", ".cache/x") == elsewhere / f"pets-{digest}" / ".cache/x"


def test_a_folder_must_be_writable_and_enterable(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def access(path: Path, mode: int) -> bool:
        asked.append((path, mode))
        return True

    (tmp_path / "pets").mkdir()
    monkeypatch.setattr(os, "access", access)
    assert generated_path(tmp_path / "pets", "a/b") == tmp_path / "pets/a/b"
    assert generated_path(tmp_path / "none", "a/b") == tmp_path / "none/a/b"
    assert asked == [(tmp_path / "pets", os.W_OK | os.X_OK)]
    assert not elsewhere.exists()

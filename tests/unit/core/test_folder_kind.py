"""Tests of the kinds of folders: bundle, run, dataset or something else."""

from pathlib import Path

import pytest

from petmood.core.folder_kind import FolderKind, folder_kind
from tests.support.bundles import word_bundle


@pytest.mark.parametrize(("name", "kind"), [("run.json", FolderKind.RUN), ("index.csv", FolderKind.DATASET)])
def test_a_run_and_a_dataset_are_told_by_one_file(tmp_path: Path, name: str, kind: FolderKind) -> None:
    (tmp_path / name).touch()
    assert folder_kind(tmp_path) is kind


def test_of_two_kinds_the_run_is_told(tmp_path: Path) -> None:
    for name in ("run.json", "index.csv"):
        (tmp_path / name).touch()
    assert folder_kind(tmp_path) is FolderKind.RUN


def test_a_bundle_is_told_by_its_manifest(tmp_path: Path) -> None:
    assert folder_kind(word_bundle(tmp_path, "one")) is FolderKind.BUNDLE


@pytest.mark.parametrize("name", [".", "nowhere", "file"])
def test_anything_else_has_no_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert folder_kind(tmp_path / name) is None

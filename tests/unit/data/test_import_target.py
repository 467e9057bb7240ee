"""Tests of the folder that an import replaces; `test_importer` has those of whole imports."""

from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.core.progress import no_progress
from petmood.data.import_target import foreign_files, read_old_dataset, refuse_unrelated, replacement_notices
from petmood.data.sources.folder import FolderSource
from tests.support.trees import bring_in, put, tree


def test_a_folder_without_a_dataset_has_nothing_to_lose(tmp_path: Path) -> None:
    assert foreign_files(tmp_path / "none", shown=tmp_path / "none") == []
    assert read_old_dataset(tmp_path) is None
    assert replacement_notices(None, []) == []
    refuse_unrelated([], None, to=tmp_path)


def test_the_files_of_a_person_are_told_from_those_of_an_import(tmp_path: Path) -> None:
    bring_in(tree(tmp_path / "in"), to=tmp_path / "pets")
    put(tmp_path, "pets/photos/happy/notes.txt", b"mine")
    put(tmp_path, "pets/check.html", b"made again")
    assert foreign_files(tmp_path / "pets", shown=tmp_path / "pets") == ["photos/happy/notes.txt"]


def test_a_source_without_a_readable_photo_is_left_to_the_scan(tmp_path: Path) -> None:
    old = bring_in(tree(tmp_path / "in"), to=tmp_path / "pets").index
    entries = list(FolderSource(tree(tmp_path / "other", first_seed=50)).scan(no_progress))
    refuse_unrelated([], old, to=tmp_path / "pets")
    with pytest.raises(DataError, match="the source has none of them"):
        refuse_unrelated(entries, old, to=tmp_path / "pets")
    entries[0].path.unlink()
    with pytest.raises(DataError, match="the source has none of them"):
        refuse_unrelated(entries, old, to=tmp_path / "pets")

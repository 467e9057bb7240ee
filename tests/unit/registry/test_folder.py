"""Tests of the object store in a folder."""

from pathlib import Path

from petmood.registry.folder import FolderStore
from tests.unit.registry.stores import gives_a_name_once, knows_its_names, refuses_large_objects


def test_a_name_is_given_once(tmp_path: Path) -> None:
    gives_a_name_once(FolderStore(tmp_path / "new"))
    assert (tmp_path / "new/a/b.json").read_bytes() == b"third"


def test_objects_are_read_up_to_a_limit(tmp_path: Path) -> None:
    refuses_large_objects(FolderStore(tmp_path))


def test_names_are_sorted_and_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/.e.partial").write_bytes(b"")
    knows_its_names(FolderStore(tmp_path))

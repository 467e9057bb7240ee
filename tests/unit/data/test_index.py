"""Tests of writing, reading and validating the dataset index."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from petmood.core.errors import DataError
from petmood.data.index import INDEX_NAME, IndexRow, Role, Split, data_hash, read_index, write_index
from tests.support.bundles import word_bundle

ROW = IndexRow(
    "photos/b.jpg", "b" * 64, "happy", Split.TRAIN, "f1", Role.ORIGINAL, 224, 200, "JPEG", "cat", "a note, with comma"
)
OTHER = IndexRow("photos/ä\n.jpg", "a" * 64, "sad", Split.TEST, "f2", Role.NEAR_DUPLICATE, 10, 20, "PNG")


def test_rows_come_back_sorted_by_path_and_equal(tmp_path: Path) -> None:
    written = write_index(tmp_path, [OTHER, ROW])
    index = read_index(tmp_path)
    assert index == written
    assert [row.path for row in index] == ["photos/b.jpg", "photos/ä\n.jpg"]
    assert len(index) == 2
    assert (index.rows[1].split, index.rows[1].role) == (Split.TEST, Role.NEAR_DUPLICATE)
    assert all(isinstance(row.split, Split) and isinstance(row.role, Role) for row in index)


def test_two_writes_give_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    write_index(tmp_path / "one", [OTHER, ROW])
    write_index(tmp_path / "two", [ROW, OTHER])
    assert (tmp_path / "one" / INDEX_NAME).read_bytes() == (tmp_path / "two" / INDEX_NAME).read_bytes()


def test_the_data_hash_changes_with_any_cell_and_not_with_the_order() -> None:
    assert data_hash([ROW, OTHER]) == data_hash([OTHER, ROW])
    assert (
        len({data_hash([ROW]), data_hash([replace(ROW, note="")]), data_hash([replace(ROW, split=Split.VALID)])}) == 3
    )


def test_the_index_carries_its_own_hash(tmp_path: Path) -> None:
    assert write_index(tmp_path, [ROW]).hash == data_hash([ROW])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (replace(ROW, label="Happy"), "expected a class name in lower case, got 'Happy'"),
        (replace(ROW, split=cast("Split", "dev")), "unknown split 'dev'. Known: train, valid, test"),
        (replace(ROW, role=cast("Role", "twin")), "unknown role 'twin'. Known: original, near_duplicate, excluded"),
        (replace(ROW, path="../x.jpg"), "inside the dataset's folder"),
        (replace(ROW, path="/x.jpg"), "inside the dataset's folder"),
        (replace(ROW, sha256="abc"), "64 hex digits"),
    ],
)
def test_a_wrong_row_is_refused_before_anything_is_written(tmp_path: Path, wrong: IndexRow, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        write_index(tmp_path, [wrong])
    assert not (tmp_path / INDEX_NAME).exists()


def test_a_photo_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="duplicate photo"):
        write_index(tmp_path, [ROW, ROW])


def test_a_missing_index_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="petmood data import folder"):
        read_index(tmp_path)


def test_a_run_in_place_of_a_dataset_is_named_and_no_import_into_it_is_advised(tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    with pytest.raises(DataError) as refusal:
        read_index(tmp_path)
    assert str(refusal.value) == (
        f"Expected a dataset with an index.csv in '{tmp_path}', got a run. Give the dataset's folder."
    )


def test_a_bundle_in_place_of_a_dataset_is_named_and_no_import_into_it_is_advised(tmp_path: Path) -> None:
    bundle = word_bundle(tmp_path, "one")
    with pytest.raises(DataError, match=r"got a bundle\. Give the dataset's folder\.$"):
        read_index(bundle)


def test_a_file_in_place_of_a_dataset_is_named(tmp_path: Path) -> None:
    write_index(tmp_path, [ROW])
    with pytest.raises(DataError, match=r"got the file '.*/index\.csv'\. Give the dataset's folder\.$"):
        read_index(tmp_path / "index.csv")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "got an empty file"),
        (b"photo,label\n", "expected the header path,sha256"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_a_file_that_is_no_index_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / INDEX_NAME).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (",224,", ",wide,", "line 2: expected width and height in pixels, got 'wide'"),
        (",224,", ",", "line 2: expected 11 cells, got 10"),
        (",happy,", ",g/ad,", "line 2: expected a class name in lower case, got 'g/ad'"),
    ],
)
def test_a_damaged_line_is_named_by_its_number(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    write_index(tmp_path, [ROW])
    path = tmp_path / INDEX_NAME
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=sentence):
        read_index(tmp_path)

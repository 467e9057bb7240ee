"""Tests of writing, reading and validating the dataset index."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from petmood.core.commands import shell_command
from petmood.core.errors import DataError
from petmood.data.index import (
    INDEX_NAME,
    DataIndex,
    IndexRow,
    Role,
    Split,
    data_hash,
    index_text,
    is_format_1,
    labels_in,
    parse_index,
    read_index,
    write_index,
)
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


HEADER = "path,sha256,label,split,group_id,role,width,height,format,species,note"
TEXT = (
    f"{HEADER}\n"
    f'photos/b.jpg,{"b" * 64},happy,train,f1,original,224,200,JPEG,cat,"a note, with comma"\n'
    f'"photos/\u00e4\n.jpg",{"a" * 64},sad,test,f2,near_duplicate,10,20,PNG,,"a\r\nb"\n'
)
ROWS = [replace(OTHER, note="a\r\nb"), ROW]


def test_the_text_of_an_index_is_known_to_the_letter_and_read_back_as_it_is(tmp_path: Path) -> None:
    assert index_text(ROWS) == TEXT
    assert data_hash(ROWS) == hashlib.sha256(TEXT.encode()).hexdigest()
    write_index(tmp_path, ROWS)
    assert (tmp_path / INDEX_NAME).read_bytes() == TEXT.encode()
    lines = TEXT.split("\n", 2)
    swapped = "\n".join([lines[0], lines[2] + lines[1], ""])
    assert parse_index(swapped.encode(), name="x") == DataIndex(tuple(ROWS[::-1]))


def test_labels_are_those_of_all_indexes_and_classes_those_of_photos_in_use() -> None:
    index = DataIndex((ROW, replace(OTHER, role=Role.EXCLUDED)))
    assert index.classes == ("happy",)
    assert labels_in(index, None, DataIndex((replace(ROW, label="angry"),))) == ("angry", "happy", "sad")
    assert list(index) == [*index.rows]


def text(call: Callable[[], object]) -> str:
    """Return the message of a refusal."""
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"label": "Happy"}, "expected a class name in lower case, got 'Happy'"),
        ({"split": "dev"}, "unknown split 'dev'. Known: train, valid, test"),
        ({"role": "twin"}, "unknown role 'twin'. Known: original, near_duplicate, excluded"),
        ({"path": "a/../x.jpg"}, "expected a path inside the dataset's folder, got 'a/../x.jpg'"),
        ({"path": "/x.jpg"}, "expected a path inside the dataset's folder, got '/x.jpg'"),
        ({"path": ""}, "expected a path inside the dataset's folder, got ''"),
        ({"sha256": "b" * 63}, f"expected a SHA-256 of 64 hex digits, got '{'b' * 63}'"),
        ({"sha256": "b" * 65}, f"expected a SHA-256 of 64 hex digits, got '{'b' * 65}'"),
    ],
)
def test_a_wrong_row_is_named_when_it_is_written_and_its_line_when_it_is_read(
    tmp_path: Path, wrong: dict[str, str], sentence: str
) -> None:
    row = replace(ROW, **cast("dict[str, Any]", wrong))
    assert text(lambda: write_index(tmp_path, [row])) == f"row '{row.path}': {sentence}"
    written = index_text([row]).encode()
    assert text(lambda: parse_index(written, name="x")) == f"index.csv line 2: {sentence}"


def test_a_photo_that_comes_twice_is_named(tmp_path: Path) -> None:
    assert text(lambda: write_index(tmp_path, [ROW, ROW])) == "row 'photos/b.jpg': duplicate photo 'photos/b.jpg'"
    written = index_text([ROW, ROW]).encode()
    assert text(lambda: parse_index(written, name="x")) == "index.csv line 3: duplicate photo 'photos/b.jpg'"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", f"'x' isn't an index: expected the header {HEADER}; got an empty file"),
        (b"photo,label\n", f"'x' isn't an index: expected the header {HEADER}; got photo,label"),
        (b"\xff\xfe", "'x' isn't an index: expected UTF-8 CSV. Import the photos again."),
        (b"x" * 200_000, "'x' isn't an index: expected UTF-8 CSV. Import the photos again."),
        (TEXT.replace(",224,", ",wide,").encode(), "expected width and height in pixels, got 'wide' and '200'"),
        (TEXT.replace(",200,", ",-1,").encode(), "expected width and height in pixels, got '224' and '-1'"),
        (TEXT.replace(",224,", ",").encode(), "expected 11 cells, got 10"),
        (TEXT.replace(",224,", ",,224,").encode(), "expected 11 cells, got 12"),
    ],
)
def test_bytes_that_are_no_index_are_one_line(data: bytes, sentence: str) -> None:
    where = "" if sentence.startswith("'x'") else "index.csv line 2: "
    assert text(lambda: parse_index(data, name="x")) == where + sentence


def test_an_index_of_format_1_is_known_by_its_header() -> None:
    old = HEADER.replace("label", "mood").replace("group_id", "family")
    assert is_format_1(old.split(","))
    assert not is_format_1(HEADER.split(","))
    assert not is_format_1(old.split(",")[:-1])
    command = shell_command("data", "upgrade", "FOLDER", "--output", "FOLDER-v2")
    assert text(lambda: parse_index(f"{old}\n".encode(), name="pets/index.csv")) == (
        f"'pets/index.csv' has format 1, expected format 2. Convert its dataset with: {command}"
    )


def test_a_missing_index_and_a_damaged_one_are_one_line_with_the_next_step(tmp_path: Path) -> None:
    command = shell_command("data", "import", "folder", "PHOTOS", "--output", tmp_path)
    assert text(lambda: read_index(tmp_path)) == (
        f"Expected a dataset with an index.csv in '{tmp_path}', got none. Make one with: {command}"
    )
    path = tmp_path / "index.csv"
    path.write_bytes(b"\xff")
    assert text(lambda: read_index(path)) == (
        f"Expected a dataset with an index.csv, got the file '{path}'. Give the dataset's folder."
    )
    assert text(lambda: read_index(tmp_path)) == (
        f"'{path}' isn't an index: expected UTF-8 CSV. Import the photos again."
    )

"""Tests of the CSV source: dialects of spreadsheets, and the list of all problems."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from petmood.core.errors import DataError
from petmood.core.progress import no_progress
from petmood.data.index import Split
from petmood.data.sources.base import SourcePhoto
from petmood.data.sources.csv_file import CsvSource

Form = Literal["NFC", "NFD"]


def table(folder: Path, text: str, *, photos: tuple[str, ...] = ("a.jpg", "b.jpg"), encoding: str = "utf-8") -> Path:
    for name in photos:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"never decoded here")
    path = folder / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def scan(path: Path) -> list[SourcePhoto]:
    source = CsvSource(path)
    found = source.scan(no_progress)
    source.close()
    return found


def codes(path: Path) -> list[tuple[str, str]]:
    return [(entry.name, entry.code) for entry in scan(path)]


def test_photos_get_label_split_and_species(tmp_path: Path) -> None:
    found = scan(table(tmp_path, "photo,label,split,species\nb.jpg,HAPPY,Val,Guinea Pig\na.jpg, sad ,,\n"))
    assert found == [
        SourcePhoto(tmp_path / "a.jpg", "a.jpg", "sad"),
        SourcePhoto(tmp_path / "b.jpg", "b.jpg", "happy", Split.VALID, "guinea pig"),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_byte_order_mark_line_ends_and_separators_do_not_matter(
    tmp_path: Path, separator: str, end: str, mark: str
) -> None:
    lines = [["Photo", "Label"], ["a.jpg", "sad"], ["b.jpg", "angry"], []]
    text = mark + end.join(separator.join(cells) for cells in lines)
    assert [(e.name, e.label, e.problem) for e in scan(table(tmp_path, text))] == [
        ("a.jpg", "sad", ""),
        ("b.jpg", "angry", ""),
    ]


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_names_composed_otherwise_are_found(tmp_path: Path, on_disk: Form, in_table: Form) -> None:
    name = "photos/Müsli é.jpg"
    disk, listed = unicodedata.normalize(on_disk, name), unicodedata.normalize(in_table, name)
    (entry,) = scan(table(tmp_path, f"photo,label\n{listed},sad\n", photos=(disk,)))
    assert entry.problem == ""
    assert entry.path == tmp_path / disk


def test_all_that_is_wrong_is_reported_at_once(tmp_path: Path) -> None:
    text = (
        "photo,label,split\n"
        "a.jpg,sad,train\n"
        "gone.jpg,sad,train\n"
        "a.jpg,sad,train\n"
        "b.jpg,sad,train\nb.jpg,happy,train\n"
        "c.jpg,,train\n"
        "d.jpg,sad,holdout\n"
        "e.jpg,sad\n"
        "f.jpg,sad,train\nf.jpg,sad,test\n"
        "../outside.jpg,sad,train\n/etc/passwd,sad,train\n,sad,train\n"
    )
    path = table(tmp_path, text, photos=("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"))
    (tmp_path.parent / "outside.jpg").write_bytes(b"x")
    assert sorted(codes(path)) == [
        ("(no name)", "missing_file"),
        ("../outside.jpg", "missing_file"),
        ("/etc/passwd", "missing_file"),
        ("a.jpg", ""),
        ("a.jpg", "duplicate_line"),
        ("b.jpg", "two_labels"),
        ("b.jpg", "two_labels"),
        ("c.jpg", "no_class"),
        ("d.jpg", "unknown_split"),
        ("e.jpg", "bad_line"),
        ("f.jpg", "two_splits"),
        ("f.jpg", "two_splits"),
        ("gone.jpg", "missing_file"),
    ]
    problems = {entry.code: entry.problem for entry in scan(path)}
    assert problems["no_class"] == "line 7: expected a class name in the column label, got an empty cell"
    assert problems["two_labels"] == "one photo with two labels: happy, sad"
    assert problems["bad_line"] == "line 9: expected 3 cells, got 2"


def test_windows_separators_in_names_are_understood(tmp_path: Path) -> None:
    assert codes(table(tmp_path, "photo,label\nsub\\a.jpg,sad\n", photos=("sub/a.jpg",))) == [("sub/a.jpg", "")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label\na.jpg,sad\n", "expected|got: file, label"),
        ("photo,label,splt\na.jpg,sad,x\n", "got: photo, label, splt"),
        ("photo,label,class\na.jpg,sad,sad\n", "each once"),
        ("", "got an empty file"),
        ("photo,label\n", "Expected lines below the header"),
        ('photo,label\n"a.jpg,sad\n', "isn't a CSV table"),
    ],
)
def test_a_wrong_table_is_refused_with_what_was_expected(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        scan(table(tmp_path, text))


def test_another_encoding_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="CSV UTF-8"):
        scan(table(tmp_path, "photo,label\nMüsli.jpg,sad\n", encoding="latin-1"))

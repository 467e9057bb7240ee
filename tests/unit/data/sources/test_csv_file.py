"""Tests of the CSV source: dialects of spreadsheets, and the list of all problems."""

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from petmood.core.errors import DataError
from petmood.core.progress import no_progress
from petmood.data.index import Split
from petmood.data.sources import open_source
from petmood.data.sources.base import SourcePhoto, TableOptions
from petmood.data.sources.csv_file import CsvSource
from petmood.data.sources.folder import FolderSource
from tests.support.progress import RecordedProgress

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
    assert problems["two_labels"] == "lines 5, 6: one photo with two labels: happy, sad"
    assert problems["bad_line"] == "line 9: expected 3 cells, got 2"


def test_windows_separators_in_names_are_understood(tmp_path: Path) -> None:
    assert codes(table(tmp_path, "photo,label\nsub\\a.jpg,sad\n", photos=("sub/a.jpg",))) == [("sub/a.jpg", "")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("breed,label\na.jpg,sad\n", "photo not found among: breed, label.*--photo-column"),
        ("photo,score\na.jpg,1\n", "label not found among: photo, score.*--label-column"),
        ("photo,label,splt\na.jpg,sad,x\n", "'splt' in line 1 of 'labels.csv' looks like 'split'.*--split-column"),
        ("photo,label,class\na.jpg,sad,sad\n", "one column for the label .* got 2: label, class.*--label-column"),
        ("photo,photo,label\na.jpg,b.jpg,sad\n", "one column for the photo .* got 2: photo, photo"),
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


def problems(path: Path) -> dict[str, str]:
    return {entry.name: entry.problem for entry in scan(path)}


def test_cells_with_line_separators_are_one_row(tmp_path: Path) -> None:
    name = "a\u2028b.jpg"
    assert codes(table(tmp_path, f"photo,label\n{name},sad\nb.jpg,happy\n", photos=(name, "b.jpg"))) == [
        (name, ""),
        ("b.jpg", ""),
    ]


def test_absolute_paths_and_detours_below_the_folder_are_photos_and_others_have_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    (tmp_path / "link").symlink_to(folder)
    names = ("a.jpg", "in/b.jpg", "in/c.jpg", "in/d.jpg", "back\\slash.jpg")
    cells = [
        folder / "a.jpg",
        "in/../in/./b.jpg",
        tmp_path / "link/in/c.jpg",
        ".\\in\\d.jpg",
        "back\\slash.jpg",
        "in/../../outside.jpg",
        "/etc/passwd",
        "C:\\pets\\a.jpg",
        "https://example.org/a.jpg",
        "file:///a.jpg",
        "s3://pets/a.jpg",
        "in",
    ]
    path = table(folder, "photo;label\n" + "".join(f"{cell};sad\n" for cell in cells), photos=names)
    found = problems(path)
    assert {name for name, problem in found.items() if not problem} == set(names)
    outside = "expected a path below the table's folder, got one outside of it; give a path relative to the table"
    assert found["in/../../outside.jpg"] == f"line 7: {outside}"
    assert found["/etc/passwd"] == f"line 8: {outside}"
    assert found["C:\\pets\\a.jpg"] == f"line 9: {outside}"
    url = "expected a path below the table's folder, got a URL; download it"
    assert found["https://example.org/a.jpg"] == f"line 10: {url}"
    assert found["file:///a.jpg"] == f"line 11: {url}"
    assert found["s3://pets/a.jpg"] == f"line 12: {url}"
    assert found["in"] == "line 13: expected a file of this name, got a folder, pipe or device"


def test_absolute_paths_are_found_from_a_relative_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(tmp_path / "pets", f"photo,label\n{tmp_path}/pets/a.jpg,sad\n")
    monkeypatch.chdir(tmp_path)
    assert codes(Path("pets/labels.csv")) == [("a.jpg", "")]
    monkeypatch.chdir(tmp_path / "pets")
    assert codes(Path("labels.csv")) == [("a.jpg", "")]


@pytest.mark.posix
def test_names_that_are_no_file_are_problems_and_nothing_waits_or_ends_in_a_traceback(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        f"photo,label\npipe.jpg,sad\nself.jpg,sad\n{'x' * 300}.jpg,sad\nn\0.jpg,sad\na.jpg,sad\n/n\0.jpg,sad\n",
    )
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    found = problems(path)
    assert found.pop("a.jpg") == ""
    assert found == {
        "pipe.jpg": "line 2: expected a file of this name, got a folder, pipe or device",
        "self.jpg": "line 3: expected a readable file of this name: Too many levels of symbolic links",
        f"{'x' * 300}.jpg": "line 4: expected a readable file of this name: File name too long",
        "n\\x00.jpg": "line 5: expected a UTF-8 file name without control characters; rename the file",
        "/n\\x00.jpg": "line 7: expected a UTF-8 file name without control characters; rename the file",
    }


def test_a_name_is_safe_in_a_table_where_it_is_safe_in_a_folder(tmp_path: Path) -> None:
    names = ("happy/9.41\u202fAM.jpg", "happy/a\u00a0b.jpg", "happy/a\u202eb.jpg", "happy/bell\x07.jpg", "sad/1.jpg")
    path = table(tmp_path, "photo,label\n" + "".join(f"{name},happy\n" for name in names), photos=names)
    listed = {entry.name: entry.code for entry in scan(path)}
    found = {entry.name: entry.code for entry in FolderSource(tmp_path).scan(no_progress)}
    del found["labels.csv"]
    assert listed == found
    assert {name: code for name, code in listed.items() if code} == {"happy/bell\\x07.jpg": "bad_name"}


def test_columns_of_other_names_are_taken_by_options(tmp_path: Path) -> None:
    path = table(tmp_path, "Bild|Gefühl|Teil|x\na.jpg|sad|val|\nb.jpg|happy|test|\n")
    options = TableOptions(photo_column="bild", label_column="gefühl", split_column="teil")
    source = CsvSource(path, options)
    assert [(e.label, e.split) for e in source.scan(no_progress)] == [("sad", Split.VALID), ("happy", Split.TEST)]
    assert source.notices == (
        "Columns: label from 'Gefühl', photo from 'Bild', split from 'Teil'.",
        "Ignored 1 column: x.",
    )


@pytest.mark.posix
def test_a_table_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(DataError, match="Expected a CSV table, got a pipe or device"):
        open_source("csv", tmp_path / "labels.csv")


def test_every_row_is_an_entry_with_its_file_and_its_problem(tmp_path: Path) -> None:
    """An entry whose file can't be named has the table as its path."""
    text = (
        "photo,label,split,species\n"
        "a.jpg,Sad,train,Cat\n"
        "a.jpg,sad,train,\n"
        "a.jpg,sad,train,\n"
        "b.jpg,happy,hold\aout,\n"
        "b.jpg,happy,,dog\n"
        "c.jpg,sad,holdout,\nc.jpg,happy,,\nc.jpg,sad,,\n"
        "d.jpg,,train,\nd.jpg,sad,test,\nd.jpg,sad,valid,\n"
        "e.jpg\n"
        "gone.jpg,sad,test,cat\n"
        ",sad,,\n"
        "be\all.jpg,sad,,\n"
    )
    path = table(tmp_path, text, photos=("a.jpg", "b.jpg", "c.jpg", "d.jpg"))
    source, progress = CsvSource(path), RecordedProgress()

    def entry(
        name: str, label: str | None, split: Split | None, problem: str = "", code: str = "", *, species: str = ""
    ) -> SourcePhoto:
        file = path if name in {"(no name)", "be\\x07ll.jpg", "e.jpg", "gone.jpg"} else tmp_path / name
        return SourcePhoto(file, name, label, split, species, problem, code)

    twice = "listed twice; the first line is used"
    unknown = "known: train, valid, test"
    assert source.scan(progress) == [
        entry("(no name)", "sad", None, "line 15: expected the path of a photo, got an empty cell", "missing_file"),
        entry("a.jpg", "sad", Split.TRAIN, species="cat"),
        entry("a.jpg", "sad", Split.TRAIN, f"line 3: {twice}", "duplicate_line"),
        entry("a.jpg", "sad", Split.TRAIN, f"line 4: {twice}", "duplicate_line"),
        entry("b.jpg", "happy", None, f"line 5: unknown split 'hold\\x07out'; {unknown}", "unknown_split"),
        entry("b.jpg", "happy", None, species="dog"),
        entry(
            "be\\x07ll.jpg",
            "sad",
            None,
            "line 16: expected a UTF-8 file name without control characters; rename the file",
            "bad_name",
        ),
        entry("c.jpg", "sad", None, f"line 7: unknown split 'holdout'; {unknown}", "unknown_split"),
        entry("c.jpg", "happy", None, "lines 7, 8, 9: one photo with two labels: happy, sad", "two_labels"),
        entry("c.jpg", "sad", None, "lines 7, 8, 9: one photo with two labels: happy, sad", "two_labels"),
        entry(
            "d.jpg",
            None,
            Split.TRAIN,
            "line 10: expected a class name in the column label, got an empty cell",
            "no_class",
        ),
        entry(
            "d.jpg", "sad", Split.TEST, "lines 10, 11, 12: one photo in two splits: test, train, valid", "two_splits"
        ),
        entry(
            "d.jpg", "sad", Split.VALID, "lines 10, 11, 12: one photo in two splits: test, train, valid", "two_splits"
        ),
        entry("e.jpg", None, None, "line 13: expected 4 cells, got 1", "bad_line"),
        entry(
            "gone.jpg",
            "sad",
            Split.TEST,
            "line 14: expected a file of this name below the table's folder, found none",
            "missing_file",
            species="cat",
        ),
    ]
    assert progress.loops == [(15, "reading labels")]
    assert source.notices == ()


OUTSIDE = "expected a path below the table's folder, got one outside of it; give a path relative to the table"
LINK = "expected a path below the table's folder, got a URL; download it"
NOWHERE = "expected a file of this name below the table's folder, found none"


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        (".", OUTSIDE),
        ("..", OUTSIDE),
        ("../x.jpg", OUTSIDE),
        ("C:/", OUTSIDE),
        ("C:", NOWHERE),
        ("..x.jpg", NOWHERE),
        ("a.jpg/b.jpg", NOWHERE),
        ("HTTP:x", LINK),
        ("ssh://x", LINK),
        ("www.x", LINK),
        ("/\a", "expected a UTF-8 file name without control characters; rename the file"),
    ],
)
def test_a_cell_that_is_no_photo_below_the_table_has_its_reason(tmp_path: Path, cell: str, problem: str) -> None:
    (entry,) = scan(table(tmp_path, f"photo,label\n{cell},sad\n"))
    code = "bad_name" if "\a" in cell else "missing_file"
    name = cell.replace("\a", "\\x07")
    assert entry == SourcePhoto(tmp_path / "labels.csv", name, "sad", None, "", f"line 2: {problem}", code)


def test_a_table_in_the_folder_of_a_dataset_gives_photos_the_names_that_they_have_there(tmp_path: Path) -> None:
    """An import adds the folder `photos` again: names must not grow by one folder each time."""
    text = "photo,label\nphotos/sad/a.jpg,sad\nphotos/photos/b.jpg,happy\n"
    file = table(tmp_path, text, photos=("photos/sad/a.jpg", "photos/photos/b.jpg"))
    assert [entry.name for entry in scan(file)] == ["photos/photos/b.jpg", "photos/sad/a.jpg"]
    (tmp_path / "index.csv").write_text("")
    found = scan(file)
    assert [entry.name for entry in found] == ["photos/b.jpg", "sad/a.jpg"]
    assert [entry.path for entry in found] == [tmp_path / "photos/photos/b.jpg", tmp_path / "photos/sad/a.jpg"]


def test_a_table_with_other_photos_beside_those_of_a_dataset_keeps_all_names(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("")
    file = table(tmp_path, "photo,label\nphotos/a.jpg,sad\nnew/a.jpg,happy\n", photos=("photos/a.jpg", "new/a.jpg"))
    assert [entry.name for entry in scan(file)] == ["new/a.jpg", "photos/a.jpg"]

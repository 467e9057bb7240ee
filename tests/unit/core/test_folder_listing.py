"""Tests of the listing of folders: links, loops, entries that are no files, and what is passed over."""

import os
import socket
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from petmood.core import folder_listing
from petmood.core.errors import DataError
from petmood.core.folder_listing import FolderListing, ListedFile, list_folder


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def names_of(root: Path) -> list[str]:
    return [file.name for file in list_folder(root).files if not file.problem]


def problems_of(root: Path) -> dict[str, str]:
    return {file.name: file.code for file in list_folder(root).files if file.problem}


def test_files_and_folders_are_listed_by_name(tmp_path: Path) -> None:
    fill(tmp_path, "b/2.jpg", "a/deep/er/1.jpg", "0.txt")
    (tmp_path / "empty").mkdir()
    listing = list_folder(tmp_path)
    assert [(file.name, file.path) for file in listing.files] == [
        (name, tmp_path / name) for name in ("0.txt", "a/deep/er/1.jpg", "b/2.jpg")
    ]
    assert listing.folders == ("a", "a/deep", "a/deep/er", "b", "empty")
    assert (listing.passed_over, listing.links) == ({}, ())


def test_a_tree_deeper_than_python_recurses_is_listed(tmp_path: Path) -> None:
    deep = "/".join("d" * 200)
    fill(tmp_path, f"{deep}/x.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(150)
    try:
        assert names_of(tmp_path) == [f"{deep}/x.jpg"]
    finally:
        sys.setrecursionlimit(limit)


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", "1.jpg", "in/2.jpg")
    root = fill(tmp_path / "root", "happy/0.jpg")
    (root / "happy/more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "happy/one.jpg").symlink_to("../../elsewhere/1.jpg")
    assert names_of(root) == ["happy/0.jpg", "happy/more/1.jpg", "happy/more/in/2.jpg", "happy/one.jpg"]
    assert list_folder(root).links == ("happy/more",)
    (tmp_path / "link").symlink_to(root)
    assert names_of(tmp_path / "link") == names_of(root)


def test_links_back_end_and_every_file_is_listed_once(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", "happy/0.jpg", "sad/1.jpg")
    (root / "happy/loop").symlink_to("..")
    (root / "happy/self").symlink_to("../happy")
    (root / "sad/up").symlink_to(tmp_path)
    assert names_of(root) == ["happy/0.jpg", "sad/1.jpg"]
    assert problems_of(root) == {"happy/loop": "link_back", "happy/self": "link_back", "sad/up/root": "link_back"}


def test_a_second_link_to_a_folder_is_a_problem_that_names_the_first_place(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", "z/0.jpg")
    fill(tmp_path / "pool", "1.jpg")
    (root / "a").symlink_to("z")
    (root / "b").symlink_to(tmp_path / "pool")
    (root / "c").symlink_to(tmp_path / "pool")
    assert names_of(root) == ["b/1.jpg", "z/0.jpg"]
    found = {file.name: (file.code, file.problem) for file in list_folder(root).files if file.problem}
    assert found == {
        "a": ("listed_twice", "the same folder as 'z', whose files are listed there"),
        "c": ("listed_twice", "the same folder as 'b', whose files are listed there"),
    }


def test_links_that_fan_out_are_not_walked_again_and_again(tmp_path: Path) -> None:
    for level in range(20):
        for link in ("left", "right"):
            (tmp_path / f"pool/{level}").mkdir(parents=True, exist_ok=True)
            (tmp_path / f"pool/{level}/{link}").symlink_to(f"../{level + 1}")
    fill(tmp_path / "pool/20", "x.jpg")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/top").symlink_to("../pool/0")
    assert len(names_of(tmp_path / "root")) == 1


@pytest.mark.posix
def test_what_is_no_regular_file_is_a_problem_and_nothing_waits_for_it(tmp_path: Path) -> None:
    fill(tmp_path, "happy/0.jpg")
    os.mkfifo(tmp_path / "happy/pipe.jpg")
    (tmp_path / "happy/null.jpg").symlink_to("/dev/null")
    (tmp_path / "happy/self.jpg").symlink_to("self.jpg")
    (tmp_path / "happy/a").symlink_to("b")
    (tmp_path / "happy/b").symlink_to("a")
    (tmp_path / "happy/gone.jpg").symlink_to("nowhere.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            listener.bind("happy/socket.jpg")
        finally:
            os.chdir(here)
        found = {file.name: (file.code, file.problem) for file in list_folder(tmp_path).files if file.problem}
    assert {name: code for name, (code, _) in found.items()} == {
        "happy/a": "link_loop",
        "happy/b": "link_loop",
        "happy/gone.jpg": "broken_link",
        "happy/null.jpg": "not_a_file",
        "happy/pipe.jpg": "not_a_file",
        "happy/self.jpg": "link_loop",
        "happy/socket.jpg": "not_a_file",
    }
    assert found["happy/pipe.jpg"][1] == "expected a file, got a named pipe"
    assert found["happy/null.jpg"][1] == "expected a file, got a device"
    assert found["happy/self.jpg"][1] == "expected a file or folder, got a link that leads to itself"


def test_a_folder_without_permission_is_a_problem_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "happy/0.jpg", "sad/1.jpg")
    real = os.scandir

    def refuse(path: str | os.PathLike[str]) -> object:
        if Path(path).name == "sad":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = list_folder(tmp_path)
    assert listing.files == (
        ListedFile(tmp_path / "happy/0.jpg", "happy/0.jpg"),
        ListedFile(tmp_path / "sad", "sad", "expected a readable file or folder: Permission denied", "unreadable"),
    )


def during_scan(monkeypatch: pytest.MonkeyPatch, folder: Path, act: Callable[[], object]) -> None:
    """Let something happen after the entries of a folder were read, and before they are looked at."""
    real = os.scandir

    def scan(path: str | os.PathLike[str]) -> Any:  # noqa: ANN401 - the type of os.scandir is private
        if Path(path) != folder:
            return real(path)
        with real(path) as entries:
            found = list(entries)
        act()
        return nullcontext(found)

    monkeypatch.setattr(os, "scandir", scan)


def test_a_file_and_a_folder_that_vanish_during_the_walk_are_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = "expected a readable file or folder: No such file or directory"
    fill(tmp_path, "a/0.jpg", "a/1.jpg")
    (tmp_path / "b").mkdir()

    def remove() -> None:
        (tmp_path / "b").rmdir()
        (tmp_path / "a/1.jpg").unlink()

    during_scan(monkeypatch, tmp_path / "a", remove)
    assert list_folder(tmp_path) == FolderListing(
        files=(
            ListedFile(tmp_path / "a/0.jpg", "a/0.jpg"),
            ListedFile(tmp_path / "a/1.jpg", "a/1.jpg", problem, "unreadable"),
            ListedFile(tmp_path / "b", "b", problem, "unreadable"),
        ),
        folders=("a",),
        passed_over={},
        links=(),
    )


@pytest.mark.posix
def test_links_that_lead_nowhere_or_back_are_listed_with_code_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill(tmp_path / "root", "X/X.jpg", "happy/0.jpg")
    os.mkfifo(root / "strange")
    (root / "broken").symlink_to("nowhere")
    (root / "happy/up").symlink_to("..")
    (root / "happy_again").symlink_to("happy")
    (root / "long").symlink_to("n" * 300)
    (root / "loop").symlink_to("loop")
    monkeypatch.setattr(folder_listing, "_KINDS", ())
    back = "expected a folder, got a link back to a folder that contains it"
    assert list_folder(root).files == (
        ListedFile(root / "X/X.jpg", "X/X.jpg"),
        ListedFile(
            root / "broken",
            "broken",
            "expected a file or folder, got a link to something that does not exist",
            "broken_link",
        ),
        ListedFile(root / "happy/0.jpg", "happy/0.jpg"),
        ListedFile(root / "happy/up", "happy/up", back, "link_back"),
        ListedFile(
            root / "happy_again",
            "happy_again",
            "the same folder as 'happy', whose files are listed there",
            "listed_twice",
        ),
        ListedFile(root / "long", "long", "expected a readable file or folder: File name too long", "unreadable"),
        ListedFile(root / "loop", "loop", "expected a file or folder, got a link that leads to itself", "link_loop"),
        ListedFile(root / "strange", "strange", "expected a file, got something else", "not_a_file"),
    )


def test_an_empty_folder_has_an_empty_listing(tmp_path: Path) -> None:
    assert list_folder(tmp_path) == FolderListing((), (), {}, ())


def test_hidden_entries_and_those_of_tools_are_counted_by_name(tmp_path: Path) -> None:
    fill(tmp_path, "happy/0.jpg", "happy/._0.jpg", "happy/.DS_Store", "sad/.DS_Store", ".thumbnails/x.jpg",
         "happy/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/happy/1.jpg", "Thumbs.db",
         "sad/.ipynb_checkpoints/1.jpg", "Network Trash Folder/1.jpg")  # fmt: skip
    listing = list_folder(tmp_path)
    assert [file.name for file in listing.files] == ["happy/0.jpg"]
    assert listing.passed_over == {
        ".DS_Store": 2,
        "._0.jpg": 1,
        ".ipynb_checkpoints": 1,
        ".thumbnails": 1,
        "@eaDir": 1,
        "Network Trash Folder": 1,
        "Thumbs.db": 1,
        "__MACOSX": 1,
    }


def test_a_folder_that_cant_be_read_itself_is_an_error(tmp_path: Path) -> None:
    for name, reason in (("none", "No such file or directory"), ("file", "Not a directory")):
        path = fill(tmp_path, "file") / name
        with pytest.raises(DataError) as refusal:
            list_folder(path)
        assert str(refusal.value) == (
            f"The folder '{path}' can't be read ({reason}). Check the path and its permissions."
        )


def test_too_many_entries_are_refused_with_the_probable_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders with three files are five entries; hidden ones count too."""
    fill(tmp_path, "a/1.jpg", "a/2.jpg", "b/.3.jpg")
    monkeypatch.setattr(folder_listing, "MAX_ENTRIES", 5)
    assert names_of(tmp_path) == ["a/1.jpg", "a/2.jpg"]
    monkeypatch.setattr(folder_listing, "MAX_ENTRIES", 4)
    with pytest.raises(DataError) as refusal:
        list_folder(tmp_path)
    assert str(refusal.value) == (
        f"Expected at most 4 entries below '{tmp_path}', got more. Give a smaller folder; "
        "a link may lead to a large one."
    )

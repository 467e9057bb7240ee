"""Tests of atomic folder writes, with real processes and kills."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from petmood.core import atomic_directory as module
from petmood.core import output_paths
from petmood.core.atomic_directory import (
    DirectoryDraft,
    atomic_directory,
    files_below,
    is_system_file,
    name_some,
    refuse_existing,
)
from petmood.core.errors import OutputError, OutputLocked
from tests.support.stepping import SteppedProcess

ENDLESS_FOLDER = """
import sys
from pathlib import Path
from petmood.core.atomic_directory import atomic_directory
number = 0
while True:
    number += 1
    with atomic_directory(Path(sys.argv[1]), existing=lambda _: ()) as draft:
        for name in "abc":
            (draft.path / name).write_bytes((b"%08d" % number) * 10_000)
    print(number, flush=True)
"""

STEPPED = """
import sys
from pathlib import Path
from petmood.core.atomic_directory import atomic_directory
with atomic_directory(Path(sys.argv[1]), existing=lambda _: ()) as draft:
    print("holds", flush=True)
    sys.stdin.readline()
    (draft.path / "file").write_text(sys.argv[2])
    draft.expect(["file"])
"""


def anything(_: Path) -> Iterable[str]:
    """Let anything be replaced."""
    return ()


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def write(target: Path, text: str = "new") -> None:
    """Replace a folder by one with a single file."""
    with atomic_directory(target, existing=anything) as draft:
        (draft.path / "file").write_text(text)
        draft.expect(["file"])


def killed_midway(program: str, target: Path, *, after_s: float) -> int:
    """Start an endless writer, kill it after its first result and ``after_s`` more; return the last number it told."""
    child = subprocess.Popen([sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    reported = child.stdout.readline()
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    rest = child.stdout.read().split("\n")[:-1]
    child.stdout.close()
    child.wait()
    return int((rest or [reported])[-1])


@pytest.mark.parametrize("round_", range(4))
def test_a_folder_whose_writer_was_killed_is_whole_after_the_next_write_begins(tmp_path: Path, round_: int) -> None:
    target = tmp_path / "folder"
    reported = killed_midway(ENDLESS_FOLDER, target, after_s=random.Random(round_).uniform(0, 0.05))
    with pytest.raises(InterruptedError), atomic_directory(target, existing=anything):
        raise InterruptedError
    contents = {path.read_bytes() for path in target.iterdir()}
    assert names_in(target) == ["a", "b", "c"]
    assert len(contents) == 1
    assert int(contents.pop()[:8]) >= reported
    assert names_in(tmp_path) == ["folder"]


def test_a_folder_takes_its_name_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    with atomic_directory(target, existing=anything) as draft:
        (draft.path / "sub").mkdir()
        (draft.path / "sub/file").write_text("x")
        assert not target.exists()
    assert (target / "sub/file").read_text() == "x"
    assert target.stat().st_mode & 0o777 == 0o755
    assert names_in(target.parent) == ["folder"]


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    for name in ("old", "new"):
        with atomic_directory(tmp_path / "folder", existing=anything) as draft:
            (draft.path / name).touch()
    assert names_in(tmp_path / "folder") == ["new"]
    assert names_in(tmp_path) == ["folder"]


def test_an_error_in_the_block_leaves_the_old_folder(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "folder", existing=anything) as draft:
        (draft.path / "old").touch()
    with pytest.raises(FileExistsError), atomic_directory(tmp_path / "folder", existing=anything) as draft:
        (draft.path / ".").mkdir()
    assert names_in(tmp_path / "folder") == ["old"]
    assert names_in(tmp_path) == ["folder"]


def test_a_folder_retired_by_a_killed_writer_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".folder.retired").mkdir()
    (tmp_path / ".folder.retired/old").touch()
    with pytest.raises(InterruptedError), atomic_directory(tmp_path / "folder", existing=anything):
        raise InterruptedError
    assert names_in(tmp_path / "folder") == ["old"]


def test_a_retired_folder_and_litter_beside_a_whole_one_are_cleared(tmp_path: Path) -> None:
    for name in (".folder.retired", ".folder.0abc1234.partial", "folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with atomic_directory(tmp_path / "folder", existing=anything) as draft:
        (draft.path / "new").touch()
    assert names_in(tmp_path) == ["folder"]


def refuse_to_rename_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every rename of a draft to its final name fail."""
    rename = Path.rename

    def refuse_the_new_one(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)


def test_a_failure_between_the_two_renames_puts_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with atomic_directory(tmp_path / "folder", existing=anything) as draft:
        (draft.path / "old").touch()
    refuse_to_rename_drafts(monkeypatch)
    with (
        pytest.raises(OSError, match="Input/output"),
        atomic_directory(tmp_path / "folder", existing=anything) as draft,
    ):
        (draft.path / "new").touch()
    assert names_in(tmp_path / "folder") == ["old"]


def test_a_failed_rename_of_a_new_folder_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_rename_drafts(monkeypatch)
    with pytest.raises(OSError, match=r"^\[Errno 5\] Input/output error$"):
        write(tmp_path / "folder")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("leftover", ["folder.retired", "folder.0abc1234.partial"])
def test_a_leftover_that_can_t_be_removed_stops_no_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leftover: str
) -> None:
    rmdir = os.rmdir

    def refuse(path: str | Path, **given: Any) -> None:  # noqa: ANN401 - dir_fd
        if Path(path).name == f".{leftover}":
            raise PermissionError(13, "Permission denied", str(path))
        rmdir(path, **given)

    write(tmp_path / "folder", "old")
    (tmp_path / f".{leftover}").mkdir()
    monkeypatch.setattr(os, "rmdir", refuse)
    with pytest.raises(InterruptedError), atomic_directory(tmp_path / "folder", existing=anything):
        raise InterruptedError
    assert (tmp_path / "folder/file").read_text() == "old"
    assert names_in(tmp_path) == [f".{leftover}", "folder"]
    write(tmp_path / "folder")
    assert (tmp_path / "folder/file").read_text() == "new"


@pytest.mark.posix
@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of open files from /proc")
def test_every_file_and_folder_reaches_the_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{handle}"))  # noqa: PTH115 - a link in /proc
        fsync(handle)

    (tmp_path / "elsewhere").touch()
    monkeypatch.setattr(os, "fsync", noted)
    with atomic_directory(tmp_path / "folder") as draft:
        (draft.path / "a/b").mkdir(parents=True)
        for name in ("file", "a/file", "a/b/file"):
            (draft.path / name).touch()
        for number in range(5):
            (draft.path / f"link{number}").symlink_to(tmp_path / "elsewhere")
    below = [f"{draft.path}/{name}" for name in ("a", "a/b", "a/b/file", "a/file", "file")]
    assert sorted(flushed[:-1]) == [str(draft.path), *below]
    assert flushed[-2:] == [str(draft.path), str(tmp_path)]


# --- what may be replaced ---------------------------------------------------------------------------------------------


NEW = r" to be new or an empty folder\. Choose another folder\."


def test_unless_set_otherwise_only_nothing_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / ".DS_Store").touch()
    with atomic_directory(target) as draft:
        (draft.path / "letter").touch()
    with pytest.raises(OutputError, match=f"^Expected {re.escape(str(target))}{NEW}$"):
        atomic_directory(target).__enter__()
    for plain in (tmp_path / "plain", tmp_path / ".directory"):
        plain.touch()
        with pytest.raises(OutputError, match=f"^Expected {re.escape(str(plain))}{NEW}$"):
            refuse_existing(plain)
    (tmp_path / ".directory").unlink()
    assert list(refuse_existing(tmp_path / "none")) == []
    assert names_in(target) == ["letter"]
    assert names_in(tmp_path) == ["mine", "plain"]


def test_what_came_to_the_target_meanwhile_is_looked_at_again(tmp_path: Path) -> None:
    def put_a_letter(_: DirectoryDraft) -> None:
        (tmp_path / "new").mkdir()
        (tmp_path / "new/letter").write_text("dear")

    with pytest.raises(OutputError, match="to be new or an empty folder"), atomic_directory(tmp_path / "new") as draft:
        put_a_letter(draft)
    assert list(files_below(tmp_path)) == ["new/letter"]


def test_files_to_carry_over_come_into_the_new_folder_as_they_are(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    (target / "deep/empty").mkdir(parents=True)
    (target / "deep/notes.txt").write_text("mine")
    os.utime(target / "deep/notes.txt", (1e9, 1e9))
    (target / "link").symlink_to("nowhere")
    (target / "same").write_text("new")
    (target / "same link").symlink_to("nowhere")
    (target / "to a file").symlink_to("deep/notes.txt")
    (target / "far/below/a").mkdir(parents=True)
    (target / "far/below/file").touch()
    (target / "of/mine").mkdir(parents=True)
    (target / "of/mine/file").touch()
    before = (target / "deep/notes.txt").stat()
    first = (
        "same",
        "same link",
        "far/below/a/",
        "far/below/file",
        "deep/empty/",
        "deep/notes.txt",
        "link",
        "to a file",
    )
    kept = (*first, "of/mine/file")
    with atomic_directory(target, existing=lambda _: kept) as draft:
        (draft.path / "same").write_text("new")
        (draft.path / "same link").symlink_to("nowhere")
        (draft.path / "deep/empty").mkdir(parents=True)
    assert sorted(files_below(target)) == sorted(kept)
    assert (target / "deep/notes.txt").stat().st_mtime == 1e9
    assert (target / "deep/notes.txt").stat().st_ino == before.st_ino
    assert [os.readlink(target / name) for name in ("link", "to a file")] == ["nowhere", "deep/notes.txt"]  # noqa: PTH115 - the text of the link


def test_files_are_carried_over_without_hard_links_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    write(tmp_path / "folder", "mine")
    os.utime(tmp_path / "folder/file", (1e9, 1e9))
    (tmp_path / "folder/link").symlink_to("file")
    monkeypatch.setattr(os, "link", no_links)
    with atomic_directory(tmp_path / "folder", existing=lambda _: ["file", "link"]):
        pass
    assert (tmp_path / "folder/file").read_text() == "mine"
    assert (tmp_path / "folder/file").stat().st_mtime == 1e9
    assert (tmp_path / "folder/link").is_symlink()


@pytest.mark.parametrize(
    ("mine", "new"),
    [("file", "other file"), ("link", "other link"), ("link", "file"), ("file", "link to it")],
)
def test_a_file_to_carry_over_is_never_overwritten(tmp_path: Path, mine: str, new: str) -> None:
    """The two files have one size and one time, so that their bytes must be compared."""

    def put(path: Path, kind: str) -> None:
        if "link" in kind:
            path.symlink_to({"link": "a", "other link": "b"}.get(kind, tmp_path / "folder/file"))
        else:
            path.write_text(kind.removesuffix(" file").ljust(5))
            os.utime(path, (1e9, 1e9))

    target = tmp_path / "folder"
    target.mkdir()
    put(target / "file", mine)
    with (
        pytest.raises(OutputError) as refusal,
        atomic_directory(target, existing=lambda _: ["file"]) as draft,
    ):
        put(draft.path / "file", new)
    assert str(refusal.value) == (
        f"{target}/file was not written by petmood and would be overwritten. Move it to another folder."
    )
    assert names_in(target) == ["file"]
    assert (target / "file").is_symlink() is (mine == "link")


def test_a_file_that_came_into_the_old_folder_while_the_new_one_was_flushed_is_carried_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module._flush_tree

    def flushed(folder: Path) -> None:
        real(folder)
        (tmp_path / "folder/late.txt").write_text("mine")

    def own(folder: Path) -> Iterable[str]:
        return [name for name in files_below(folder) if name != "file"] if folder.exists() else []

    write(tmp_path / "folder", "old")
    (tmp_path / "folder/link").symlink_to("late.txt")
    monkeypatch.setattr(module, "_flush_tree", flushed)
    with atomic_directory(tmp_path / "folder", existing=own) as draft:
        (draft.path / "file").write_text("new")
    assert (tmp_path / "folder/file").read_text() == "new"
    assert (tmp_path / "folder/late.txt").read_text() == "mine"
    assert (tmp_path / "folder/link").is_symlink()


def test_a_file_that_must_not_be_replaced_and_came_late_keeps_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module._flush_tree

    def flushed(folder: Path) -> None:
        real(folder)
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder/letter").write_text("dear")

    monkeypatch.setattr(module, "_flush_tree", flushed)
    with pytest.raises(OutputError, match="to be new or an empty folder"), atomic_directory(tmp_path / "folder"):
        pass
    assert list(files_below(tmp_path)) == ["folder/letter"]


# --- what is published is whole ---------------------------------------------------------------------------------------


def test_a_file_that_was_to_be_there_and_is_not_keeps_the_old_folder(tmp_path: Path) -> None:
    def write_half(draft: DirectoryDraft) -> None:
        (draft.path / "a").touch()
        draft.expect(["a", "b"])

    write(tmp_path / "folder", "old")
    with (
        pytest.raises(OutputError) as refusal,
        atomic_directory(tmp_path / "folder", existing=anything) as draft,
    ):
        write_half(draft)
    assert str(refusal.value) == (f"Expected 2 files, 1 are missing: b. {tmp_path}/folder was not changed; try again.")
    assert (tmp_path / "folder/file").read_text() == "old"
    assert names_in(tmp_path) == ["folder"]


@pytest.mark.parametrize("again", [True, False])
def test_a_draft_that_was_removed_and_perhaps_made_again_is_not_published(tmp_path: Path, again: bool) -> None:
    def remove(draft: DirectoryDraft) -> None:
        draft.path.rename(tmp_path / "elsewhere")
        if again:
            draft.path.mkdir()

    write(tmp_path / "folder", "old")
    (tmp_path / "link").symlink_to("folder")
    with (
        pytest.raises(OutputError) as refusal,
        atomic_directory(tmp_path / "link", existing=anything) as draft,
    ):
        remove(draft)
    assert str(refusal.value) == (
        f"{draft.path.name} was removed while it was being written. {tmp_path}/link was not changed; try again."
    )
    assert (tmp_path / "folder/file").read_text() == "old"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_the_mode_of_a_folder_follows_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "folder")
    finally:
        os.umask(before)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == mode


# --- where it is written ----------------------------------------------------------------------------------------------


def test_a_target_that_is_a_link_is_written_where_it_points_time_and_again(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "large/folder")
    for text in ("one", "two", "three"):
        write(tmp_path / "link", text)
        assert (tmp_path / "large/folder/file").read_text() == text
    assert (tmp_path / "link").is_symlink()
    assert names_in(tmp_path) == ["large", "link"]
    assert names_in(tmp_path / "large") == ["folder"]


def test_a_link_that_was_retired_by_an_old_version_blocks_nothing(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "old")
    write(tmp_path / "folder")
    (tmp_path / ".folder.retired").symlink_to(tmp_path / "elsewhere")
    write(tmp_path / "folder")
    assert names_in(tmp_path) == ["elsewhere", "folder"]
    (tmp_path / "folder").rename(tmp_path / "moved")
    (tmp_path / ".folder.retired").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError) as refusal:
        write(tmp_path / "folder")
    assert str(refusal.value) == (
        f"{tmp_path}/folder was replaced by a link in the meantime. Try again to write to the link's target."
    )
    write(tmp_path / "folder", "newer")
    assert (tmp_path / "elsewhere/file").read_text() == "newer"


@pytest.mark.parametrize("target", ["link", "link/pets", "round"])
def test_a_link_to_a_place_that_is_not_there_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "not-mounted/folder")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(OutputError, match="contains a broken link"):
        write(tmp_path / target)
    assert names_in(tmp_path) == ["link", "round"]


@pytest.mark.parametrize("below", ["", "/photos"])
def test_a_mount_point_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str) -> None:
    """A bind within one file system is known to the kernel's list alone, which has spaces as octal numbers."""
    target = tmp_path / "a folder"
    write(target, "old")
    mounts = tmp_path / "mountinfo"
    escaped = str(target).replace(" ", "\\040")
    mounts.write_text(f"22 1 8:1 / / rw - ext4 /dev/x rw\n31 22 8:1 /y {escaped}{below} rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(output_paths, "MOUNTS", mounts)
    with pytest.raises(OutputError, match=r"is a mount point\. Choose a folder inside .*a folder\."):
        atomic_directory(target, existing=anything).__enter__()
    assert names_in(tmp_path) == ["a folder", "mountinfo"]
    write(target.with_name("a fold"))


def test_a_parent_that_is_no_folder_or_is_not_writable_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"can't be written: .*file is not a writable folder"):
        write(tmp_path / "file/folder")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="is not a writable folder"):
        write(tmp_path / "deep/folder")
    assert names_in(tmp_path) == ["file"]


# --- other processes --------------------------------------------------------------------------------------------------


@pytest.mark.spawns
def test_a_second_writer_is_refused_at_once_and_the_first_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "folder", "old")
    (tmp_path / "link").symlink_to("folder")
    first = SteppedProcess(STEPPED, tmp_path / "folder", "first")
    assert first.hear() == "holds"
    for name in ("folder", "link"):
        with pytest.raises(
            OutputLocked, match=rf"{name} is being written by process {first.pid}\. Nothing was changed"
        ):
            write(tmp_path / name, "second")
    assert first.end() == (0, "")
    assert (tmp_path / "folder/file").read_text() == "first"
    write(tmp_path / "folder", "third")
    assert names_in(tmp_path) == ["folder", "link"]


@pytest.mark.spawns
@pytest.mark.parametrize("other", ["folder.v2", "folder.0abc1234", "folder.0abc1234.partial", "folde", "fold.r"])
def test_writers_of_names_that_are_alike_leave_each_other_alone(tmp_path: Path, other: str) -> None:
    first = SteppedProcess(STEPPED, tmp_path / other, "first")
    assert first.hear() == "holds"
    for _ in range(2):
        write(tmp_path / "folder")
    assert first.end() == (0, "")
    assert {name: (tmp_path / name / "file").read_text() for name in names_in(tmp_path)} == {
        "folder": "new",
        other: "first",
    }


@pytest.mark.spawns
def test_only_the_leftovers_of_the_same_name_are_cleared(tmp_path: Path) -> None:
    for name in ("folder", "folder.v2"):
        dead = SteppedProcess(STEPPED, tmp_path / name, "dead")
        assert dead.hear() == "holds"
        dead.kill()
    (tmp_path / ".folder.0abc1234.partial").write_text("a file under way")
    write(tmp_path / "folder")
    left = [name for name in names_in(tmp_path) if name.startswith(".")]
    assert [name.partition(".v2.")[0] for name in left] == [".folder.0abc1234.partial", ".folder", ".folder"]
    write(tmp_path / "folder.v2")
    assert names_in(tmp_path) == [".folder.0abc1234.partial", "folder", "folder.v2"]


def test_without_locks_folders_are_written_and_nothing_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    (tmp_path / ".folder.0abc1234.partial").mkdir()
    write(tmp_path / "folder", "old")
    (tmp_path / "folder").rename(tmp_path / ".folder.retired")
    with pytest.raises(InterruptedError), atomic_directory(tmp_path / "folder", existing=anything):
        raise InterruptedError
    assert (tmp_path / "folder/file").read_text() == "old"
    write(tmp_path / "folder")
    assert names_in(tmp_path) == [".folder.0abc1234.partial", "folder"]


# --- names ------------------------------------------------------------------------------------------------------------


def test_files_below_a_folder_are_named_with_links_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/file").touch()
    (tmp_path / "a/link").symlink_to(tmp_path)
    assert sorted(files_below(tmp_path)) == ["a/b/", "a/file", "a/link"]
    assert list(files_below(tmp_path / "a/b")) == []
    with pytest.raises(FileNotFoundError):
        list(files_below(tmp_path / "none"))


def test_system_files_are_known_by_name() -> None:
    names = (".DS_Store", "Thumbs.db", "desktop.ini", ".directory", "README.txt", "directory")
    assert [is_system_file(name) for name in names] == [True, True, True, True, False, False]


def test_a_long_list_of_names_is_cut() -> None:
    assert name_some("ba") == "a, b"
    assert name_some("edcba") == "a, b, c, d, e"
    assert name_some("fedcba") == "a, b, c, d, e and 1 more"
    assert name_some("gfedcba") == "a, b, c, d, e and 2 more"
    assert name_some("cba", shown=2) == "a, b and 1 more"
    assert name_some(()) == ""

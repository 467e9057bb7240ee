"""Tests of temporary files: locked while their writer runs, and removed by the next writer after a kill."""

import errno
import fcntl
import os
import sys
from pathlib import Path

import pytest

from petmood.core.files import atomic_write_bytes
from petmood.core.partials import is_leftover, partial_file, partial_name, remove_dead_partials, target_of
from tests.support.stepping import SteppedProcess

WRITER = """
import sys
from pathlib import Path
from petmood.core.partials import partial_file
with partial_file(Path(sys.argv[1])) as partial:
    partial.write_text(sys.argv[2])
    print("holds", flush=True)
    sys.stdin.readline()
    partial.replace(sys.argv[1])
"""


def hidden(folder: Path) -> list[str]:
    """Return the targets of the partial files in a folder."""
    return sorted(target_of(path.name) or "" for path in folder.iterdir() if path.name.startswith("."))


def test_a_partial_name_maps_to_one_target() -> None:
    assert target_of(partial_name("a.b")) == "a.b"
    names = (".a.b.0abc1234.partial", ".a.partial", "a.0abc1234.partial", ".a.0ABC1234.partial")
    assert [target_of(name) for name in names] == ["a.b", None, None, None]
    assert [is_leftover(name) for name in names] == [True, False, False, False]


def test_a_file_that_is_not_renamed_is_removed(tmp_path: Path) -> None:
    with partial_file(tmp_path / "file"):
        assert hidden(tmp_path) == ["file"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InterruptedError), partial_file(tmp_path / "file"):
        raise InterruptedError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.spawns
def test_the_next_writer_removes_the_files_of_killed_writers_of_the_same_name_alone(tmp_path: Path) -> None:
    alive = SteppedProcess(WRITER, tmp_path / "file", "alive")
    dead = [SteppedProcess(WRITER, tmp_path / name, "dead") for name in ("file", "file.v2")]
    for child in (alive, *dead):
        assert child.hear() == "holds"
    for child in dead:
        child.kill()
    (tmp_path / ".file.mine.partial").write_text("a person's")
    (tmp_path / ".file.0abc1234.partial").mkdir()
    assert hidden(tmp_path) == ["", "file", "file", "file", "file.v2"]
    atomic_write_bytes(tmp_path / "file", b"next")
    assert hidden(tmp_path) == ["", "file", "file", "file.v2"], "the living writer's, and a folder"
    assert alive.end() == (0, "")
    assert (tmp_path / "file").read_text() == "alive"
    remove_dead_partials(tmp_path)
    assert hidden(tmp_path) == ["", "file"]


def test_a_new_file_that_was_taken_for_a_leftover_is_created_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer clears between the creation and the lock of the file."""
    real, cleared = fcntl.flock, list[int]()

    def cleared_before(handle: int, how: int) -> None:
        if not cleared:
            cleared.append(handle)
            remove_dead_partials(tmp_path)
            assert list(tmp_path.iterdir()) == []
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", cleared_before)
    with partial_file(tmp_path / "file") as partial:
        partial.write_text("whole")
        remove_dead_partials(tmp_path)
        assert partial.exists(), "it is locked"
        partial.replace(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_locks_files_are_written_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    (tmp_path / ".file.0abc1234.partial").touch()
    atomic_write_bytes(tmp_path / "file", b"x")
    assert sorted(os.listdir(tmp_path)) == [".file.0abc1234.partial", "file"]  # noqa: PTH208 - names alone


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path: Path) -> None:
    remove_dead_partials(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        partial_file(tmp_path / "none/file").__enter__()


def test_a_new_file_may_be_read_and_written_by_everyone_whom_the_umask_allows(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with partial_file(tmp_path / "file") as partial:
            assert partial.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(umask)


def test_a_file_of_another_writer_with_the_same_random_name_is_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter(["0abc1234", "0abc1234"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(tokens))
    with partial_file(tmp_path / "file"), pytest.raises(FileExistsError):
        partial_file(tmp_path / "file").__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_can_not_be_locked_is_removed_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = list[int]()

    def broken(handle: int, _how: int) -> None:
        handles.append(handle)
        if len(handles) > 1:
            (partial,) = tmp_path.iterdir()
            partial.unlink()  # another process was faster
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            partial_file(tmp_path / "file").__enter__()
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(handles[-1])


def test_a_leftover_that_can_not_be_opened_stays_and_the_next_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".a.0abc1234.partial", ".b.0abc1234.partial", ".c.0abc1234.partial"):
        (tmp_path / name).touch()
    opened = os.open

    def refusing(path: Path, *rest: int) -> int:
        if path.name.startswith(".b"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *rest)

    monkeypatch.setattr(os, "open", refusing)
    remove_dead_partials(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".b.0abc1234.partial"]

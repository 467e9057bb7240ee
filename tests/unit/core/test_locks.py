"""Tests of exclusive locks between processes."""

import errno
import fcntl
import os
import sys
import threading
from pathlib import Path

import pytest

from petmood.core.errors import OutputLocked
from petmood.core.locks import exclusive_lock, lock_path
from tests.support.stepping import SteppedProcess

HOLD = """
import sys
from pathlib import Path
from petmood.core.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_is_held_once_also_within_one_process_and_leaves_nothing(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / "x") as held:
        assert held
        assert lock_path(tmp_path / "x").read_text() == str(os.getpid())
        with pytest.raises(OutputLocked) as refusal:
            exclusive_lock(tmp_path / "x", shown=Path("a/link")).__enter__()
        assert str(refusal.value) == (
            f"a/link is being written by process {os.getpid()}. "
            "Nothing was changed; try again when that process has ended."
        )
        with pytest.raises(OutputLocked, match=rf"^{tmp_path}/x is being written by"):
            exclusive_lock(tmp_path / "x").__enter__()
        with exclusive_lock(tmp_path / "x.y"), exclusive_lock(tmp_path / "other"):
            pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InterruptedError), exclusive_lock(tmp_path / "x"):
        raise InterruptedError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.spawns
def test_a_killed_process_holds_no_lock_and_its_file_is_used_again(tmp_path: Path) -> None:
    child = SteppedProcess(HOLD, tmp_path / "x")
    assert child.hear() == "holds"
    with pytest.raises(OutputLocked, match=rf"by process {child.pid}\."):
        exclusive_lock(tmp_path / "x", shown=Path("shown")).__enter__()
    child.kill()
    assert lock_path(tmp_path / "x").exists()
    with exclusive_lock(tmp_path / "x"):
        assert lock_path(tmp_path / "x").read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_file_that_was_removed_meanwhile_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder removes the file between another's opening and locking of it."""
    real = fcntl.flock
    opened: list[int] = []

    def removed_before(handle: int, how: int) -> None:
        if not opened:
            lock_path(tmp_path / "x").unlink()
        opened.append(handle)
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", removed_before)
    with exclusive_lock(tmp_path / "x"):
        assert len(opened) == 2
        assert lock_path(tmp_path / "x").exists()
    assert list(tmp_path.iterdir()) == []


def test_many_threads_never_hold_one_lock_together(tmp_path: Path) -> None:
    holding, most, won = list[int](), [0], list[int]()

    def work() -> None:
        for _ in range(200):
            try:
                with exclusive_lock(tmp_path / "x"):
                    holding.append(1)
                    most[0] = max(most[0], len(holding))
                    won.append(1)
                    holding.pop()
            except OutputLocked:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert won
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    lock_path(tmp_path / "x").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic link"):
        exclusive_lock(tmp_path / "x").__enter__()
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_system_or_a_file_system_without_locks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", no_locks)
        with exclusive_lock(tmp_path / "x") as held:
            assert not held
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with exclusive_lock(tmp_path / "x") as held:
        assert not held
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_fails_otherwise_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_handle: int, _how: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output"):
        exclusive_lock(tmp_path / "x").__enter__()


@pytest.mark.parametrize("content", [b"", b"12 34", b"caf\xe9", b"1" * 21 + b"x"], ids=repr)
def test_a_lock_file_without_a_number_is_another_process_s(tmp_path: Path, content: bytes) -> None:
    with exclusive_lock(tmp_path / "x"):
        lock_path(tmp_path / "x").write_bytes(content)
        with pytest.raises(OutputLocked) as refusal:
            exclusive_lock(tmp_path / "x").__enter__()
    who = "process 11111111111111111111" if content.startswith(b"1111") else "another process"
    assert str(refusal.value) == (
        f"{tmp_path}/x is being written by {who}. Nothing was changed; try again when that process has ended."
    )


def test_a_lock_file_is_hidden_for_everyone_and_holds_no_digits_of_another_process(tmp_path: Path) -> None:
    assert lock_path(Path("a/x.tar")) == Path("a/.x.tar.petmood-lock")
    lock_path(tmp_path / "x").write_text("1234567890123")
    umask = os.umask(0)
    try:
        with exclusive_lock(tmp_path / "x"):
            assert lock_path(tmp_path / "x").read_text() == str(os.getpid())
        with exclusive_lock(tmp_path / "y"):
            assert lock_path(tmp_path / "y").stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(umask)


def test_a_descriptor_is_closed_when_a_lock_is_refused_or_not_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handles, real = list[int](), fcntl.flock

    def noted(handle: int, how: int) -> None:
        handles.append(handle)
        real(handle, how)

    def no_locks(handle: int, _how: int) -> None:
        handles.append(handle)
        lock_path(tmp_path / "y").unlink()  # another process removes the file first
        raise OSError(errno.ENOLCK, "No locks available")

    with exclusive_lock(tmp_path / "x"):
        monkeypatch.setattr(fcntl, "flock", noted)
        with pytest.raises(OutputLocked):
            exclusive_lock(tmp_path / "x").__enter__()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(handles[-1])
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with exclusive_lock(tmp_path / "y") as held:
        assert not held
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(handles[-1])

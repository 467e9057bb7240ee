"""Tests of atomic file writes, with writers that are killed."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petmood.core.files import (
    atomic_write_bytes,
    atomic_write_chunks,
    atomic_write_json,
    atomic_write_text,
    copy_folder,
    create_exclusive,
    flush_folder,
    sha256_of,
)
from tests.support.kill_points import count_calls
from tests.support.source_tree import ROOT

UNTIL_DEATH = """
import itertools, sys
from pathlib import Path
from tests.support.kill_points import die_after
from tests.unit.core.test_files import {write}
for number in itertools.count(1):
    {write}(Path(sys.argv[1]), number)
    print(number, flush=True)
    if number == 1:
        die_after(int(sys.argv[2]))
"""

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from petmood.core.files import atomic_write_bytes
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    atomic_write_bytes(Path(sys.argv[1]), b"new" * 10_000)
except OSError as error:
    print(error.errno)
"""


def write_file(target: Path, number: int) -> None:
    """Write a file that is told by its number."""
    atomic_write_bytes(target, (b"%08d" % number) * 100_000)


def killed_midway(write: Callable[[Path, int], None], target: Path, *, round_: int) -> int:
    """Let a writer be killed somewhere in its second or third work; return the last number it told."""
    other = target.with_name("measured") / target.name
    write(other, 1)
    calls = count_calls(lambda: write(other, 2))
    shutil.rmtree(other.parent)
    words = [str(target), str(random.Random(round_).randrange(2 * calls))]
    program = UNTIL_DEATH.format(write=write.__name__)
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return int(done.stdout.split()[-1])


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_bytes_text_and_json_are_written_and_parents_are_made(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "a/b/c.bin", b"\x00\xff")
    atomic_write_text(tmp_path / "text", "ä\r\nb\n")
    atomic_write_json(tmp_path / "x.json", {"label": "traurig", "ü": [1, None]})
    assert (tmp_path / "a/b/c.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "text").read_bytes() == "ä\r\nb\n".encode()
    assert (tmp_path / "x.json").read_bytes().decode("utf-8") == (
        '{\n  "label": "traurig",\n  "ü": [\n    1,\n    null\n  ]\n}\n'
    )
    assert names_in(tmp_path) == ["a", "text", "x.json"]


def test_parts_become_one_file_and_a_failing_part_leaves_the_old_one(tmp_path: Path) -> None:
    def failing() -> Iterator[bytes]:
        yield b"new"
        raise RuntimeError("the second part failed")

    atomic_write_chunks(tmp_path / "a/file", iter([b"one ", b"", b"two"]))
    with pytest.raises(RuntimeError, match="second part"):
        atomic_write_chunks(tmp_path / "a/file", failing())
    assert (tmp_path / "a/file").read_bytes() == b"one two"
    assert names_in(tmp_path / "a") == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_of_a_written_file_follows_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        atomic_write_bytes(tmp_path / "file", b"")
        create_exclusive(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "new")] == [mode, mode]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_a_word_for_a_number_is_refused_and_the_old_file_stays(tmp_path: Path, value: float) -> None:
    atomic_write_text(tmp_path / "x.json", "old")
    with pytest.raises(ValueError, match="JSON"):
        atomic_write_json(tmp_path / "x.json", {"x": value})
    assert (tmp_path / "x.json").read_text() == "old"


def test_the_hash_is_sha256_of_the_bytes(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(data)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(data).hexdigest()


@pytest.mark.posix
def test_the_file_and_its_folder_reach_the_disk_in_that_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112 - a link in /proc
        fsync(handle)

    def noted_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    atomic_write_bytes(tmp_path / "file", b"x")
    assert steps == ["file", "rename", "folder"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_write_bytes(tmp_path / "file", b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write_bytes(tmp_path / "file", b"new")
    assert names_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_disk_that_takes_no_more_leaves_the_old_file_whole(tmp_path: Path) -> None:
    atomic_write_bytes(tmp_path / "file", b"old")
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0
    assert names_in(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("round_", range(4))
def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path, round_: int) -> None:
    target = tmp_path / "file"
    reported = killed_midway(write_file, target, round_=round_)
    content = target.read_bytes()
    assert len(content) == 800_000
    assert content == content[:8] * 100_000
    assert reported <= int(content[:8]) <= reported + 1
    assert all(name == "file" or name.endswith(".partial") for name in names_in(tmp_path))


def test_a_new_file_is_created_once_and_a_taken_name_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "deep/a.json"
    assert create_exclusive(path, b"first")
    assert not create_exclusive(path, b"second")
    assert path.read_bytes() == b"first"
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]


def test_of_many_processes_that_create_one_name_one_succeeds(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from petmood.core.files import create_exclusive\n"
        "sys.stdin.readline(); print(create_exclusive(Path('taken'), sys.argv[1].encode()))"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(number)],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(5)
    ]
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.communicate(timeout=600)[0].strip() for child in children]
    assert sorted(said) == ["False"] * 4 + ["True"]
    assert (tmp_path / "taken").read_text() == str(said.index("True"))


@pytest.mark.posix
@pytest.mark.parametrize(("umask", "modes"), [(0o077, (0o600, 0o700, 0o700)), (0o002, (0o664, 0o775, 0o775))])
def test_a_copy_has_modes_by_the_umask_and_not_those_of_the_original(
    tmp_path: Path, umask: int, modes: tuple[int, int, int]
) -> None:
    (tmp_path / "in/deep").mkdir(parents=True, mode=0o750)
    (tmp_path / "in/deep/file").write_bytes(b"x" * 100_000)
    (tmp_path / "in/run.sh").touch()
    (tmp_path / "in/link").symlink_to("deep/file")
    (tmp_path / "in/deep/file").chmod(0o640)
    (tmp_path / "in/run.sh").chmod(0o744)
    before = os.umask(umask)
    try:
        copy_folder(tmp_path / "in", tmp_path / "out")
    finally:
        os.umask(before)
    names = ("deep/file", "run.sh", "deep")
    assert tuple((tmp_path / "out" / name).stat().st_mode & 0o777 for name in names) == modes
    assert (tmp_path / "out/link").read_bytes() == b"x" * 100_000
    assert not (tmp_path / "out/link").is_symlink()
    with pytest.raises(FileExistsError):
        copy_folder(tmp_path / "in", tmp_path / "out")


def test_a_copy_goes_into_a_new_folder_or_beside_what_is_there(tmp_path: Path) -> None:
    for name in ("a/1", "a/b/2", "z"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(f"file {name}")
    (tmp_path / "new/out/a").mkdir(parents=True)
    (tmp_path / "new/out/a/own").write_text("mine")
    copy_folder(tmp_path / "in", tmp_path / "new/out")
    copy_folder(tmp_path / "in", tmp_path / "deep/new/out")
    copied = {"a/1": "file a/1", "a/b/2": "file a/b/2", "z": "file z"}
    for folder, files in (("new/out", {**copied, "a/own": "mine"}), ("deep/new/out", copied)):
        out = tmp_path / folder
        assert {
            path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()
        } == files


def test_a_folder_s_entries_reach_the_disk_and_no_file_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append((handle, os.fstat(handle).st_ino)))
    flush_folder(tmp_path)
    ((handle, inode),) = flushed
    assert inode == tmp_path.stat().st_ino
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)
    with pytest.raises(FileNotFoundError):
        flush_folder(tmp_path / "none")


def test_a_name_that_is_no_utf_8_is_read_back_from_json_as_it_was(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    atomic_write_json(tmp_path / "names.json", {"name": name})
    assert (tmp_path / "names.json").read_bytes().decode("ascii").count("udce9") == 1
    assert json.loads((tmp_path / "names.json").read_text("utf-8")) == {"name": name}

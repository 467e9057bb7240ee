"""File locks of trials across processes, and their release when a process dies; PostgreSQL is tested elsewhere."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from petmood.tuning.locks import FileTrialLocks

HOLDER = """
import sys
from pathlib import Path
from petmood.tuning.locks import FileTrialLocks
claims = FileTrialLocks(Path(sys.argv[1]))
with claims.allocation_lock():
    assert claims.take(3)
    print("holding", flush=True)
    if sys.argv[2] == "deciding":
        sys.stdin.readline()
print("decided", flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(folder: Path, what: str) -> Iterator[subprocess.Popen[str]]:
    """Yield another process that holds trial 3, and the decision too where ``what`` is deciding."""
    command = [sys.executable, "-c", HOLDER, str(folder), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.posix
@pytest.mark.spawns
def test_a_lock_is_free_as_soon_as_its_process_was_killed(tmp_path: Path) -> None:
    claims = FileTrialLocks(tmp_path)
    with holder(tmp_path, "trial") as other:
        assert not claims.take(3)
        assert claims.take(4)
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert claims.take(3)


@pytest.mark.spawns
def test_one_process_at_a_time_decides(tmp_path: Path) -> None:
    claims = FileTrialLocks(tmp_path)
    with holder(tmp_path, "deciding") as other:
        assert other.stdin
        assert other.stdout
        other.stdin.write("\n")
        other.stdin.flush()
        with claims.allocation_lock():
            assert other.stdout.readline() == "decided\n", "it had decided before we came in"


@pytest.mark.spawns
def test_what_is_released_another_process_may_take(tmp_path: Path) -> None:
    claims = FileTrialLocks(tmp_path)
    assert claims.take(3)
    assert claims.take(3), "what is held stays held"
    claims.release(3)
    with holder(tmp_path, "trial"):
        assert not claims.take(3)
        assert claims.take(4)
    claims.close()
    assert claims.take(3)


def test_the_modes_of_lock_files_follow_the_umask(tmp_path: Path) -> None:
    """Under 002 the other users of a group take part in a search."""
    before = os.umask(0o002)
    try:
        claims = FileTrialLocks(tmp_path)
        assert claims.take(3)
    finally:
        os.umask(before)
    claims.close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o664}

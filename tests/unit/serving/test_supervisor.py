"""Tests of the process supervisor: shared socket, restarts and shutdown."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petmood.core.listening import bind
from petmood.serving import supervisor as supervisor_module
from petmood.serving.supervisor import Supervisor
from tests.support.waiting import wait_until

CHILD = """
import os, signal, sys, time
from pathlib import Path
folder, how = Path(sys.argv[1]), sys.argv[2]
assert sys.argv[3] == "--fd" and os.fstat(int(sys.argv[4]))
assert Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).is_dir()
if how == "dies":
    sys.exit(3)
if how == "once" and 2 <= len(list(folder.iterdir())) < 4:
    (folder / str(os.getpid())).touch()
    sys.exit(2)
if how != "young":
    signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "stubborn" else lambda *_: sys.exit(0))
(folder / str(os.getpid())).touch()
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Poll the processes often, and restore the environment afterwards."""
    monkeypatch.setattr(supervisor_module, "POLL_INTERVAL_S", 0.02)
    yield
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def run(
    folder: Path, how: str, *, then: Callable[[list[int]], None], count: int = 2, end_within_s: float = 120.0
) -> int:
    """Run processes, do something when all are there, and return the exit code."""
    command = [sys.executable, "-c", CHILD, str(folder), how]

    def wait_and_act() -> None:
        try:
            wait_until(lambda: how == "dies" or len(pids(folder)) >= count, what=f"{count} processes")
            then(pids(folder))
        except BaseException:
            end([])  # or the processes would be waited for without end
            raise

    watcher = threading.Thread(target=wait_and_act, daemon=True)
    watcher.start()
    supervisor = Supervisor(command, listener=bind("127.0.0.1", 0), count=count, end_within_s=end_within_s)
    code = supervisor.run()
    watcher.join(timeout=120)
    return code


def pids(folder: Path) -> list[int]:
    """Return the processes that have begun."""
    return sorted(int(path.name) for path in folder.iterdir())


def end(_: list[int]) -> None:
    """Send the termination signal to the current process."""
    os.kill(os.getpid(), signal.SIGTERM)


def gone(pid: int) -> bool:
    """Return whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()


def test_a_signal_ends_all_of_them_with_0(tmp_path: Path) -> None:
    assert run(tmp_path, "serves", then=end, count=3) == 0
    assert len(pids(tmp_path)) == 3
    assert all(gone(pid) for pid in pids(tmp_path))


def test_one_that_was_killed_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "EARLY_EXIT_S", 0.0)

    def kill_one(found: list[int]) -> None:
        os.kill(found[0], signal.SIGKILL)
        wait_until(lambda: len(pids(tmp_path)) >= 3)
        end(found)

    assert run(tmp_path, "serves", then=kill_one) == 0
    assert len(pids(tmp_path)) == 3


def test_one_that_cannot_be_replaced_now_is_tried_again_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dependency may be unavailable: the registry, or a good version in it."""
    monkeypatch.setattr(supervisor_module, "EARLY_EXIT_S", 0.3)
    monkeypatch.setattr(supervisor_module, "MAX_RESTART_DELAY_S", 0.05)
    left: list[bool] = []

    def kill_one(found: list[int]) -> None:
        time.sleep(1)  # at least: they have lasted
        os.kill(found[0], signal.SIGKILL)
        wait_until(lambda: len(pids(tmp_path)) >= 5)
        left.append(gone(found[1]))
        end(found)

    assert run(tmp_path, "once", then=kill_one) == 0
    assert len(pids(tmp_path)) >= 5, "it was tried three times"
    assert left == [False]


def test_one_that_cannot_start_ends_all_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "EARLY_EXIT_S", 600.0)  # however long an interpreter takes to start
    assert run(tmp_path, "dies", then=lambda _: None, count=1) == 1


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    assert run(tmp_path, "stubborn", then=end, end_within_s=0.3) == 1
    assert all(gone(pid) for pid in pids(tmp_path))


def test_one_that_was_asked_to_end_while_it_still_began_did_so(tmp_path: Path) -> None:
    assert run(tmp_path, "young", then=end) == 0


def test_a_child_whose_parent_has_died_already_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: None)  # no prctl for the process of the tests
    supervisor_module.exit_with_parent()
    monkeypatch.setenv("PETMOOD_PARENT_PID", str(os.getppid()))
    supervisor_module.exit_with_parent()
    monkeypatch.setenv("PETMOOD_PARENT_PID", "1")
    monkeypatch.setattr(os, "getppid", lambda: 2)
    with pytest.raises(SystemExit):
        supervisor_module.exit_with_parent()

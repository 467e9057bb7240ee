"""Tests of the process supervisor: shared socket, restarts, hung processes, metrics of dead ones, and shutdown."""

import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petmood.core.listening import bind
from petmood.serving import supervisor as supervisor_module
from petmood.serving import worker_process
from petmood.serving.supervisor import Supervisor
from tests.support.waiting import wait_until

CHILD = """
import os, signal, socket, sys, time
from pathlib import Path
folder, how = Path(sys.argv[1]), sys.argv[2]
assert sys.argv[3] == "--fd" and os.fstat(int(sys.argv[4]))
metrics = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
number, before = os.environ["PETMOOD_WORKER_NUMBER"], len(list(folder.iterdir()))
if how == "dies" or (how == "never again" and before >= 2):
    (folder / str(os.getpid())).touch()
    sys.exit(3)
if how == "killed at first" and before < 4:
    (folder / str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGKILL)
if how == "one is well" and number == "1" and before < 6:
    (folder / str(os.getpid())).touch()
    sys.exit(2)
if how != "young":
    signal.signal(signal.SIGTERM, signal.SIG_IGN if how == "stubborn" else lambda *_: sys.exit(0))
(metrics / f"gauge_livesum_{number}.db").write_text(str(os.getpid()))
(metrics / f"counter_{number}.db").touch()
connection = socket.socket(fileno=int(os.environ["PETMOOD_HEARTBEAT_SOCKET"]))
beats = how != "never ready"
if beats:
    connection.send(b".")
(folder / str(os.getpid())).touch()
while True:
    if beats and (how != "falls silent" or before):
        connection.send(b".")
    time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Poll the processes often, keep temporary files apart, and yield their folder, which is empty afterwards."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(supervisor_module, "POLL_INTERVAL_S", 0.02)
    monkeypatch.setattr(worker_process, "MIN_RESTART_DELAY_S", 0.01)
    yield folder
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    assert list(folder.iterdir()) == []


def run(
    folder: Path,
    how: str,
    *,
    then: Callable[[list[int]], None],
    count: int = 2,
    wait_for: int | None = None,
    end_within_s: float = 120.0,
) -> int:
    """Run processes, do something when all (or ``wait_for``) have begun, and return the exit code."""
    command = [sys.executable, "-c", CHILD, str(folder), how]

    def wait_and_act() -> None:
        try:
            wait_until(lambda: len(pids(folder)) >= (count if wait_for is None else wait_for), what="processes")
            then(pids(folder))
        except BaseException:
            end([])  # or the processes would be waited for without end
            raise

    watcher = threading.Thread(target=wait_and_act, daemon=True)
    watcher.start()
    supervisor = Supervisor(command, listeners=[bind("127.0.0.1", 0)], count=count, end_within_s=end_within_s)
    code = supervisor.run()
    watcher.join(timeout=120)
    assert not watcher.is_alive()
    return code


def pids(folder: Path) -> list[int]:
    """Return the processes that have begun, in their order."""
    paths = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    return [int(path.name) for path in paths]


def end(_: list[int]) -> None:
    """Send the termination signal to the current process."""
    os.kill(os.getpid(), signal.SIGTERM)


def gone(pid: int) -> bool:
    """Return whether a process has ended."""
    return not Path(f"/proc/{pid}").exists()


@pytest.mark.posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_of_them_with_0(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    assert run(tmp_path, "serves", then=lambda _: os.kill(os.getpid(), number), count=3) == 0
    assert len(pids(tmp_path)) == 3
    assert all(gone(pid) for pid in pids(tmp_path))
    assert signal.getsignal(number) == before


@pytest.mark.posix
def test_a_hangup_that_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    """As by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    found: list[object] = []

    def hang_up(all_of_them: list[int]) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        found.append(signal.getsignal(signal.SIGHUP))
        end(all_of_them)

    try:
        assert run(tmp_path, "serves", then=hang_up) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert found == [signal.SIG_IGN]


@pytest.mark.posix
def test_one_that_was_killed_just_after_its_start_is_replaced_and_the_others_go_on(tmp_path: Path) -> None:
    others: list[bool] = []

    def kill_two(found: list[int]) -> None:
        os.kill(found[0], signal.SIGKILL)
        wait_until(lambda: len(pids(tmp_path)) >= 3, what="the first replacement")
        os.kill(pids(tmp_path)[2], signal.SIGKILL)
        wait_until(lambda: len(pids(tmp_path)) >= 4, what="the second replacement")
        others.append(gone(found[1]))
        end(found)

    assert run(tmp_path, "serves", then=kill_two) == 0
    assert len(pids(tmp_path)) == 4
    assert others == [False]


def test_processes_that_the_system_killed_while_they_started_are_tried_again(tmp_path: Path) -> None:
    """As by want of memory: an error of the processes themselves ends the service, a signal does not."""
    assert run(tmp_path, "killed at first", then=end, wait_for=6) == 0


def test_one_that_fails_at_startup_is_tried_again_when_another_is_ready(tmp_path: Path) -> None:
    assert run(tmp_path, "one is well", then=end, wait_for=7) == 0
    assert len(pids(tmp_path)) == 7


def test_an_error_at_startup_ends_the_service_with_its_code_before_the_other_processes_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(tmp_path, "dies", then=lambda _: None, wait_for=1) == 3
    assert len(pids(tmp_path)) == 1
    assert caplog.text == "", "the process itself has reported its error"


def test_the_others_start_when_the_first_is_ready(tmp_path: Path) -> None:
    assert run(tmp_path, "never ready", then=end, count=3, wait_for=1) == 0
    assert len(pids(tmp_path)) == 1


@pytest.mark.posix
def test_the_service_ends_when_none_is_alive_and_restarts_keep_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor_module, "GIVE_UP_AFTER", 3)
    monkeypatch.setattr(worker_process, "MAX_RESTART_DELAY_S", 0.02)

    def kill_all(found: list[int]) -> None:
        for pid in found:
            os.kill(pid, signal.SIGKILL)

    assert run(tmp_path, "never again", then=kill_all) == 3
    assert len(pids(tmp_path)) == 2 + 2 * 2
    assert "every process has failed 3 times in a row; giving up" in caplog.text


def test_one_that_falls_silent_is_killed_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_process, "HEARTBEAT_WITHIN_S", 5.0)
    silent: list[bool] = []

    def wait_for_another(found: list[int]) -> None:
        wait_until(lambda: len(pids(tmp_path)) >= 2, what="a replacement")
        silent.append(gone(found[0]))
        end(found)

    assert run(tmp_path, "falls silent", then=wait_for_another, count=1) == 0
    assert silent == [True]
    assert f"process {pids(tmp_path)[0]} hangs (no heartbeat for 5 s); sending SIGKILL" in caplog.text


@pytest.mark.posix
def test_one_that_was_stopped_is_killed_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "HEARTBEAT_WITHIN_S", 5.0)

    def stop(found: list[int]) -> None:
        os.kill(found[0], signal.SIGSTOP)
        wait_until(lambda: gone(found[0]) and len(pids(tmp_path)) >= 3, what="a replacement")
        end(found)

    assert run(tmp_path, "serves", then=stop) == 0


def test_one_that_does_not_become_ready_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "READY_WITHIN_S", 5.0)
    assert run(tmp_path, "never ready", then=end, count=1, wait_for=2) == 0


@pytest.mark.posix
def test_what_a_dead_process_had_in_flight_is_forgotten_and_what_it_counted_stays(
    tmp_path: Path, looks_often: Path
) -> None:
    found: list[list[str]] = []

    def live() -> list[str]:
        return sorted(path.read_text() for path in looks_often.glob("petmood-metrics-*/gauge_live*"))

    def kill_one(begun: list[int]) -> None:
        wait_until(lambda: live() == sorted(map(str, begun)), what="live numbers")
        os.kill(begun[0], signal.SIGKILL)
        wait_until(lambda: str(begun[0]) not in live(), what="an end of the dead one's numbers")
        wait_until(lambda: len(pids(tmp_path)) >= 3, what="a replacement")
        found.append(sorted(path.name for path in looks_often.glob("petmood-metrics-*/counter_*")))
        end(begun)

    assert run(tmp_path, "serves", then=kill_one) == 0
    assert found == [["counter_0.db", "counter_1.db", "counter_supervisor.db"]], "a replacement continues its files"


@pytest.mark.posix
def test_numbers_of_a_process_that_ended_and_is_not_replaced_yet_are_gone(
    tmp_path: Path, looks_often: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "MIN_RESTART_DELAY_S", 600.0)
    monkeypatch.setattr(worker_process, "MAX_RESTART_DELAY_S", 600.0)

    def kill_one(begun: list[int]) -> None:
        wait_until(lambda: len(list(looks_often.glob("*/gauge_live*"))) == 2)
        os.kill(begun[0], signal.SIGKILL)
        wait_until(lambda: len(list(looks_often.glob("*/gauge_live*"))) == 1, what="an end of its numbers")
        end(begun)

    assert run(tmp_path, "serves", then=kill_one) == 0


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    assert run(tmp_path, "stubborn", then=end, end_within_s=0.3) == 1
    assert all(gone(pid) for pid in pids(tmp_path))


def test_one_that_was_asked_to_end_while_it_still_began_did_so(tmp_path: Path) -> None:
    assert run(tmp_path, "young", then=end) == 0


def test_a_system_without_room_for_a_process_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    start, refused = worker_process.WorkerProcess.start, [True, True]

    def refuse_twice(self: worker_process.WorkerProcess, environment: dict[str, str], *, now: float) -> None:
        if refused:
            refused.pop()
            raise BlockingIOError("Resource temporarily unavailable")
        start(self, environment, now=now)

    monkeypatch.setattr(worker_process.WorkerProcess, "start", refuse_twice)
    assert run(tmp_path, "serves", then=end) == 0
    assert "can't be started: Resource temporarily unavailable" in caplog.text

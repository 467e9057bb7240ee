"""Tests of a service's processes: killed and hung ones, hangup, a killed supervisor, other systems, and broken logs."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from petmood.core.bundle import Bundle
from petmood.core.listening import bind
from petmood.serving import worker_process
from petmood.serving.supervisor import Supervisor
from tests.support.other_system import path_of_other_system
from tests.support.served import COMMAND, END_S, Served, serving
from tests.support.waiting import wait_until

QUICK = {"PETMOOD_DRAIN_NOTICE_S": "0"}
one_and_two_workers = pytest.mark.parametrize("workers", ["1", "2"])


def with_workers(workers: str) -> list[str]:
    """Return the options for a number of processes."""
    return ["--port", "0", "--workers", workers]


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """Return the folder for temporary files of the service, in which nothing is left afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    yield folder
    assert list(folder.glob("petmood-*")) == []


def is_gone(pid: int) -> bool:
    """Return whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def is_replaced(served: Served, victim: int) -> bool:
    """Return whether a process is gone and there are two again."""
    return victim not in served.pids and len(served.pids) == 2


@pytest.mark.posix
@pytest.mark.proof
def test_a_process_and_its_replacement_are_killed_and_every_request_is_answered(
    bundle: Bundle, good: bytes, log: Path, temporary: Path
) -> None:
    """As by want of memory, within 5 seconds of a start: that ended the service though the other process was well."""
    options = with_workers("2")
    with serving(bundle.folder, log, options=options, given={"TMPDIR": str(temporary), **QUICK}) as served:
        wait_until(lambda: len(served.pids) == 2)
        survivor = served.pids[1]
        for kills in (1, 2):
            (victim,) = set(served.pids) - {survivor}
            os.kill(victim, signal.SIGKILL)
            wait_until(partial(is_replaced, served, victim), what="a replacement")
            assert [served.predict(good).status for _ in range(5)] == [200] * 5
            assert served.count("petmood_worker_restarts_total") == kills
        assert survivor in served.pids
        assert served.end() == 0


@pytest.mark.posix
@pytest.mark.proof
def test_a_process_that_hangs_is_killed_and_replaced(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_process, "HEARTBEAT_WITHIN_S", 20.0)
    command = [*COMMAND, str(bundle.folder), "--threads", "1", "--log", "json"]
    supervisor = Supervisor(command, listeners=[bind("127.0.0.1", 0)], count=1, end_within_s=END_S)
    workers: list[int] = []

    def stop_one() -> None:
        try:
            wait_until(lambda: supervisor._workers and supervisor._workers[0].ready, within_s=300)
            workers.append(supervisor._workers[0].pid)
            os.kill(workers[0], signal.SIGSTOP)
            wait_until(lambda: supervisor._workers[0].ready and supervisor._workers[0].pid != workers[0], within_s=300)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_one)
    thread.start()
    assert supervisor.run() == 0
    thread.join()
    assert is_gone(workers[0])
    assert f"process {workers[0]} hangs (no heartbeat for 20 s)" in caplog.text


@pytest.mark.posix
@pytest.mark.proof
@one_and_two_workers
def test_a_hangup_ends_it_as_sigterm_does(bundle: Bundle, log: Path, temporary: Path, workers: str) -> None:
    options = with_workers(workers)
    with serving(bundle.folder, log, options=options, given={"TMPDIR": str(temporary), **QUICK}) as served:
        pids = served.pids
        served.process.send_signal(signal.SIGHUP)
        assert served.process.wait(timeout=END_S) == 0
        assert all(is_gone(pid) for pid in pids)


@pytest.mark.posix
@pytest.mark.proof
@one_and_two_workers
def test_a_hangup_is_ignored_under_nohup(bundle: Bundle, log: Path, temporary: Path, workers: str) -> None:
    options, environment = with_workers(workers), {**QUICK, "TMPDIR": str(temporary)}
    with serving(bundle.folder, log, options=options, prefix=["nohup"], given=environment) as served:
        served.process.send_signal(signal.SIGHUP)
        time.sleep(1)  # at least
        assert served.ask("/readyz").status == 200
        assert served.end() == 0


@pytest.mark.proof
def test_after_a_kill_of_the_supervisor_its_processes_end_and_the_next_start_cleans_up(
    bundle: Bundle, log: Path, temporary: Path
) -> None:
    options = with_workers("2")
    with serving(bundle.folder, log, options=options, given={"TMPDIR": str(temporary), **QUICK}) as served:
        pids = served.pids
        served.process.kill()
        served.process.wait(timeout=END_S)
        wait_until(lambda: all(is_gone(pid) for pid in pids), what="an end of the processes")
    (left,) = temporary.glob("petmood-metrics-*")
    with serving(bundle.folder, log, options=options, given={"TMPDIR": str(temporary), **QUICK}) as served:
        assert not left.exists()
        assert len(list(temporary.glob("petmood-metrics-*"))) == 1
        assert served.end() == 0


@pytest.mark.proof
@one_and_two_workers
def test_it_starts_serves_and_ends_on_a_system_without_what_linux_alone_has(
    bundle: Bundle, good: bytes, log: Path, temporary: Path, tmp_path: Path, workers: str
) -> None:
    """As macOS: no affinity, no /proc, no prctl, no mallopt. ``serving`` sets the threads, so they are unset here."""
    path = os.pathsep.join([path_of_other_system(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    environment = {"PYTHONPATH": path, "PETMOOD_THREADS": "", "TMPDIR": str(temporary), **QUICK}
    check = "import os; assert not hasattr(os, 'sched_getaffinity') and not os.path.exists('/proc/self/stat')"
    subprocess.run([sys.executable, "-c", check], env={**os.environ, **environment}, check=True)
    with serving(bundle.folder, log, options=with_workers(workers), given=environment) as served:
        assert served.predict(good).status == 200
        assert served.count("petmood_worker_restarts_total") == 0
        pids = served.pids
        if workers == "2":
            served.process.kill()
            served.process.wait(timeout=END_S)
            wait_until(lambda: all(is_gone(pid) for pid in pids), what="an end of the processes")
            for folder in temporary.glob("petmood-metrics-*"):
                for path_left in folder.iterdir():
                    path_left.unlink()
                folder.rmdir()
        else:
            assert served.end() == 0


@pytest.mark.posix
@pytest.mark.proof
@one_and_two_workers
@pytest.mark.parametrize("log_to", ["nobody", "/dev/full", "closed"])
def test_a_log_that_cannot_be_written_ends_nothing(
    bundle: Bundle, good: bytes, temporary: Path, workers: str, log_to: str
) -> None:
    """As by ``petmood serve ... 2>&1 | head -1``, a full disk, and ``2>&-``; warnings are logged for each refusal."""
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()
    command = [*COMMAND, str(bundle.folder), "--port", str(port), "--workers", workers, "--log", "json"]
    redirected = {"nobody": "2>&1 | head -1", "/dev/full": ">/dev/full 2>&1", "closed": ">&- 2>&- <&-"}[log_to]
    environment = {**os.environ, "TMPDIR": str(temporary), "PETMOOD_THREADS": "1", **QUICK}
    script = f'set -o pipefail; "$@" {redirected}'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *command], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    served = Served(process, temporary / "no-log", port=port)

    def is_ready() -> bool:
        with contextlib.suppress(OSError):
            return served.ask("/readyz").status == 200
        return process.poll() is not None

    try:
        wait_until(is_ready, within_s=300)
        for _ in range(30):
            assert served.ask("/models/load", method="POST", body=b"{}").status == 403
        assert served.predict(good).status == 200
        (service,) = [pid for pid in served.pids if b"petmood" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(service, signal.SIGTERM)
        assert process.wait(timeout=END_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

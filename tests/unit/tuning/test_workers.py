"""Worker processes: job input, thread limits, exit with the parent, and one-line errors."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from petmood.core.errors import RunError
from petmood.tuning import workers
from petmood.tuning.workers import run_workers, share_of_threads

END_WITH_INPUT = """
import signal, sys
from petmood.tuning.workers import exit_when_stdin_closes
job = sys.stdin.readline().strip()
exit_when_stdin_closes()
print(job, flush=True)
while True:
    signal.pause()
"""
NOTES_ITS_JOB = """
import os, sys
from pathlib import Path
from typing import Any
job = sys.stdin.readline()
Path(f"job-{os.getpid()}").write_text(job + os.environ["OMP_NUM_THREADS"])
"""


def program(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let workers be another program than petmood, which takes seconds to start."""
    monkeypatch.setattr(workers, "COMMAND", (sys.executable, "-c", text))


@pytest.mark.parametrize(
    ("given", "count", "share"), [("8", 2, "4"), ("8", 3, "2"), ("1", 4, "1"), ("2", 9, "1"), ("8", 1, "8")]
)
def test_threads_are_shared_out_and_everybody_gets_one(given: str, count: int, share: str) -> None:
    assert share_of_threads({"OMP_NUM_THREADS": given}, count=count) == {"OMP_NUM_THREADS": share}


@pytest.mark.parametrize("given", ["", "many", "4,2"])
def test_without_a_number_the_processors_of_this_process_are_shared_out(given: str) -> None:
    processors = len(os.sched_getaffinity(0))
    assert share_of_threads({"OMP_NUM_THREADS": given}, count=1) == {"OMP_NUM_THREADS": str(processors)}
    assert share_of_threads({}, count=processors * 4) == {"OMP_NUM_THREADS": "1"}


@pytest.mark.spawns
def test_each_worker_gets_its_job_by_its_input_and_nothing_by_its_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    program(monkeypatch, NOTES_ITS_JOB)
    for _ in run_workers(["a=1", "b='x y'"], count=2, logs=tmp_path / "logs"):
        pass
    assert [path.read_text() for path in tmp_path.glob("job-*")] == ['["a=1", "b=\'x y\'"]\n3'] * 2


@pytest.mark.posix
@pytest.mark.spawns
def test_a_worker_that_refuses_ends_the_others_and_its_last_line_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(
        monkeypatch,
        "import os, signal, sys, pathlib\n"
        "sys.stdin.readline()\n"
        f"mine = pathlib.Path({str(tmp_path)!r}, str(os.getpid()))\n"
        "mine.write_text(mine.name)\n"
        "try: mine.with_name('first').hardlink_to(mine)\n"
        "except FileExistsError: sys.exit('a log line\\npetmood: No weights file x.')\n"
        "while True: signal.pause()\n",
    )
    with pytest.raises(RunError, match=r"^No weights file x\.$"):
        list(run_workers([], count=2, logs=tmp_path / "logs"))
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "first").read_text()), 0)


@pytest.mark.posix
@pytest.mark.spawns
def test_a_worker_that_was_killed_is_left_out_and_only_all_of_them_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dies_first = (
        "import os, pathlib\n"
        f"try: pathlib.Path({str(tmp_path)!r}, 'first').open('x')\n"
        "except FileExistsError: os._exit(0)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    program(monkeypatch, dies_first)
    list(run_workers([], count=2, logs=tmp_path / "logs"))
    assert "a worker ended with -9" in caplog.text
    program(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(RunError, match=r"Every worker was terminated from outside\. Resume with the same command"):
        list(run_workers([], count=2, logs=tmp_path / "logs"))


@pytest.mark.posix
@pytest.mark.spawns
def test_a_worker_that_dies_before_it_gets_its_job_is_left_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen

    def dead_at_once(*given: Any, **named: Any) -> "subprocess.Popen[bytes]":  # noqa: ANN401 - as Popen
        process = start(*given, **named)
        process.wait()
        return process

    program(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    monkeypatch.setattr(subprocess, "Popen", dead_at_once)
    with pytest.raises(RunError, match="Every worker was terminated from outside"):
        list(run_workers(["a=1"], count=2, logs=tmp_path / "logs"))


@pytest.mark.spawns
def test_a_worker_ends_when_the_other_end_of_its_input_does() -> None:
    command = [sys.executable, "-c", END_WITH_INPUT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write("a job\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "a job\n"
        assert worker.poll() is None
        worker.stdin.close()
        assert worker.wait(timeout=300) == -signal.SIGTERM

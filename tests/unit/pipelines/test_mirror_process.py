"""Mirror process: bounded end whatever the tracker does, and exit with its parent."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from petmood.pipelines.mirror import mirror_run
from petmood.pipelines.mirror_process import MirrorJob, MirrorOutcome, MirrorProcess, mirror_now, run_job
from petmood.pipelines.run_folder import RunFolder
from petmood.training.tracking.mlflow import MlflowTracker
from petmood.training.tracking.state import STATE_NAME
from tests.support.mirrors import check_mirror, runs_at
from tests.support.registries import empty_mlflow_store
from tests.support.tracked_runs import tracked_copy
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.spawns,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]


@pytest.fixture
def folder(small_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run that no tracker has yet, beside an empty MLflow."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_mlflow_store(), "mlflow.db")
    return tracked_copy(small_run, tmp_path / "run").path


def test_a_run_is_mirrored_and_mlflow_stays_out_of_this_process(folder: Path, tmp_path: Path) -> None:
    before = dict(os.environ)
    loaded = set(sys.modules)
    done = mirror_now(folder)
    assert done.sent > 50
    assert mirror_now(folder) == MirrorOutcome()
    assert not {name for name in set(sys.modules) - loaded if name.startswith(("mlflow", "sqlalchemy"))}
    assert dict(os.environ) == before
    assert len(runs_at(f"sqlite:///{tmp_path}/mlflow.db")) == 1


def test_another_address_gets_the_run_too(folder: Path, tmp_path: Path) -> None:
    mirror_now(folder)
    shutil.copyfile(empty_mlflow_store(), "other.db")
    uri = f"sqlite:///{tmp_path}/other.db"
    assert mirror_now(folder, uri=uri).sent > 50
    assert len(runs_at(uri)) == 1


@pytest.mark.posix
def test_a_tracker_that_answers_nothing_is_left_behind_in_time(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = MirrorProcess(MirrorJob(folder=folder, uri=uri))
        process.epoch_ended()
        connection, _ = silent.accept()
        with connection:
            outcome = process.end(within_s=0.5)  # it would wait for the answer for ever
    assert process._process.poll() == -signal.SIGKILL
    assert outcome == MirrorOutcome(problem="it did not answer within 0.5 s")


@pytest.mark.posix
def test_more_epochs_than_a_hanging_process_can_read_do_not_block(folder: Path) -> None:
    process = MirrorProcess(MirrorJob(folder=folder))
    os.kill(process._process.pid, signal.SIGSTOP)
    for _ in range(100_000):
        process.epoch_ended()
    assert process.end(within_s=0.1).problem == "it did not answer within 0.1 s"


@pytest.mark.posix
def test_a_process_that_was_killed_is_an_outcome(folder: Path) -> None:
    process = MirrorProcess(MirrorJob(folder=folder, uri="http://127.0.0.1:9"))
    os.kill(process._process.pid, signal.SIGKILL)
    process._process.wait()
    process.epoch_ended()
    outcome = process.end(within_s=600)
    assert outcome == MirrorOutcome(problem="the process that sends ended with code -9")


PARENT = """
import sys, time
from pathlib import Path
from petmood.pipelines.mirror import mirror_run
from petmood.pipelines.mirror_process import MirrorJob, MirrorProcess
print(MirrorProcess(MirrorJob(folder=Path(sys.argv[1])))._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.posix
def test_a_parent_that_was_killed_is_noticed_and_its_run_is_still_mirrored(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{child}/cmdline").exists(), within_s=600, what="the process ends")
    (run,) = runs_at(f"sqlite:///{tmp_path}/mlflow.db")
    assert run.info.status == "FINISHED"


def test_a_file_of_the_working_folder_is_not_taken_for_a_package(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.py").write_text("raise SystemExit('not this one')")
    assert mirror_now(folder).problem == ""


DYING = """
import sys
from pathlib import Path
from petmood.pipelines.mirror import mirror_run
from petmood.pipelines.mirror_process import MirrorJob, run_job
from petmood.training.tracking.mlflow import MlflowTracker
from mlflow import MlflowClient
import os, signal
left = int(sys.argv[2])
def dies(name):
    real = getattr(MlflowClient, name)
    def call(*given, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(*given, **named)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    setattr(MlflowClient, name, call)
for name in ("create_experiment", "create_run", "log_batch", "log_inputs", "log_artifact", "set_tag", "set_terminated"):
    dies(name)
outcome = run_job(MirrorJob(folder=Path(sys.argv[1])), signals=os.open(os.devnull, os.O_RDONLY))
sys.exit(outcome.problem or 0)
"""


@pytest.mark.posix
@pytest.mark.proof
def test_a_mirror_that_is_killed_before_or_after_any_write_is_completed_by_the_next(
    folder: Path, tmp_path: Path
) -> None:
    """Each attempt dies one step later, on an empty store."""
    uri, killed = f"sqlite:///{tmp_path}/mlflow.db", 0
    for steps in range(1, 100):
        shutil.copyfile(empty_mlflow_store(), "mlflow.db")
        done = subprocess.run([sys.executable, "-c", DYING, str(folder), str(steps)], check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        killed += 1
        mirror_run(folder, MlflowTracker(uri, "petmood"))
        assert mirror_run(folder, MlflowTracker(uri, "petmood")) == 0
        check_mirror(RunFolder(folder), uri, figures=False)
        assert len(runs_at(uri)) == 1
    assert killed == 2 * (1 + 1 + 3 + 1 + 3 + 1 + 1)


def test_any_problem_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    assert "can't be reached" in run_job(MirrorJob(folder=folder, uri="http://127.0.0.1:9"), signals=nothing).problem
    monkeypatch.setattr(MlflowTracker, "write", lambda *_, **__: 1 / 0)
    assert run_job(MirrorJob(folder=folder), signals=nothing).problem == "ZeroDivisionError: division by zero"
    (folder / STATE_NAME).unlink()
    assert "is not a tracked run" in run_job(MirrorJob(folder=folder), signals=nothing).problem
    os.close(nothing)

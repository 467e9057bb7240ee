"""Does a training live through a tracker that is down at its start, midway or at its end, and is all sent once?"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from petmood.training.folder import RunFolder
from petmood.training.tracking.sync import SENT_NAME, waiting
from tests.integration.killing import count_rows
from tests.integration.mirrors import check_mirror, runs_at, tracked_run
from tests.integration.mlflow_servers import MlflowServer
from tests.integration.small_sets import SMALL, write_small_set

pytestmark = [
    pytest.mark.proof,
    pytest.mark.spawns,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

PETMOOD = (sys.executable, "-m", "petmood")
EPOCHS = 60


@dataclass(frozen=True, slots=True)
class Trial:
    """A training as a command in a process of its own, and the server that it tells."""

    run: RunFolder
    server: MlflowServer
    command: tuple[str, ...]

    def begin(self, *, resume: bool = False, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it, or go on with it."""
        words = (*PETMOOD, "train", "--resume", str(self.run.path)) if resume else self.command
        return subprocess.Popen(
            words,
            cwd=self.run.path.parent,
            env={**os.environ, **(env or {})},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    """Return a training of many short epochs that tells a server which isn't begun yet."""
    server = MlflowServer(tmp_path / "server")
    data = write_small_set(tmp_path / "data")
    told = ("tracker=mlflow", f"tracker.uri={server.uri}", "tracker.deadline_s=20")
    wanted = (*SMALL, *told, f"data={data}", f"run.folder={tmp_path}", "name=x", f"epochs={EPOCHS}")
    return Trial(RunFolder(tmp_path / "x"), server, (*PETMOOD, "train", *wanted))


def sync(run: RunFolder, *more: str) -> subprocess.CompletedProcess[str]:
    """Type `petmood track sync RUN`."""
    command = [*PETMOOD, "track", "sync", str(run.path), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def wait_for(happened: Callable[[], bool], *, within_s: float = 120) -> None:
    """Wait until something has happened."""
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_told(trial: Trial) -> bool:
    """Tell whether the server has taken an epoch already."""
    return (trial.run.path / SENT_NAME).exists() and count_rows(trial.run.curves) > 2


def never(_: Trial) -> None:
    """Leave the server away from the start."""


def midway(trial: Trial) -> None:
    """Kill the server when it has taken some epochs."""
    wait_for(lambda: is_told(trial))
    trial.server.kill()


def at_the_end(trial: Trial) -> None:
    """Kill the server when the last epoch is in the table."""
    wait_for(lambda: count_rows(trial.run.curves) == EPOCHS)
    trial.server.kill()


def hanging(trial: Trial) -> None:
    """Let the server take connections and answer none."""
    wait_for(lambda: is_told(trial))
    trial.server.hang()


@pytest.mark.parametrize("trouble", [never, midway, at_the_end, hanging])
def test_a_tracker_that_goes_away_costs_the_training_one_line_and_gets_everything_once_later(
    trial: Trial, trouble: Callable[[Trial], None]
) -> None:
    with trial.server as server:
        if trouble is not never:
            server.begin()
        with trial.begin() as training:
            trouble(trial)
            out, err = training.communicate(timeout=180)
        assert (training.returncode, out) == (0, f"Run: {trial.run.path}. Next: petmood evaluate {trial.run.path}\n")
        left = waiting(trial.run.path)
        assert left > 0
        (warned,) = [line for line in err.splitlines() if not line.startswith("training: ")]
        assert f"{left} of the run's entries wait in {trial.run.path}/tracking.jsonl" in warned
        assert warned.endswith(f"Send them with: petmood track sync {trial.run.path}")
        server.kill()
        away = sync(trial.run)
        assert (away.returncode, away.stderr.count("\n")) == (2, 1)
        assert f"MLflow at {server.uri} can't be reached" in away.stderr
        server.begin()
        sent = sync(trial.run)
        assert (sent.returncode, sent.stderr) == (0, "")
        assert sent.stdout == f"{trial.run.path}: {left} sent, 0 waiting\n"
        numbers = check_mirror(trial.run, server.uri)
        assert sync(trial.run).stdout == f"{trial.run.path}: 0 sent, 0 waiting\n"
        assert sync(trial.run, "--again").returncode == 0
        assert check_mirror(trial.run, server.uri) == numbers


def test_two_that_send_at_once_make_no_duplicates(trial: Trial) -> None:
    with trial.server as server:
        with trial.begin() as training:
            training.communicate(timeout=180)
        server.begin()
        command = [*PETMOOD, "track", "sync", str(trial.run.path), "--again"]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [one.communicate(timeout=120)[0].endswith("0 waiting\n") for one in both] == [True, True]
        check_mirror(trial.run, server.uri)
        assert len(runs_at(server.uri)) == 1


def test_a_training_that_was_killed_and_gone_on_with_tells_each_epoch_once_in_the_same_run(trial: Trial) -> None:
    with trial.server as server:
        server.begin()
        for rows in (5, 25):
            with trial.begin(resume=rows > 5) as training:
                wait_for(lambda rows=rows: count_rows(trial.run.curves) >= rows)  # type: ignore[misc] # a default binds it
                training.send_signal(signal.SIGKILL)
        wait_for(lambda: tracked_run(trial.run, server.uri).info.status == "RUNNING")
        with trial.begin(resume=True) as training:
            _, err = training.communicate(timeout=180)
        assert training.returncode == 0
        assert "WARNING" not in err
        check_mirror(trial.run, server.uri)
        assert len(runs_at(server.uri)) == 1


def test_a_tracker_that_lost_its_memory_gets_everything_again(trial: Trial) -> None:
    with trial.server as server:
        server.begin()
        with trial.begin() as training:
            training.communicate(timeout=180)
        server.kill()
        (server.folder / "server.db").unlink()
        server.begin()
        assert sync(trial.run, "--again").returncode == 0
        check_mirror(trial.run, server.uri)


def test_no_key_is_in_the_folder_of_a_run_or_in_what_is_printed_or_sent(trial: Trial) -> None:
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "WANDB_API_KEY")
    keys = {name: secrets.token_hex(20) for name in names}
    with trial.server as server:
        server.begin()
        with trial.begin(env=keys) as training:
            wait_for(lambda: is_told(trial))
            server.kill()
            out, err = training.communicate(timeout=180)
        server.begin()
        sent = sync(trial.run)
        assert check_mirror(trial.run, server.uri)
    texts = [out.encode(), err.encode(), sent.stdout.encode(), sent.stderr.encode()]
    files = [path for folder in (trial.run.path, server.folder) for path in folder.rglob("*") if path.is_file()]
    texts += [path.read_bytes() for path in files]
    assert len(files) > 8
    assert [key for key in keys.values() if any(key.encode() in text for text in texts)] == []

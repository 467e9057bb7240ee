"""Training with a tracker that is down at the start, midway or at the end, and every entry sent once."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from petmood.pipelines.run_folder import RunFolder
from tests.support.halts import Halts
from tests.support.mirrors import check_mirror, runs_at, tracked_run
from tests.support.mlflow_servers import MlflowServer
from tests.support.small_sets import SMALL, write_small_set
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.proof,
    pytest.mark.spawns,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
]

PETMOOD = (sys.executable, "-m", "petmood")
EPOCHS = 20
GENEROUS = "tracker.deadline_s=1200"
SYNC = """
import sys
from petmood.cli.app import main
from petmood.pipelines import mirror_process
mirror_process.SYNC_LOCK_S = 1200.0  # on a slow machine, too, the second waits until the first has sent all
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """A training as a command in a process of its own, the server that it tells, and where it halts."""

    run: RunFolder
    server: MlflowServer
    halts: Halts
    overrides: tuple[str, ...]

    def begin(self, *changed: str, resume: bool = False, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it, or go on with it."""
        words = ("--resume", str(self.run.path)) if resume else (*self.overrides, *changed)
        return subprocess.Popen(
            self.halts.command("train", *words),
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
    tracker = ("tracker=mlflow", f"tracker.uri={server.uri}", GENEROUS)
    wanted = (*SMALL, *tracker, f"data={data}", f"run.folder={tmp_path}", "name=x", f"epochs={EPOCHS}")
    return Trial(RunFolder(tmp_path / "x"), server, Halts(tmp_path / "halts"), wanted)


def sync(run: RunFolder, *more: str) -> subprocess.CompletedProcess[str]:
    """Type `petmood track sync RUN`."""
    command = [*PETMOOD, "track", "sync", str(run.path), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def is_logged(trial: Trial) -> bool:
    """Tell whether the server has an epoch already."""
    return any("val/loss" in run.data.metrics for run in runs_at(trial.server.uri))


@contextmanager
def halted(trial: Trial, training: subprocess.Popen[str], *, epoch: int) -> Iterator[None]:
    """Wait until the training has written the row of an epoch, where it stays for the block."""

    def reached() -> bool:
        assert training.poll() is None, training.communicate()
        return bool(trial.halts.reached(trial.run.path.name, epoch=epoch))

    wait_until(reached, within_s=600, what=f"epoch {epoch}")
    yield
    trial.halts.remove(trial.run.path.name, epoch=epoch)


@dataclass(frozen=True, slots=True)
class Outage:
    """What happens to the server while the training stands at an epoch, and how long the training waits at its end."""

    epoch: int | None
    happens: Callable[[MlflowServer], None] = MlflowServer.kill
    overrides: tuple[str, ...] = ()


OUTAGES = {
    "never there": Outage(None),
    "killed midway": Outage(EPOCHS // 2),
    "killed at the end": Outage(EPOCHS - 1),
    "hanging": Outage(EPOCHS // 2, MlflowServer.hang, ("tracker.deadline_s=5",)),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
def test_a_tracker_that_goes_away_costs_the_training_one_line_and_gets_everything_once_later(
    trial: Trial, outage: Outage
) -> None:
    with trial.server as server:
        if outage.epoch is not None:
            server.begin()
            trial.halts.add("x", epoch=outage.epoch)
        with trial.begin(*outage.overrides) as training:
            if outage.epoch is not None:
                with halted(trial, training, epoch=outage.epoch):
                    wait_until(lambda: is_logged(trial), within_s=600, what="an epoch in the tracker")
                    outage.happens(server)
            out, err = training.communicate(timeout=1800)
        assert (training.returncode, out) == (0, f"Run: {trial.run.path}. Next: petmood evaluate {trial.run.path}\n")
        (warned,) = [line for line in err.splitlines() if not line.startswith("training: ")]
        assert f"{trial.run.path} is not complete in mlflow yet: " in warned
        assert warned.endswith(f"Send it with: petmood track sync {trial.run.path}")
        server.kill()
        away = sync(trial.run)
        assert (away.returncode, away.stderr.count("\n")) == (2, 1)
        assert f"MLflow at {server.uri} can't be reached" in away.stderr
        server.begin()
        sent = sync(trial.run)
        assert (sent.returncode, sent.stderr) == (0, "")
        assert int(sent.stdout.removeprefix(f"{trial.run.path}: ").removesuffix(" sent\n")) > 0
        numbers = check_mirror(trial.run, server.uri)
        assert sync(trial.run).stdout == f"{trial.run.path}: 0 sent\n"
        assert check_mirror(trial.run, server.uri) == numbers


def test_a_server_that_hangs_and_answers_after_the_training_has_everything_once(trial: Trial) -> None:
    """It may store late what the training gave up on, before or after the sync."""
    with trial.server as server:
        server.begin()
        trial.halts.add("x", epoch=EPOCHS // 2)
        with trial.begin("tracker.deadline_s=5") as training:
            with halted(trial, training, epoch=EPOCHS // 2):
                wait_until(lambda: is_logged(trial), within_s=600, what="an epoch in the tracker")
                server.hang()
            _, err = training.communicate(timeout=1800)
        assert "is not complete in mlflow yet: it did not answer within 5 s" in err
        server.go_on()
        assert sync(trial.run).returncode == 0
        check_mirror(trial.run, server.uri)
        assert len(runs_at(server.uri)) == 1


def test_a_server_that_restarts_midway_is_no_reason_for_a_word(trial: Trial) -> None:
    with trial.server as server:
        server.begin()
        trial.halts.add("x", epoch=EPOCHS // 2)
        with trial.begin() as training:
            with halted(trial, training, epoch=EPOCHS // 2):
                wait_until(lambda: is_logged(trial), within_s=600, what="an epoch in the tracker")
                server.kill()
                server.begin()
            _, err = training.communicate(timeout=1800)
        assert "WARNING" not in err
        check_mirror(trial.run, server.uri)


def test_two_that_send_at_once_make_no_duplicates(trial: Trial) -> None:
    with trial.server as server:
        with trial.begin() as training:
            training.communicate(timeout=1800)
        server.begin()
        command = [sys.executable, "-c", SYNC, "track", "sync", str(trial.run.path)]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [one.communicate(timeout=1800)[0].endswith(" sent\n") for one in both] == [True, True]
        check_mirror(trial.run, server.uri)
        assert len(runs_at(server.uri)) == 1


@pytest.mark.posix
def test_a_training_that_was_killed_and_gone_on_with_logs_each_epoch_once_in_the_same_run(trial: Trial) -> None:
    with trial.server as server:
        server.begin()
        for epoch in (4, 12):
            trial.halts.add("x", epoch=epoch)
            with trial.begin(resume=epoch > 4) as training, halted(trial, training, epoch=epoch):
                training.send_signal(signal.SIGKILL)
                training.wait()
        wait_until(
            lambda: tracked_run(trial.run, server.uri).info.status == "RUNNING", within_s=600, what="a run that goes on"
        )
        with trial.begin(resume=True) as training:
            _, err = training.communicate(timeout=1800)
        assert training.returncode == 0
        assert "WARNING" not in err
        check_mirror(trial.run, server.uri)
        assert len(runs_at(server.uri)) == 1


def test_a_tracker_that_lost_its_memory_gets_everything_again(trial: Trial) -> None:
    with trial.server as server:
        server.begin()
        with trial.begin() as training:
            training.communicate(timeout=1800)
        server.kill()
        (server.folder / "server.db").unlink()
        server.begin()
        assert sync(trial.run).returncode == 0
        check_mirror(trial.run, server.uri)


def test_no_key_is_in_the_folder_of_a_run_or_in_what_is_printed_or_sent(trial: Trial) -> None:
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "WANDB_API_KEY")
    keys = {name: secrets.token_hex(20) for name in names}
    with trial.server as server:
        server.begin()
        trial.halts.add("x", epoch=EPOCHS // 2)
        with trial.begin(env=keys) as training:
            with halted(trial, training, epoch=EPOCHS // 2):
                wait_until(lambda: is_logged(trial), within_s=600, what="an epoch in the tracker")
                server.kill()
            out, err = training.communicate(timeout=1800)
        server.begin()
        sent = sync(trial.run)
        assert check_mirror(trial.run, server.uri)
    texts = [out.encode(), err.encode(), sent.stdout.encode(), sent.stderr.encode()]
    files = [path for folder in (trial.run.path, server.folder) for path in folder.rglob("*") if path.is_file()]
    texts += [path.read_bytes() for path in files]
    assert len(files) > 8
    assert [key for key in keys.values() if any(key.encode() in text for text in texts)] == []

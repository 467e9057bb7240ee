"""Sweep run as a command in its own process, which a test drives and stops."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tests.support.halts import ANY, Halts
from tests.support.small_sets import SMALL
from tests.support.waiting import wait_until

SWEEP = (*SMALL, "epochs=6", "search=first", "search.startup=3", "search.warmup=1")
"""Overrides of a sweep whose trials take a second or two."""


def begin(overrides: Sequence[str], *, cwd: Path, halts: Halts | None = None) -> subprocess.Popen[bytes]:
    """Start `petmood sweep`; what it prints goes to files in ``cwd``. Trials halt where ``halts`` says so."""
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    command = halts.command("sweep") if halts else [sys.executable, "-m", "petmood", "sweep"]
    with (cwd / "out.txt").open("ab") as out, (cwd / "err.txt").open("ab") as err:
        return subprocess.Popen([*command, *overrides], cwd=cwd, stdout=out, stderr=err, env=environment)


def finish(overrides: Sequence[str], *, cwd: Path, wait_s: float = 1800) -> str:
    """Run `petmood sweep` to its end and return what it printed."""
    (cwd / "out.txt").unlink(missing_ok=True)
    (cwd / "err.txt").unlink(missing_ok=True)
    with begin(overrides, cwd=cwd) as process:
        code = process.wait(timeout=wait_s)
    assert code == 0, (cwd / "err.txt").read_text()
    return (cwd / "out.txt").read_text()


def kill_at(halts: Halts, trial: str, *, epoch: int, overrides: Sequence[str], cwd: Path) -> None:
    """Run `petmood sweep` until a trial has written the row of an epoch, and kill it there by SIGKILL."""
    halts.add(trial, epoch=epoch)
    with begin(overrides, cwd=cwd, halts=halts) as process:
        wait_halted(halts, process, trial, epoch=epoch, cwd=cwd)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    halts.remove(trial, epoch=epoch)


def wait_halted(
    halts: Halts, process: subprocess.Popen[bytes], trial: str = ANY, *, epoch: int = 0, count: int = 1, cwd: Path
) -> list[int]:
    """Wait until so many processes of a sweep have halted, and return their ids; a sweep that ends fails the test."""

    def halted() -> list[int]:
        assert process.poll() is None, (cwd / "err.txt").read_text()
        found = halts.reached(trial, epoch=epoch)
        return found if len(found) >= count else []

    return wait_until(halted, within_s=600, what=f"{count} processes at epoch {epoch} of trial {trial}")


def wait_ended(processes: Iterable[int]) -> None:
    """Wait until none of the processes is there any more, but for zombies."""

    def is_alive(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    wait_until(lambda: not any(map(is_alive, processes)), within_s=600, what=f"the end of {processes}")


def trials_of(url: str, name: str = "first") -> list[FrozenTrial]:
    """Return a study's trials, none before there is one; only looks, so that it can't be in the sweep's way."""
    if url.startswith("sqlite") and not Path(url.removeprefix("sqlite:///")).is_file():
        return []
    try:
        storage = RDBStorage(url, engine_kwargs={"poolclass": NullPool}, skip_table_creation=True)
        try:
            return optuna.load_study(study_name=name, storage=storage).get_trials()
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (KeyError, RuntimeError, SQLAlchemyError, optuna.exceptions.OptunaError):
        return []


def running(url: str) -> list[FrozenTrial]:
    """Return the trials that are marked as running."""
    return [trial for trial in trials_of(url) if trial.state == TrialState.RUNNING]


def table(folder: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a sweep's trials.csv by their number, without what differs between two runs of one sweep."""
    with (folder / "trials.csv").open(newline="") as file:
        rows = {row["trial"]: row for row in csv.DictReader(file)}
    return {number: {k: v for k, v in row.items() if k not in {"seconds", "run"}} for number, row in rows.items()}

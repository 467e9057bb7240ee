"""How is a sweep driven and stopped from outside? As the command that a person types, in a process of its own."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from tests.integration.small_sets import SMALL

SWEEP = (*SMALL, "epochs=6", "search=first", "search.startup=3", "search.warmup=1")
"""Overrides of a sweep whose trials take a second or two."""


def begin(overrides: Sequence[str], *, cwd: Path) -> subprocess.Popen[bytes]:
    """Start `petmood sweep`; what it prints goes to files in ``cwd``."""
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    with (cwd / "out.txt").open("ab") as out, (cwd / "err.txt").open("ab") as err:
        command = [sys.executable, "-m", "petmood", "sweep", *overrides]
        return subprocess.Popen(command, cwd=cwd, stdout=out, stderr=err, env=environment)


def finish(overrides: Sequence[str], *, cwd: Path, wait_s: float = 600) -> str:
    """Run `petmood sweep` to its end and return what it printed."""
    (cwd / "out.txt").unlink(missing_ok=True)
    (cwd / "err.txt").unlink(missing_ok=True)
    with begin(overrides, cwd=cwd) as process:
        code = process.wait(timeout=wait_s)
    assert code == 0, (cwd / "err.txt").read_text()
    return (cwd / "out.txt").read_text()


def kill_when(process: subprocess.Popen[bytes], moment: Callable[[], bool], *, wait_s: float = 120) -> None:
    """Kill a process by SIGKILL as soon as ``moment`` has come."""

    def has_come() -> bool:
        assert process.poll() is None, f"it ended by itself with {process.returncode}"
        return moment()

    until(has_come, wait_s=wait_s)
    process.send_signal(signal.SIGKILL)
    process.wait()


def until(moment: Callable[[], bool], *, wait_s: float = 120) -> None:
    """Wait for a moment."""
    deadline = time.monotonic() + wait_s
    while not moment():
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.02)


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

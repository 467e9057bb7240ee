"""Trainings in child processes that end at a chosen moment, by SIGKILL or by a disk error."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.pipelines.run_folder import RunFolder
from tests.support.source_tree import ROOT

PROGRAM = """
import json, os, resource, signal, sys
from pathlib import Path
import gcsfs, s3fs  # Lightning imports them when it begins to train: a second that no child should pay
from petmood.cli import app
from petmood.configs.load import from_file
from petmood.training import callbacks
from petmood.pipelines.train import train
sys.path.insert(0, sys.argv[1])
from tests.support.kill_points import die_after

def die(rows, calls, real=callbacks.CsvMetricsCallback.on_train_epoch_end):
    def write_row(self, *given):
        real(self, *given)
        if len(self.rows) == rows:
            die_after(calls)
    callbacks.CsvMetricsCallback.on_train_epoch_end = write_row

def refuse_from_now_on(limit, real=callbacks.atomic_write_bytes):
    def write(path, data):
        if path.name == "last.ckpt" and path.exists():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        real(path, data)
    callbacks.atomic_write_bytes = write

def work(job):
    os.dup2(os.open(job["stderr"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    os.dup2(2, 1)
    if job["limit"]:
        refuse_from_now_on(job["limit"])
    if job["rows"] is not None:
        die(job["rows"], job["calls"])
        if job["rows"] <= job["reached"]:
            die_after(job["calls"])
    if Path(job["run"], "run.json").exists():
        return app.main(["train", "--resume", job["run"]]) or 0
    train(from_file(Path(job["settings"])))
    return 0

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work(json.loads(line))
        except SystemExit as end:
            code = end.code
        finally:
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Import everything once; then train, or go on training, in a fork for each line that comes in."""


@dataclass(frozen=True, slots=True)
class Nursery:
    """A process that starts trainings as children, so that each begins without importing anything."""

    process: subprocess.Popen[str]

    def begin(self, config: Config, run: RunFolder, *, limit: int | None = None) -> int:
        """Begin or go on with a run; return the child's process id. ``limit``: no larger file after one epoch."""
        return self._begin(config, run, limit=limit)

    def end(self) -> int:
        """Wait for the child; return its exit code, negative for a signal."""
        return int(self._receive())

    def kill(self, config: Config, run: RunFolder, *, after_epochs: int, then_calls: int = 0) -> int:
        """Begin or go on with a run that kills itself ``then_calls`` after its table of curves has so many rows.

        Where the table has them already, the calls are counted from the start. Return the exit code: that of the run
        itself where it ended before.
        """
        self._begin(config, run, rows=after_epochs, calls=then_calls, reached=count_rows(run.metrics_csv))
        return self.end()

    def _begin(self, config: Config, run: RunFolder, **wanted: int | None) -> int:
        settings = run.path.parent / f"{run.path.name}.yaml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(dump(config))
        job = {
            "settings": str(settings),
            "run": str(run.path),
            "stderr": f"{settings}.txt",
            "limit": None,
            "rows": None,
        }
        self._send(json.dumps(job | wanted))
        return int(self._receive())

    def _send(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def _receive(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Yield a nursery that is ready, and end it afterwards."""
    command = [sys.executable, "-c", PROGRAM, str(ROOT)]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield Nursery(process)
        finally:
            assert process.stdin
            process.stdin.close()


def count_rows(path: Path) -> int:
    """Return how many epochs a table of curves has, 0 before there is one."""
    return max(0, len(path.read_text().splitlines()) - 1) if path.exists() else 0


def same_weights(first: RunFolder, second: RunFolder) -> bool:
    """Tell whether two runs ended with weights equal to the last bit."""
    one, other = load_file(first.weights), load_file(second.weights)
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)

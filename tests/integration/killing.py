"""How is a training stopped at a chosen moment? In a child of its own, by SIGKILL or by a disk that refuses."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.training.folder import RunFolder

PROGRAM = """
import json, os, resource, signal, sys
from pathlib import Path
import gcsfs, s3fs  # Lightning imports them when it begins to train: a second that no child should pay
from petmood.cli import app
from petmood.configs.load import from_file
from petmood.training import callbacks
from petmood.training.run import train

def refuse_from_now_on(limit, real=callbacks.write_bytes):
    def write(path, data):
        if path.name == "last.ckpt" and path.exists():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        real(path, data)
    callbacks.write_bytes = write

def work(job):
    os.dup2(os.open(job["stderr"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    os.dup2(2, 1)
    if job["limit"]:
        refuse_from_now_on(job["limit"])
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
        settings = run.path.parent / f"{run.path.name}.yaml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(dump(config))
        job = {"settings": str(settings), "run": str(run.path), "limit": limit, "stderr": f"{settings}.txt"}
        self._send(json.dumps(job))
        return int(self._receive())

    def end(self) -> int:
        """Wait for the child; return its exit code, negative for a signal."""
        return int(self._receive())

    def kill(
        self, config: Config, run: RunFolder, *, after_epochs: int, then_s: float = 0.0, wait_s: float = 120
    ) -> int:
        """Begin or go on with a run, and kill it ``then_s`` after its table of curves has so many rows.

        Return the exit code: that of the run itself where it ended before.
        """
        child = self.begin(config, run)
        deadline = time.monotonic() + wait_s
        with contextlib.suppress(ProcessLookupError):  # it has ended
            while count_rows(run.curves) < after_epochs and time.monotonic() < deadline:
                os.kill(child, 0)
                time.sleep(0.002)
            time.sleep(then_s)
            os.kill(child, signal.SIGKILL)
        return self.end()

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
    command = [sys.executable, "-c", PROGRAM]
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

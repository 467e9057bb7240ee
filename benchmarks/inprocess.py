"""Upper limit of this machine's throughput: decoding and the network alone, one process per core, no HTTP.

python -m benchmarks.inprocess BUNDLE PHOTO ... reads seconds from its standard input, one line per measurement.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.services import clean_environment
from petmood.core.bundle import verify
from petmood.core.image import load
from petmood.inference.onnx import OnnxSession

__all__ = ["InProcess", "in_process", "main"]


@dataclass(frozen=True, slots=True)
class InProcess:
    """Idle processes with loaded networks, which run on request."""

    processes: tuple[subprocess.Popen[str], ...]

    @property
    def pids(self) -> list[int]:
        """The process IDs."""
        return [process.pid for process in self.processes]

    def photos_per_s(self, seconds: float) -> float:
        """Run all processes for some seconds; return their total throughput."""
        for process in self.processes:
            pipe(process.stdin).write(f"{seconds}\n")
            pipe(process.stdin).flush()
        return sum(float(json.loads(pipe(process.stdout).readline())) for process in self.processes)


@contextlib.contextmanager
def in_process(bundle: Path, photos: list[str], *, count: int) -> Iterator[InProcess]:
    """Start ``count`` processes with one thread each, and end them afterwards."""
    command = [sys.executable, "-m", "benchmarks.inprocess", str(bundle), *photos]
    started = tuple(
        subprocess.Popen(command, text=True, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(count)
    )
    try:
        yield InProcess(started)
    finally:
        for process in started:
            process.kill()
            process.wait()
            pipe(process.stdin).close()
            pipe(process.stdout).close()


def pipe(end: IO[str] | None) -> IO[str]:
    """Return the pipe, which must exist."""
    if end is None:
        raise RuntimeError("The process was started without this pipe.")
    return end


def main() -> None:
    """Predict photos in a loop, for as many seconds as each input line gives; print photos per second."""
    folder = Path(sys.argv[1])
    spec = verify(folder).manifest.image
    session = OnnxSession(folder / "model.onnx", threads=1)
    photos = cycle([Path(name).read_bytes() for name in sys.argv[2:]])
    for line in sys.stdin:
        began, done, seconds = time.perf_counter(), 0, float(line)
        while time.perf_counter() - began < seconds:
            session.logits(load(next(photos), spec).pixels[np.newaxis])
            done += 1
        print(json.dumps(done / (time.perf_counter() - began)), flush=True)


if __name__ == "__main__":
    main()

"""Commands in forked processes that stop before each change of the disk, under a test's control."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.source_tree import ROOT

DEADLINE_S: Final = 300.0
"""Far more than any step takes; only a fault waits so long."""

PROGRAM: Final = """
import json, os, shutil, sys
from pathlib import Path
import petmood.cli.data, petmood.cli.registry, petmood.registry.folder, petmood.registry.uri
from petmood.cli import app
from petmood.core import output_paths
from petmood.core.bundle import MANIFEST, read, write
from petmood.core.errors import PetmoodError
from petmood.data.duplicates import near_duplicates
from petmood.data.sources import folder
from tests.support.trees import mirror_finder
near_duplicates.find_near_duplicates = mirror_finder
POINTS = [(Path, "rename"), (Path, "mkdir"), (Path, "write_bytes"), (Path, "replace"), (Path, "unlink"),
          (os, "link"), (os, "fsync"), (shutil, "rmtree")]

def stop_at(owner, name, said, go):
    real = getattr(owner, name)
    def stopped(*args, **named):
        words = [name, *(Path(one).name for one in args[:2] if isinstance(one, (str, Path)))]
        said.write(" ".join(words) + "\\n")
        said.flush()
        if not go.readline():
            os._exit(71)
        return real(*args, **named)
    setattr(owner, name, stopped)

def write_bundle(source, target):
    manifest = read(source)
    try:
        write(target, manifest, {name: (source / name).read_bytes() for name in manifest.files}, replace=True)
    except PetmoodError as error:
        print(f"petmood: {error}", file=sys.stderr)
        return error.exit_code
    return 0

def work(job):
    os.umask(job["umask"])
    os.dup2(os.open(job["stderr"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if job["mounts"]:
        output_paths.MOUNTS = Path(job["mounts"])
    if job["said"]:
        said, go = open(job["said"], "w"), open(job["go"])
        for owner, name in POINTS:
            stop_at(owner, name, said, go)
    words = job["words"]
    if words[0] == "bundle":
        return write_bundle(*map(Path, words[1:]))
    return app.main(words) or 0

for line in sys.stdin:
    order, value = json.loads(line)
    if order == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(value, 0)[1]), flush=True)
        continue
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = work(value)
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(child, flush=True)
"""
"""Import everything once; then run each command of a line in a fork."""


class SteppedCommand:
    """A command that stands before its next change of the disk; ``at`` names it, "" where the command has ended."""

    def __init__(self, starter: "Starter", pid: int, said: int, go: int, errors: Path) -> None:
        self._starter, self._pid, self._said, self._go, self._errors = starter, pid, said, go, errors
        self._heard = b""
        self.at = ""
        self.code: int | None = None
        self._hear()

    def go(self) -> None:
        """Let the command make its change, and wait until it stands before the next one or has ended."""
        os.write(self._go, b"go\n")
        self._hear()

    def kill(self) -> None:
        """End the command where it stands."""
        os.kill(self._pid, 9)
        self.at = ""
        self._end()

    @property
    def errors(self) -> str:
        """What the command wrote to stderr."""
        return self._errors.read_text()

    def _hear(self) -> None:
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self._said], [], [], DEADLINE_S)
            assert ready, "the command said nothing"
            data = os.read(self._said, 4096)
            if not data:
                self.at = ""
                self._end()
                return
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        self.at = line.decode()

    def _end(self) -> None:
        if self.code is None:
            self.code = self._starter.wait(self._pid)
            os.close(self._said)
            os.close(self._go)


class Starter:
    """A process that starts commands as its children, so that none imports anything."""

    def __init__(self, process: "subprocess.Popen[str]", scratch: Path) -> None:
        self._process, self._scratch, self._count = process, scratch, 0
        self._stepped: list[SteppedCommand] = []

    def step(self, words: list[str], *, mounts: Path | None = None, umask: int = 0o022) -> SteppedCommand:
        """Start a command; it stands before its first change."""
        pipes = [self._path(name) for name in ("said", "go")]
        for pipe in pipes:
            os.mkfifo(pipe)
        pid, errors = self._start(words, pipes=pipes, mounts=mounts, umask=umask)
        said, go = os.open(pipes[0], os.O_RDONLY), os.open(pipes[1], os.O_WRONLY)
        self._stepped.append(SteppedCommand(self, pid, said, go, errors))
        return self._stepped[-1]

    def kill_stepped(self) -> None:
        """End the commands that are under way, such as those of a test that failed."""
        for command in self._stepped:
            if command.code is None:
                command.kill()
        self._stepped.clear()

    def run(self, words: list[str], *, umask: int = 0o022) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it wrote to stderr."""
        pid, errors = self._start(words, pipes=["", ""], mounts=None, umask=umask)
        return self.wait(pid), errors.read_text()

    def wait(self, pid: int) -> int:
        """Wait for the end of a child; return its exit code, negative for a signal."""
        return int(self._ask("wait", pid))

    def _path(self, name: str) -> str:
        self._count += 1
        return str(self._scratch / f"{name}-{self._count}")

    def _start(self, words: list[str], *, pipes: list[str], mounts: Path | None, umask: int) -> tuple[int, Path]:
        errors = Path(self._path("stderr"))
        job = {"words": words, "said": pipes[0], "go": pipes[1], "stderr": str(errors), "umask": umask}
        return int(self._ask("start", job | {"mounts": str(mounts or "")})), errors

    def _ask(self, order: str, value: object) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([order, value]) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def starter(scratch: Path) -> Iterator[Starter]:
    """Yield a process that starts commands, and end it afterwards."""
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), *(path for path in sys.path if path)])}
    command = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, **paths}
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            yield Starter(process, scratch)
        finally:
            assert process.stdin
            process.stdin.close()

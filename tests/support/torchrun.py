"""Trainings in several processes under torchrun, with what each process wrote and where one of them kills itself."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.e2e_servers import server_environment
from tests.support.ports import free_port
from tests.support.source_tree import ROOT

WITHIN_S: Final = 600.0
"""After so long a training hangs, even on a busy machine."""
PROGRAM: Final = """
import os, signal, sys, time
from pathlib import Path

notes, die, *words = sys.argv[1:]
rank = os.environ["RANK"]
Path(notes, f"pid-{rank}").write_text(str(os.getpid()))
written = os.open(Path(notes, f"written-{rank}"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)

def note(event, given):
    names = []
    if event == "open" and isinstance(given[0], (str, os.PathLike)) and given[2] & (os.O_WRONLY | os.O_RDWR):
        names = [(given[0], -1)]
    elif event == "os.rename":
        names = [(given[0], given[2]), (given[1], given[3])]
    elif event == "os.mkdir":
        names = [(given[0], given[2])]
    elif event == "os.remove":
        names = [(given[0], given[1])]
    for name, folder in names:
        place = os.getcwd() if folder == -1 else os.readlink(f"/proc/self/fd/{folder}")
        os.write(written, f"{os.path.normpath(os.path.join(place, name))}\\n".encode())

sys.addaudithook(note)

def die_at(step):
    from petmood.models.classifier import ExpressionClassifier
    real = ExpressionClassifier.training_step
    def training_step(self, *given):
        if self.global_step == step:
            Path(notes, "killed").write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *given)
    ExpressionClassifier.training_step = training_step

who, _, when = die.partition(":")
if who == rank:
    die_at(int(when))
from petmood.cli.app import main
sys.exit(main(words) or 0)
"""
"""``petmood`` with notes of the files that this process opens for writing, makes, renames and removes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the processes ended: torchrun's exit status, what they said, and the files that each one wrote.

    ``after_s``: seconds from the kill of one to the end of all; None if none was killed.
    """

    status: int
    said: str
    written: tuple[frozenset[str], ...]
    pids: tuple[int, ...]
    after_s: float | None = None

    @property
    def lines(self) -> list[str]:
        """petmood's own messages."""
        return [line for line in self.said.splitlines() if line.startswith("petmood: ")]


def torchrun(
    words: Sequence[str],
    *,
    home: Path,
    processes: int = 2,
    die: str = "",
    program: str = PROGRAM,
) -> Ended:
    """Run petmood in several processes and wait for their end; ``die``: "RANK:STEP" kills itself there.

    Raises:
        subprocess.TimeoutExpired: torchrun did not end in time.
    """
    home.mkdir(parents=True, exist_ok=True)
    script = home / "program.py"
    script.write_text(program)
    for old in (*home.glob("pid-*"), *home.glob("written-*"), *home.glob("killed")):
        old.unlink()
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    start = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        str(processes),
        "--rdzv-backend",
        "c10d",
    ]
    start += ["--rdzv-endpoint", f"127.0.0.1:{free_port()}", str(script), str(home), die, *words]
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = server_environment(home) | {"PYTHONPATH": paths, "TMPDIR": str(temporary)}
    done = subprocess.run(
        start, cwd=home, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    killed = home / "killed"
    after_s = time.time() - float(killed.read_text()) if killed.exists() else None
    notes = [sorted(home.glob(f"{name}-*")) for name in ("written", "pid")]
    written = tuple(frozenset(path.read_text().splitlines()) for path in notes[0])
    pids = tuple(int(path.read_text()) for path in notes[1])
    return Ended(done.returncode, done.stdout + done.stderr, written, pids, after_s)


def is_running(pid: int) -> bool:
    """Tell whether there is a process of this number that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"

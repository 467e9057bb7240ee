"""Command line of petmood, halted after chosen epochs of a training until a test lets it continue.

Workers of a sweep are halted likewise. A test that polls for a moment from outside may miss it on a busy machine; a
halted process stays at the moment.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.waiting import wait_until

ANY: Final = "any"
EVERY_S: Final = 0.02
PROGRAM: Final = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from tests.support.halts import run
run(sys.argv[1], sys.argv[2:])
"""


@dataclass(frozen=True, slots=True)
class Halts:
    """The places where processes halt, kept in a folder. ``run`` is the name of a run's folder, such as "003"."""

    folder: Path

    def command(self, *words: object) -> list[str]:
        """Return the command that runs a verb of petmood with these halts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return [sys.executable, "-c", PROGRAM, str(self.folder), *map(str, words)]

    def add(self, run: str = ANY, *, epoch: int = 0) -> None:
        """Let every process halt when the row of this epoch is in the run's table of curves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"halt-{_key(run, epoch)}").touch()

    def remove(self, run: str = ANY, *, epoch: int = 0) -> None:
        """Let whoever halts there continue, and forget who did."""
        (self.folder / f"halt-{_key(run, epoch)}").unlink()
        for path in self.folder.glob(f"reached-{_key(run, epoch)}-*"):
            path.unlink(missing_ok=True)

    def reached(self, run: str = ANY, *, epoch: int = 0) -> list[int]:
        """Return the ids of the processes that halt, or halted, there."""
        return [int(path.name.rpartition("-")[2]) for path in self.folder.glob(f"reached-{_key(run, epoch)}-*")]

    def wait(self, run: str = ANY, *, epoch: int = 0, count: int = 1, within_s: float = 600) -> list[int]:
        """Wait until so many processes have halted there; return their ids."""

        def halted() -> list[int]:
            found = self.reached(run, epoch=epoch)
            return found if len(found) >= count else []

        return wait_until(halted, within_s=within_s, what=f"{count} processes at epoch {epoch} of run {run}")

    def halt(self, run: str, *, epoch: int) -> None:
        """Stay here while a halt of this run and epoch, or of any, is set; called in the process itself."""
        for key in (_key(run, epoch), _key(ANY, 0)):
            if (self.folder / f"halt-{key}").exists():
                (self.folder / f"reached-{key}-{os.getpid()}").touch()
                while (self.folder / f"halt-{key}").exists():
                    time.sleep(EVERY_S)


def _key(run: str, epoch: int) -> str:
    return f"{run}-{epoch}"


def run(folder: str, words: Sequence[str]) -> None:
    """Run a verb; its trainings, and the workers that it starts, halt."""
    from petmood.cli.app import main  # noqa: PLC0415 - heavy packages are for the processes that train
    from petmood.training.callbacks import CsvMetricsCallback  # noqa: PLC0415 - as above
    from petmood.tuning import workers as crew  # noqa: PLC0415 - as above

    halts, write_row = Halts(Path(folder)), CsvMetricsCallback.on_train_epoch_end

    def write_row_and_halt(self: CsvMetricsCallback, *given: Any) -> None:  # noqa: ANN401 - Lightning's signature
        write_row(self, *given)
        halts.halt(self.path.parent.name, epoch=int(self.rows[-1]["epoch"]))

    CsvMetricsCallback.on_train_epoch_end = write_row_and_halt  # type: ignore[assignment,method-assign]  # in this process alone
    crew.COMMAND = tuple(halts.command("sweep", "--worker"))  # type: ignore[misc,assignment]  # in this process alone
    sys.exit(main(list(words)))

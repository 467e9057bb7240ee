"""Tracking state of a run: ``tracking.json`` in its folder names the tracker and the run there.

The state holds what no other file of the run folder holds: the run's id in the tracker, when each epoch ended, how
training ended, and which bundle was exported. It is written atomically and only by the process that works on the run.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from petmood.core.errors import OutputLocked, TrackingError
from petmood.core.files import atomic_write_json
from petmood.core.locks import exclusive_lock

__all__ = [
    "STATE_NAME",
    "BundleRecord",
    "Status",
    "TrackerSettings",
    "TrackingState",
    "mirror_lock",
    "new_state",
    "now_ms",
    "read_state",
    "state_of",
    "write_state",
]

STATE_NAME: Final = "tracking.json"
POLL_INTERVAL_S: Final = 0.05

Status = Literal["running", "finished", "failed", "killed"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrackerSettings(_Record):
    """Tracker of a run and its connection settings; the settings call them ``TrackerConfig``, and say what each is."""

    kind: Literal["mlflow", "wandb"] = "mlflow"
    uri: str | None = None
    experiment: str = "petmood"
    project: str = "petmood"
    mode: Literal["auto", "online", "offline"] = "auto"
    deadline_s: float = 30.0


class BundleRecord(_Record):
    """The bundle that was exported last; a folder whose manifest has another SHA-256 is another bundle."""

    folder: str
    name: str
    sha256: str


class TrackingState(_Record):
    """State of a tracked run.

    ``run_id`` is globally unique and the same in every tracker; ``home`` is the folder where training was started.
    ``epoch_ms`` holds an epoch once its checkpoint is written, so that it is never trained again. ``sweep`` is the
    folder of the sweep that the run is a trial of, relative to the run folder.
    """

    run_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    name: str
    home: str
    tracker: TrackerSettings
    started_ms: int
    status: Status = "running"
    ended_ms: int | None = None
    epoch_ms: dict[int, int] = {}
    bundle: BundleRecord | None = None
    sweep: str | None = None


def now_ms() -> int:
    """Return the current time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def new_state(folder: Path, tracker: TrackerSettings, *, sweep: str | None = None) -> TrackingState:
    """Return the state of a run that begins now; nothing is written."""
    return TrackingState(
        run_id=uuid.uuid4().hex,
        name=folder.name,
        home=str(Path.cwd()),
        tracker=tracker,
        started_ms=now_ms(),
        sweep=sweep,
    )


def read_state(folder: Path) -> TrackingState | None:
    """Return the state of a run; None if the run is not tracked.

    Raises:
        TrackingError: the file is corrupt or unreadable.
    """
    path = folder / STATE_NAME
    try:
        return TrackingState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise TrackingError(f"{path} can't be read. Delete it; the next `petmood train` creates a new one.") from error


def state_of(folder: Path) -> TrackingState:
    """Return the state of a tracked run.

    Raises:
        TrackingError: the run is not tracked, or the file is corrupt or unreadable.
    """
    state = read_state(folder)
    if state is None:
        raise TrackingError(f"{folder} is not a tracked run. Train with tracker=mlflow to track it.")
    return state


def write_state(folder: Path, state: TrackingState) -> None:
    """Write the state of a run atomically.

    Raises:
        OSError: the write failed; the old state is unchanged.
    """
    atomic_write_json(folder / STATE_NAME, state.model_dump(mode="json"))


@contextmanager
def mirror_lock(folder: Path, *, wait_s: float) -> Iterator[None]:
    """Let one process at a time write a run to its tracker.

    Raises:
        TrackingError: another process still holds the lock after ``wait_s``.
    """
    deadline = time.monotonic() + wait_s
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(exclusive_lock(folder / STATE_NAME))
                break
            except OutputLocked:
                if time.monotonic() >= deadline:
                    raise TrackingError(
                        f"Another process is sending {folder} to its tracker. Nothing is lost; try again later."
                    ) from None
                time.sleep(POLL_INTERVAL_S)
        yield

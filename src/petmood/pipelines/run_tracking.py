"""Tracking of a run by its own process: note in ``tracking.json`` how it goes, and wake the process that mirrors it.

Tracking never raises and never blocks beyond the tracker's deadline: if the disk rejects the state, training continues.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from petmood.configs.schema import Config
from petmood.core.bundle import Bundle
from petmood.core.commands import shell_command
from petmood.core.errors import TrackingError
from petmood.core.files import atomic_write_bytes, create_exclusive
from petmood.pipelines.mirror import CURVES_NAME, read_curves
from petmood.pipelines.mirror_process import MirrorJob, MirrorOutcome, MirrorProcess, mirror_now
from petmood.pipelines.run_folder import RunFolder
from petmood.training.tracking.base import refuse_missing
from petmood.training.tracking.learning_curve import curves_png
from petmood.training.tracking.state import (
    STATE_NAME,
    BundleRecord,
    Status,
    TrackerSettings,
    TrackingState,
    new_state,
    now_ms,
    read_state,
    write_state,
)

__all__ = [
    "EpochTrackingCallback",
    "TrackedTraining",
    "end_sweep",
    "start_sweep",
    "track_bundle",
    "track_evaluation",
    "tracked",
]

logger = logging.getLogger(__name__)


class TrackedTraining:
    """A training under way: its state on disk, and the process that mirrors it; without a state nothing is done."""

    def __init__(self, run: RunFolder, state: TrackingState | None) -> None:
        self._run, self._state = run, state
        self._process = MirrorProcess(MirrorJob(folder=run.path.absolute())) if state else None
        self._has_warned = False

    def epochs_ended(self, *, before: int) -> None:
        """Note when the epochs before this one ended, and let them be mirrored."""
        if self._state is None or self._process is None:
            return
        new = {step: now_ms() for step in range(before) if step not in self._state.epoch_ms}
        if new and self._note(epoch_ms=self._state.epoch_ms | new):
            self._process.epoch_ended()

    def end(self, status: Status) -> None:
        """Note how training ended, and wait at most the tracker's deadline until the rest is mirrored."""
        if self._process is None or self._state is None:
            return
        spec = self._state.tracker
        if status == "finished" and (rows := read_curves(self._run.metrics_csv)):
            atomic_write_bytes(self._run.path / CURVES_NAME, curves_png(rows, title=self._state.name))
        self._note(status=status, ended_ms=now_ms())
        _report(self._process.end(within_s=spec.deadline_s), self._run.path, spec)

    def _note(self, **changed: object) -> bool:
        """Write the changed state; after a failure, the values stay in memory and the next write has them too."""
        if self._state is None:
            return False
        self._state = self._state.model_copy(update=changed)
        is_saved = _saved(self._run.path, self._state, quiet=self._has_warned)
        self._has_warned |= not is_saved
        return is_saved


class EpochTrackingCallback(Callback):
    """Note each epoch when the next one begins: its checkpoint is then written, so it is never trained again."""

    def __init__(self, tracking: TrackedTraining) -> None:
        self.tracking = tracking

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - Lightning's signature
        """Note the epochs before this one."""
        self.tracking.epochs_ended(before=trainer.current_epoch)


@contextmanager
def tracked(run: RunFolder, config: Config, *, sweep: Path | None = None) -> Iterator[TrackedTraining]:
    """Track a training while the block runs; ``sweep`` is the folder of the sweep that it is a trial of.

    Raises:
        MissingDependency: the tracker's package is not installed.
    """
    training = TrackedTraining(run, _open(run, config, sweep=sweep))
    status: Status = "failed"
    try:
        yield training
        status = "finished"
    except KeyboardInterrupt:
        status = "killed"
        raise
    finally:
        training.end(status)


def track_evaluation(run: RunFolder) -> None:
    """Mirror the evaluation of a tracked run: its headline metrics with their intervals, and its report."""
    if state := _known(run.path):
        _mirror(run.path, state)


def track_bundle(run: RunFolder, bundle: Bundle) -> None:
    """Mirror the bundle of a tracked run: its files, and the SHA-256 of its manifest, which contains their hashes."""
    if state := _known(run.path):
        record = BundleRecord(folder=str(bundle.folder.absolute()), name=bundle.manifest.name, sha256=bundle.sha256)
        changed = state.model_copy(update={"bundle": record})
        if _saved(run.path, changed):
            _mirror(run.path, changed)


def start_sweep(folder: Path, config: Config) -> None:
    """Make a sweep the parent run of its trials, or their group in W&B; of several workers, the first one does."""
    if config.tracker.kind != "none" and not (folder / STATE_NAME).exists():
        state = new_state(folder, _tracker_settings(config))
        try:
            create_exclusive(folder / STATE_NAME, state.model_dump_json(indent=2).encode())
        except OSError as error:
            logger.warning("%s: %s. The sweep continues without a parent run.", folder / STATE_NAME, error.strerror)


def end_sweep(folder: Path) -> None:
    """Mirror the report of a sweep, whose trials have ended."""
    if state := _known(folder):
        changed = state.model_copy(update={"status": "finished", "ended_ms": now_ms()})
        if _saved(folder, changed):
            _mirror(folder, changed)


def _tracker_settings(config: Config) -> TrackerSettings:
    return TrackerSettings.model_validate(config.tracker.model_dump())


def _open(run: RunFolder, config: Config, *, sweep: Path | None) -> TrackingState | None:
    """Return the state of a new or resumed run; None if no tracker is configured or the state can't be used."""
    try:
        state = read_state(run.path)
        if state is None:
            if config.tracker.kind == "none":
                return None
            refuse_missing(config.tracker.kind)
            state = new_state(
                run.path, _tracker_settings(config), sweep=os.path.relpath(sweep, run.path) if sweep else None
            )
        state = state.model_copy(update={"status": "running", "ended_ms": None})
        write_state(run.path, state)
    except (OSError, TrackingError) as error:
        logger.warning("%s. The run continues, and is not tracked.", str(error).rstrip("."))
        return None
    return state


def _known(folder: Path) -> TrackingState | None:
    try:
        return read_state(folder)
    except TrackingError as error:
        logger.warning("%s", error)
        return None


def _saved(folder: Path, state: TrackingState, *, quiet: bool = False) -> bool:
    try:
        write_state(folder, state)
    except OSError as error:
        if not quiet:
            logger.warning(
                "%s: %s. The run continues, and is tracked when it is done.", folder / STATE_NAME, error.strerror
            )
        return False
    return True


def _mirror(folder: Path, state: TrackingState) -> None:
    _report(mirror_now(folder, within_s=state.tracker.deadline_s), folder, state.tracker)


def _report(outcome: MirrorOutcome, folder: Path, spec: TrackerSettings) -> None:
    if outcome.problem:
        command = shell_command("track", "sync", folder)
        logger.warning("%s is not complete in %s yet: %s. Send it with: %s", folder, spec.kind, _bare(outcome), command)
    elif outcome.note:
        logger.warning(outcome.note)


def _bare(outcome: MirrorOutcome) -> str:
    return outcome.problem.rstrip(".")

"""Lightning callbacks: atomic checkpoints, per-epoch metrics as CSV, and a progress bar."""

import csv
import io
import logging
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from petmood.core.errors import RunError
from petmood.core.files import atomic_write_bytes, atomic_write_text
from petmood.core.progress import ProgressBar
from petmood.core.redact import one_line

__all__ = [
    "AtomicCheckpoints",
    "CsvMetricsCallback",
    "ProgressCallback",
    "RelocatableCheckpoint",
    "is_finished",
    "propagate_keyboard_interrupt",
    "quiet_lightning",
    "read_checkpoint",
    "read_training_state",
]

EXPECTED = (
    ".*does not have many workers.*",
    ".*The number of training batches .* is smaller than the logging.*",
    ".*You defined a `validation_step` but have no `val_dataloader`.*",
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
    ".*Checkpoint directory .* exists and is not empty.*",
)
"""Warnings from Lightning about settings that petmood chooses deliberately."""

COLUMNS = ("epoch", "train/loss", "val/loss", "val/accuracy")


class AtomicCheckpoints(TorchCheckpointIO):
    """Write checkpoints atomically, and read them without unpickling objects."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ANN401, ARG002 - Lightning's signature
        """Write a checkpoint; if the process is killed during the write, the previous checkpoint remains."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        atomic_write_bytes(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:  # noqa: ANN401, ARG002, FBT001, FBT002 - Lightning's signature
        """Read a checkpoint."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read tensors and plain values; torch rejects any other object in the file."""
    checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return checkpoint


TRAINING_STATE: Final[Mapping[str, type]] = {
    "state_dict": dict,
    "epoch": int,
    "global_step": int,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}
"""Parts of Lightning's checkpoint from which training resumes, with their types."""


def read_training_state(path: Path) -> dict[str, Any]:
    """Read the checkpoint that a stopped training resumes from.

    Raises:
        RunError: the file is damaged, holds objects other than tensors and plain values, or lacks a part.
    """
    again = "Restore it from a backup, or train the run again."
    try:
        found = read_checkpoint(path)
    except OSError:
        raise
    except Exception as error:  # torch raises errors of pickle, zip and its own, with a text of several pages
        reason = one_line(error).partition(". ")[0]
        raise RunError(f"The checkpoint {path} is damaged or not from petmood ({reason}). {again}") from error
    parts = found if isinstance(found, dict) else {}
    if lacking := [name for name, kind in TRAINING_STATE.items() if not isinstance(parts.get(name), kind)]:
        raise RunError(f"The checkpoint {path} lacks {', '.join(lacking)}. {again}")
    return found


class RelocatableCheckpoint(ModelCheckpoint):
    """``ModelCheckpoint`` that keeps the best score after the run folder was moved; Lightning's would drop it."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint, with its paths rebased onto the current run folder."""

        def here(value: Any) -> Any:  # noqa: ANN401 - paths among numbers and tensors
            return value.replace(str(state_dict["dirpath"]), str(self.dirpath)) if isinstance(value, str) else value

        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({name: here(value) for name, value in state_dict.items()} | {"best_k_models": best})


def is_finished(checkpoint: Mapping[str, Any], *, max_epochs: int) -> bool:
    """Return whether training had ended when this checkpoint was written: all epochs done, or stopped early."""
    stopped = any(state.get("stopped_epoch", 0) > 0 for state in checkpoint["callbacks"].values())
    return stopped or int(checkpoint["epoch"]) + 1 >= max_epochs


class CsvMetricsCallback(Callback):
    """Record one row per epoch in the checkpoint and in a CSV file, so that a resumed run has each row once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - Lightning's signature
        """Add the row of this epoch and write the file."""
        found = trainer.callback_metrics
        row = {name: float(found[name]) for name in COLUMNS[1:] if name in found}
        self.rows.append({"epoch": float(trainer.current_epoch), **row})
        atomic_write_text(self.path, rows_as_csv(self.rows))

    def state_dict(self) -> dict[str, Any]:
        """Return the rows for the checkpoint."""
        return {"rows": list(self.rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows from a checkpoint."""
        self.rows = list(state_dict["rows"])


def rows_as_csv(rows: list[dict[str, float]]) -> str:
    """Return rows as CSV, with epochs as integers and missing values as empty fields."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([int(row["epoch"]), *(_written(row, name) for name in COLUMNS[1:])])
    return text.getvalue()


def _written(row: Mapping[str, float], name: str) -> str:
    return f"{row[name]:.6f}" if name in row else ""


class ProgressCallback(Callback):
    """Advance a ``ProgressBar`` by one item per training step, over all epochs, to estimate the remaining time."""

    def __init__(self, progress: ProgressBar) -> None:
        self.progress = progress
        self.bar: Iterator[int] = iter(())

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 - Lightning's signature
        """Open the bar over the remaining steps."""
        left = max(0, int(trainer.estimated_stepping_batches) - trainer.global_step)
        self.bar = self.progress(range(left), total=left, what="training")

    def on_train_batch_end(self, *_: Any) -> None:  # noqa: ANN401 - Lightning's signature
        """Advance the bar by one step."""
        next(self.bar, None)

    def on_train_end(self, *_: Any) -> None:  # noqa: ANN401 - Lightning's signature
        """Close the bar, also after early stopping."""
        close = getattr(self.bar, "close", None)
        if close is not None:
            close()


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's warnings about worker processes and loggers, which petmood configures deliberately."""
    theirs = logging.getLogger("lightning.pytorch")
    before = theirs.level
    theirs.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            theirs.setLevel(before)


@contextmanager
def propagate_keyboard_interrupt(trainer: Trainer) -> Iterator[None]:
    """Re-raise KeyboardInterrupt; Lightning would exit with status 1 and ignore a second Ctrl-C."""
    try:
        yield
    except SystemExit as stopped:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from stopped

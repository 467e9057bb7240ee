"""Atomic checkpoints, unique metric rows, the progress bar and suppressed Lightning warnings."""

import logging
import pickle
import signal
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import torch
from lightning.pytorch import LightningModule

from petmood.core.errors import RunError
from petmood.training import callbacks
from petmood.training.callbacks import (
    AtomicCheckpoints,
    CsvMetricsCallback,
    ProgressCallback,
    RelocatableCheckpoint,
    is_finished,
    propagate_keyboard_interrupt,
    quiet_lightning,
    read_checkpoint,
    read_training_state,
)

T = TypeVar("T")


def fake_trainer(**facts: Any) -> Any:  # noqa: ANN401 - it stands for a trainer
    """Return something with a trainer's attributes."""
    return SimpleNamespace(**facts)


def test_a_checkpoint_that_fails_midway_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, io = tmp_path / "last.ckpt", AtomicCheckpoints()
    io.save_checkpoint({"epoch": 1, "weights": torch.ones(3)}, path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("petmood.core.files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        io.save_checkpoint({"epoch": 2}, path)
    assert io.load_checkpoint(path)["epoch"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was-run",))

    torch.save({"epoch": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "was-run").exists()


class Unsafe:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("was run",))


@pytest.mark.parametrize(
    "content",
    [{"epoch": Unsafe()}, {"epoch": 1}, [1, 2], {"state_dict": 7}, b"", b"PK\x03\x04 half"],
    ids=["an object", "too little", "a list", "no tensors", "empty", "half"],
)
def test_a_damaged_checkpoint_ends_a_resumed_training_in_one_line(
    content: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "last.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(
        RunError, match=r"The checkpoint .*last\.ckpt (is damaged|lacks) .* train the run again\."
    ) as refusal:
        read_training_state(path)
    assert "\n" not in str(refusal.value)
    assert capsys.readouterr().out == ""


def test_rows_are_written_each_epoch_and_survive_in_the_checkpoint(tmp_path: Path) -> None:
    rows, module = CsvMetricsCallback(tmp_path / "metrics.csv"), LightningModule()
    metrics = {"train/loss": torch.tensor(0.5), "val/loss": torch.tensor(0.25), "val/accuracy": torch.tensor(1.0)}
    rows.on_train_epoch_end(fake_trainer(callback_metrics=metrics, current_epoch=0), module)
    again = CsvMetricsCallback(tmp_path / "metrics.csv")
    again.load_state_dict(rows.state_dict())
    again.on_train_epoch_end(fake_trainer(callback_metrics={"train/loss": torch.tensor(0.4)}, current_epoch=1), module)
    assert (tmp_path / "metrics.csv").read_text() == (
        "epoch,train/loss,val/loss,val/accuracy\n0,0.500000,0.250000,1.000000\n1,0.400000,,\n"
    )
    assert len(rows.rows) == 1


def test_the_bar_counts_the_steps_that_are_left_and_closes_early_or_late() -> None:
    seen: list[object] = []

    def progress(items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:
        seen.append((total, what))
        try:
            for item in items:
                seen.append(item)
                yield item
        finally:
            seen.append("closed")

    bar, module = ProgressCallback(progress), LightningModule()
    bar.on_train_end()
    bar.on_train_start(fake_trainer(estimated_stepping_batches=10, global_step=7), module)
    bar.on_train_batch_end()
    bar.on_train_batch_end()
    bar.on_train_end()
    assert seen == [(3, "training"), 0, 1, "closed"]


@pytest.mark.parametrize(("epoch", "stopped_epoch", "over"), [(0, 0, False), (4, 0, True), (2, 2, True), (3, 0, False)])
def test_training_is_over_after_its_last_epoch_or_an_early_stop(epoch: int, stopped_epoch: int, *, over: bool) -> None:
    checkpoint = {"epoch": epoch, "callbacks": {"EarlyStopping": {"stopped_epoch": stopped_epoch}, "rows": {}}}
    assert is_finished(checkpoint, max_epochs=5) is over


def test_the_best_score_is_remembered_where_the_folder_was_moved(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    first = RelocatableCheckpoint(dirpath=old, monitor="val/loss", filename="best")
    first.best_model_path, first.best_model_score = str(old / "best.ckpt"), torch.tensor(0.5)
    first.best_k_models = {str(old / "best.ckpt"): torch.tensor(0.5)}
    moved = RelocatableCheckpoint(dirpath=new, monitor="val/loss", filename="best")
    moved.load_state_dict(first.state_dict())
    assert moved.best_model_path == str(new / "best.ckpt")
    assert moved.best_k_models == {str(new / "best.ckpt"): torch.tensor(0.5)}
    assert moved.best_model_score == torch.tensor(0.5)


def test_what_lightning_says_about_our_choices_is_left_out_but_nothing_else() -> None:
    theirs = logging.getLogger("lightning.pytorch")
    before = theirs.level

    def warn() -> None:
        with quiet_lightning():
            assert not theirs.isEnabledFor(logging.INFO)
            warnings.warn("The 'train_dataloader' does not have many workers", stacklevel=1)
            warnings.warn("something new", stacklevel=1)

    with pytest.warns(UserWarning, match="something new") as caught:
        warn()
    assert [str(one.message) for one in caught] == ["something new"]
    assert theirs.level == before


def test_an_interrupt_that_lightning_swallows_is_an_interrupt_again() -> None:
    before = signal.getsignal(signal.SIGINT)

    def leave(*, interrupted: bool) -> None:
        with propagate_keyboard_interrupt(fake_trainer(interrupted=interrupted)):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise SystemExit(3)

    try:
        with pytest.raises(SystemExit):
            leave(interrupted=False)
        with pytest.raises(KeyboardInterrupt):
            leave(interrupted=True)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_every_name_that_is_offered_exists() -> None:
    assert all(hasattr(callbacks, name) for name in callbacks.__all__)

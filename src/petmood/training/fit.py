"""Training of a network: gradient steps under Lightning, or a linear head on precomputed features."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.fabric.plugins.environments import TorchElasticEnvironment  # type: ignore[attr-defined] # not in __all__
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor

from petmood.core.errors import RunError
from petmood.core.progress import ProgressBar, no_progress
from petmood.core.world import ALONE, World
from petmood.data.loaders import eval_loader, train_loader
from petmood.models.classifier import ExpressionClassifier
from petmood.models.linear import class_weights
from petmood.models.network import ExpressionNet, build_network
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
from petmood.training.dataset import PhotoSet
from petmood.training.linear_probe import fit_probe, refuse_other_heads
from petmood.training.memory import keep_freed_memory
from petmood.training.process_group import SigtermCallback, share_file
from petmood.training.settings import FitSettings
from petmood.training.weight_average import weight_average

__all__ = ["FitResult", "fit_network", "make_network"]

PREFIX = "network."


@dataclass(frozen=True, slots=True)
class FitResult:
    """A trained network, the number of epochs it was trained for, and the epoch whose weights were kept."""

    network: ExpressionNet
    epochs: int
    best_epoch: int


def make_network(settings: FitSettings, *, classes: int) -> ExpressionNet:
    """Build the configured network with its initial weights; random weights depend on the seed alone.

    ``classes`` is the number of logits.

    Raises:
        ConfigError: an unknown backbone, a weights file that doesn't fit, or a linear probe with another head.
        DownloadError: ImageNet weights that can't be fetched.
    """
    if settings.kind == "linear_probe":
        refuse_other_heads(settings.network.head)
    torch.manual_seed(settings.seed)
    return build_network(
        settings.network,
        image=settings.image,
        classes=classes,
        weights=settings.weights,
    )


def fit_network(
    settings: FitSettings,
    train: PhotoSet,
    valid: PhotoSet | None,
    *,
    folder: Path | None = None,
    progress: ProgressBar = no_progress,
    callbacks: Sequence[Callback] = (),
    network: ExpressionNet | None = None,
    world: World = ALONE,
) -> FitResult:
    """Train on ``train`` and select the epoch on ``valid`` if the recipe selects one; otherwise keep the last weights.

    ``network`` is the network to train, fresh from ``make_network`` (built here by default). With a ``folder``,
    checkpoints and metrics are kept there, and training resumes from its last checkpoint. ``callbacks`` are added to
    petmood's own in gradient training; a linear probe has no epochs and doesn't call them.

    The processes of a ``world`` train the same network together, each in a folder of its own. The first one's folder
    has the last checkpoint to resume from, and gets the new ones; its network is the result.

    Raises:
        RunError: the folder's last checkpoint holds the tensors of another network.
    """
    if network is None:
        network = make_network(settings, classes=len(train.classes))
    if valid is not None and not valid.rows:
        valid = None
    if settings.kind == "linear_probe":
        fit_probe(network, settings, train, valid, progress=progress)
        return FitResult(network, epochs=0, best_epoch=0)
    chooses = valid is not None and settings.trainer.checkpoint == "best"
    needs_place = folder is None and chooses
    with TemporaryDirectory(prefix="petmood-") if needs_place else nullcontext(folder) as place:
        where = None if place is None else Path(place)
        own = _callbacks(settings, where, chooses=chooses, has_valid=valid is not None, progress=progress)
        every = [*own, *callbacks]
        return _fit_by_gradient(network, settings, train, valid, folder=where, callbacks=every, world=world)


def _fit_by_gradient(
    network: ExpressionNet,
    settings: FitSettings,
    train: PhotoSet,
    valid: PhotoSet | None,
    *,
    folder: Path | None,
    callbacks: Sequence[Callback],
    world: World,
) -> FitResult:
    last = folder / "checkpoints" / "last.ckpt" if folder else None
    if last and world.size > 1:
        share_file(last, world)
    before = read_training_state(last) if last and last.exists() else None
    if last and before:
        _check_same_tensors(network, before, path=last)
    epochs = int(before["epoch"]) + 1 if before else 0
    if before and is_finished(before, max_epochs=settings.optimization.epochs):
        _take_weights(network, before)
    else:
        epochs = _run_trainer(
            network,
            settings,
            train,
            valid,
            callbacks=callbacks,
            last=last if before else None,
            first_epoch=epochs,
            world=world,
        )
    best_epoch = epochs - 1
    if folder is not None and world.is_first and valid is not None and settings.trainer.checkpoint == "best":
        best = read_checkpoint(folder / "checkpoints" / "best.ckpt")
        best_epoch = int(best["epoch"])
        _take_weights(network, best)
    return FitResult(network.cpu().eval(), epochs=epochs, best_epoch=best_epoch)


def _run_trainer(
    network: ExpressionNet,
    settings: FitSettings,
    train: PhotoSet,
    valid: PhotoSet | None,
    *,
    callbacks: Sequence[Callback],
    last: Path | None,
    first_epoch: int,
    world: World,
) -> int:
    """Train the network in place with Lightning, resuming from ``last``; return its total number of epochs."""
    power = settings.class_weight_power
    weights = class_weights(train.labels, classes=len(train.classes), power=power) if power > 0 else None
    by_class = None if weights is None else torch.from_numpy(weights).float()
    module = ExpressionClassifier(
        network, settings.optimization, class_weights=by_class, teacher=settings.teacher, world=world
    )
    network.to(memory_format=torch.channels_last)
    batches = train_loader(
        train.cache,
        train.labels,
        batch_size=settings.trainer.batch_size,
        seed=settings.seed,
        spec=settings.augment,
        workers=settings.trainer.workers,
        first_epoch=first_epoch,
        world=world,
    )
    valid_batches = None if valid is None else eval_loader(valid.cache, valid.labels, batch_size=64, world=world)
    with quiet_lightning():
        trainer = _trainer(settings, callbacks, world)
        with propagate_keyboard_interrupt(trainer), keep_freed_memory():
            trainer.fit(module, batches, valid_batches, ckpt_path=last, weights_only=True)
    return int(trainer.current_epoch)


def _check_same_tensors(network: ExpressionNet, checkpoint: Mapping[str, Any], *, path: Path) -> None:
    """Reject a checkpoint of another network, or of a petmood version that named its tensors otherwise."""
    own, given = network.state_dict().keys(), _weights(checkpoint).keys()
    if own != given:
        other = min(own ^ given)
        raise RunError(
            f"Expected the {len(own)} tensors of this network in {path}, got {len(given)} (first difference: {other}). "
            "An earlier version of petmood may have written it. Train the run again."
        )


def _take_weights(network: ExpressionNet, checkpoint: Mapping[str, Any]) -> None:
    network.load_state_dict(_weights(checkpoint))


def _weights(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    state = checkpoint["state_dict"]
    return {name.removeprefix(PREFIX): value for name, value in state.items() if PREFIX in name}


def _callbacks(
    settings: FitSettings, folder: Path | None, *, chooses: bool, has_valid: bool, progress: ProgressBar
) -> Sequence[Callback]:
    found: list[Callback] = [ProgressCallback(progress)]
    if settings.trainer.ema_decay:
        found.append(weight_average(decay=settings.trainer.ema_decay))
    if settings.trainer.patience and has_valid:
        found.append(EarlyStopping("val/loss", patience=settings.trainer.patience))
    if folder is None:
        return found
    found.append(CsvMetricsCallback(folder / "metrics.csv"))
    keep = {"dirpath": folder / "checkpoints", "save_on_train_epoch_end": True, "enable_version_counter": False}
    if chooses:
        found.append(RelocatableCheckpoint(monitor="val/loss", filename="best", **keep))  # type: ignore[arg-type] # a mixed dict
    found.append(RelocatableCheckpoint(filename="last", every_n_epochs=1, **keep))  # type: ignore[arg-type] # a mixed dict
    return found


def _trainer(settings: FitSettings, callbacks: Sequence[Callback], world: World) -> Trainer:
    wanted = settings.trainer
    return Trainer(
        max_epochs=settings.optimization.epochs,
        accelerator=wanted.accelerator,
        devices=world.local_size,
        num_nodes=world.machines,
        strategy="auto" if world.size == 1 else _together(settings),
        precision=wanted.precision,
        gradient_clip_val=wanted.gradient_clip or None,
        deterministic=wanted.deterministic,
        callbacks=[*callbacks, *([SigtermCallback()] if world.size > 1 else [])],
        plugins=[AtomicCheckpoints(), *([TorchElasticEnvironment()] if world.size > 1 else [])],
        logger=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # the loaders divide the photos, none twice
    )


def _together(settings: FitSettings) -> DDPStrategy:
    """Return gradients averaged over processes; buffers are equal, and a frozen backbone has no gradients."""
    return DDPStrategy(broadcast_buffers=False, find_unused_parameters=settings.optimization.freeze_epochs > 0)

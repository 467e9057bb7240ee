"""How are weights learned from pictures? By gradient steps under Lightning, or by a head on features computed once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from torch import Tensor

from petmood.configs.schema import Config
from petmood.core.moods import MOODS
from petmood.core.progress import Track, silent
from petmood.data.module import eval_loader, train_loader
from petmood.models.classifier import Learning, MoodClassifier
from petmood.models.network import MoodNetwork, NetworkSpec, build_network
from petmood.training.callbacks import (
    AtomicCheckpoints,
    EpochRows,
    MovableCheckpoint,
    StepBar,
    interrupts_raised,
    is_over,
    quiet_lightning,
    read_checkpoint,
)
from petmood.training.material import Material
from petmood.training.probe import fit_probe, refuse_other_heads

__all__ = ["Fitted", "class_weights", "fit_network", "make_network", "network_spec"]

PREFIX = "network."


@dataclass(frozen=True, slots=True)
class Fitted:
    """A network with its learned weights, the epochs it took, and the epoch whose weights these are."""

    network: MoodNetwork
    epochs: int
    best_epoch: int


def network_spec(config: Config) -> NetworkSpec:
    """Return what the configured network is made of."""
    return NetworkSpec(config.model.backbone, head=config.model.head, dropout=config.model.dropout)


def make_network(config: Config) -> MoodNetwork:
    """Build the configured network with its first weights; random ones depend on the seed alone.

    Raises:
        ConfigError: an unknown backbone, a weights file that doesn't fit, or a probe's head that is not linear.
        OfflineError: ImageNet weights that can't be fetched.
    """
    if config.recipe.kind == "linear_probe":
        refuse_other_heads(config)
    torch.manual_seed(config.seed)
    return build_network(
        network_spec(config), image=config.model.image_spec(), classes=len(MOODS), weights=config.first_weights
    )


def fit_network(
    config: Config,
    train: Material,
    valid: Material | None,
    *,
    folder: Path | None = None,
    track: Track = silent,
    callbacks: Sequence[Callback] = (),
    network: MoodNetwork | None = None,
) -> Fitted:
    """Learn from ``train``, choosing by ``valid`` where the recipe chooses; without it the last weights are kept.

    ``network`` is the one to teach, fresh from ``make_network`` (default: made here). With a ``folder``, checkpoints
    and curves are kept there, and training goes on from its last checkpoint. ``callbacks`` are told of a training by
    gradient steps beside petmood's own; a probe has no epochs to tell of.
    """
    if network is None:
        network = make_network(config)
    if valid is not None and not valid.rows:
        valid = None
    if config.recipe.kind == "linear_probe":
        fit_probe(network, config, train, valid, track=track)
        return Fitted(network, epochs=0, best_epoch=0)
    if folder is None and valid is not None and config.recipe.keep == "best":
        with TemporaryDirectory(prefix="petmood-") as passing:
            return _fit_by_gradient(network, config, train, valid, folder=Path(passing), track=track, further=callbacks)
    return _fit_by_gradient(network, config, train, valid, folder=folder, track=track, further=callbacks)


def class_weights(labels: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Tensor:
    """Return one weight a mood, inverse to its share, with mean 1 over the photos; 1 for a mood without photos."""
    counts = np.bincount(labels, minlength=len(MOODS))
    weights = np.where(counts > 0, len(labels) / (max(1, (counts > 0).sum()) * np.maximum(counts, 1)), 1.0)
    return torch.tensor(weights, dtype=torch.float32)


def _fit_by_gradient(
    network: MoodNetwork,
    config: Config,
    train: Material,
    valid: Material | None,
    *,
    folder: Path | None,
    track: Track,
    further: Sequence[Callback],
) -> Fitted:
    chooses = valid is not None and config.recipe.keep == "best"
    last = folder / "checkpoints" / "last.ckpt" if folder else None
    before = read_checkpoint(last) if last and last.exists() else None
    epochs = int(before["epoch"]) + 1 if before else 0
    if before and is_over(before, max_epochs=config.trainer.max_epochs):
        _take_weights(network, before)
    else:
        own = _callbacks(config, folder, chooses=chooses, has_valid=valid is not None, track=track)
        callbacks = [*own, *further]
        resumed = last if before else None
        epochs = _run_trainer(network, config, train, valid, callbacks=callbacks, last=resumed, first_epoch=epochs)
    best_epoch = epochs - 1
    if folder is not None and chooses:
        best = read_checkpoint(folder / "checkpoints" / "best.ckpt")
        best_epoch = int(best["epoch"])
        _take_weights(network, best)
    return Fitted(network.cpu().eval(), epochs=epochs, best_epoch=best_epoch)


def _run_trainer(
    network: MoodNetwork,
    config: Config,
    train: Material,
    valid: Material | None,
    *,
    callbacks: Sequence[Callback],
    last: Path | None,
    first_epoch: int,
) -> int:
    """Let Lightning train the network in place, from its ``last`` checkpoint on; return how many epochs it has now."""
    weights = class_weights(train.labels) if config.recipe.class_weights else None
    module = MoodClassifier(network, _learning(config), class_weights=weights)
    network.to(memory_format=torch.channels_last)
    batches = train_loader(
        train.bank,
        train.labels,
        batch_size=config.trainer.batch_size,
        seed=config.seed,
        spec=config.augment,
        workers=config.trainer.workers,
        first_epoch=first_epoch,
    )
    judged = eval_loader(valid.bank, valid.labels, batch_size=64) if valid is not None else None
    with quiet_lightning():
        trainer = _trainer(config, callbacks)
        with interrupts_raised(trainer):
            trainer.fit(module, batches, judged, ckpt_path=last, weights_only=True)
    return int(trainer.current_epoch)


def _take_weights(network: MoodNetwork, checkpoint: Mapping[str, Any]) -> None:
    state = checkpoint["state_dict"]
    network.load_state_dict({name.removeprefix(PREFIX): value for name, value in state.items() if PREFIX in name})


def _learning(config: Config) -> Learning:
    recipe, optimiser = config.recipe, config.optimiser
    return Learning(
        epochs=config.trainer.max_epochs,
        rate=optimiser.rate,
        weight_decay=optimiser.weight_decay,
        warmup=optimiser.warmup,
        trunk_rate=recipe.trunk_rate,
        depth_decay=recipe.depth_decay,
        head_epochs=recipe.head_epochs,
        label_smoothing=recipe.label_smoothing,
        mixup=recipe.mixup,
        seed=config.seed,
    )


def _callbacks(
    config: Config, folder: Path | None, *, chooses: bool, has_valid: bool, track: Track
) -> Sequence[Callback]:
    found: list[Callback] = [StepBar(track)]
    if config.recipe.ema:
        found.append(EMAWeightAveraging(decay=config.recipe.ema))
    if config.recipe.patience and has_valid:
        found.append(EarlyStopping("valid_loss", patience=config.recipe.patience))
    if folder is None:
        return found
    found.append(EpochRows(folder / "metrics.csv"))
    keep = {"dirpath": folder / "checkpoints", "save_on_train_epoch_end": True, "enable_version_counter": False}
    if chooses:
        found.append(MovableCheckpoint(monitor="valid_loss", filename="best", **keep))  # type: ignore[arg-type] # a mixed dict
    found.append(MovableCheckpoint(filename="last", every_n_epochs=1, **keep))  # type: ignore[arg-type] # a mixed dict
    return found


def _trainer(config: Config, callbacks: Sequence[Callback]) -> Trainer:
    wanted = config.trainer
    return Trainer(
        max_epochs=wanted.max_epochs,
        accelerator=wanted.accelerator,
        devices=wanted.devices,
        precision=wanted.precision,
        gradient_clip_val=wanted.gradient_clip or None,
        deterministic=wanted.deterministic,
        callbacks=list(callbacks),
        plugins=[AtomicCheckpoints()],
        logger=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )

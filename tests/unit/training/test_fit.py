"""Training equal to a plain loop, reproducibility, and selection of the kept weights."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback
from torch import Tensor
from torch.nn import functional

from petmood.configs.schema import Config
from petmood.core import files
from petmood.core.errors import ConfigError, RunError
from petmood.data.loaders import EpochBatchSampler
from petmood.models.classifier import cosine_after_warmup, parameter_groups
from petmood.models.linear import class_weights
from petmood.models.network import ExpressionNet
from petmood.pipelines.fit_settings import fit_settings
from petmood.training import callbacks
from petmood.training.callbacks import read_checkpoint
from petmood.training.dataset import PhotoSet
from petmood.training.fit import fit_network, make_network
from petmood.training.settings import FitSettings
from petmood.training.weight_average import decay_at

Settings = Callable[..., FitSettings]
PhotoSets = tuple[PhotoSet, PhotoSet]


@pytest.fixture
def composed(settings: Callable[..., Config]) -> Settings:
    """Return a function that composes small training settings with overrides."""
    return lambda *overrides: fit_settings(settings(*overrides))


def weights_of(network: ExpressionNet) -> dict[str, Tensor]:
    """Return a copy of a network's weights."""
    return {name: value.clone() for name, value in network.state_dict().items()}


def differ(first: ExpressionNet, second: ExpressionNet) -> list[str]:
    """Return the names of the weights that are not equal to the last bit."""
    other = second.state_dict()
    return [name for name, value in first.state_dict().items() if not torch.equal(value, other[name])]


def unequal_tensors(network: ExpressionNet, checkpoint: dict[str, Any]) -> list[str]:
    """Return the names of the weights that a checkpoint holds otherwise."""
    state = checkpoint["state_dict"]
    return [name for name, value in network.state_dict().items() if not torch.equal(value, state[f"network.{name}"])]


def plain_loop(config: FitSettings, train: PhotoSet) -> ExpressionNet:
    """Train as a textbook would: no Lightning, no loader."""
    network = make_network(config, classes=4).train().to(memory_format=torch.channels_last)
    order = EpochBatchSampler(len(train.rows), config.trainer.batch_size, seed=config.seed)
    steps = len(order) * config.optimization.epochs
    optimizer = torch.optim.AdamW(parameter_groups(network, config.optimization))
    factor = cosine_after_warmup(steps, warmup=config.optimization.warmup)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    weights = torch.from_numpy(class_weights(train.labels, classes=4, power=1.0)).float()
    for epoch in range(config.optimization.epochs):
        order.set_epoch(epoch)
        for request in order:
            numbers = list(request.numbers)
            images = torch.from_numpy(train.cache.pixels[numbers]).permute(0, 3, 1, 2)
            targets = functional.one_hot(torch.from_numpy(train.labels[numbers]), 4).float()
            smoothing = config.optimization.label_smoothing
            loss = functional.cross_entropy(network(images), targets, weight=weights, label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch's own method has no annotations
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.trainer.gradient_clip)
            optimizer.step()
            schedule.step()
    return network.eval()


def test_training_gives_the_weights_of_a_plain_loop(composed: Settings, photo_sets: PhotoSets) -> None:
    config = composed("model.dropout=0", "trainer.batch_size=12", "epochs=3")
    ours = fit_network(config, photo_sets[0], None).network.state_dict()
    plain = plain_loop(config, photo_sets[0]).state_dict()
    worst = max(float((ours[name].double() - plain[name].double()).abs().max()) for name in ours)
    assert worst < 1e-6


def test_one_seed_gives_one_result_to_the_last_bit_and_another_seed_another(
    composed: Settings, photo_sets: PhotoSets
) -> None:
    lively = ("augment=heavy", "recipe.mixup=0.2", "epochs=2")
    first = fit_network(composed(*lively), *photo_sets).network
    torch.manual_seed(999)
    again = fit_network(composed(*lively), *photo_sets).network
    other = fit_network(composed(*lively, "seed=1"), *photo_sets).network
    assert differ(first, again) == []
    assert "head.1.weight" in differ(first, other)


def test_worker_processes_change_nothing(composed: Settings, photo_sets: PhotoSets) -> None:
    alone = fit_network(composed("augment=heavy", "epochs=1"), *photo_sets).network
    with_workers = fit_network(composed("augment=heavy", "epochs=1", "trainer.workers=2"), *photo_sets).network
    assert differ(alone, with_workers) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_going_on_from_any_epoch_ends_with_equal_weights_with_any_number_of_workers(
    composed: Settings, photo_sets: PhotoSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    config = composed("augment=heavy", "recipe.mixup=0.2", "epochs=4", f"trainer.workers={workers}")
    whole, broken, write = tmp_path / "whole", tmp_path / "broken", files.atomic_write_bytes

    def copy_after_two_epochs(path: Path, data: bytes) -> None:
        write(path, data)
        if path == whole / "checkpoints/last.ckpt" and read_checkpoint(path)["epoch"] == 1:
            shutil.copytree(whole, broken)

    monkeypatch.setattr(callbacks, "atomic_write_bytes", copy_after_two_epochs)
    first = fit_network(config, *photo_sets, folder=whole).network
    second = fit_network(config, *photo_sets, folder=broken).network
    assert differ(first, second) == []
    assert (whole / "metrics.csv").read_text() == (broken / "metrics.csv").read_text()


def test_random_first_weights_depend_on_the_seed_alone(composed: Settings) -> None:
    assert differ(make_network(composed(), classes=4), make_network(composed(), classes=4)) == []
    assert differ(make_network(composed(), classes=4), make_network(composed("seed=3"), classes=4)) != []


def with_wrong_labels(photos: PhotoSet) -> PhotoSet:
    """Return the photos with the class of every second one changed: confidence is punished, so the loss turns up."""
    labels = photos.labels.copy()
    labels[::2] = (labels[::2] + 1) % len(photos.classes)
    return replace(photos, labels=labels)


def test_the_weights_of_the_best_epoch_are_kept_with_and_without_a_folder(
    composed: Settings, photo_sets: PhotoSets, tmp_path: Path
) -> None:
    config = composed("epochs=8", "optimizer.lr=0.005")
    train, valid = photo_sets[0], with_wrong_labels(photo_sets[1])
    kept = fit_network(config, train, valid, folder=tmp_path)
    temporary = fit_network(config, train, valid)
    best, last = (read_checkpoint(tmp_path / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    assert kept.best_epoch == temporary.best_epoch == best["epoch"]
    assert kept.epochs == temporary.epochs == 8
    assert differ(kept.network, temporary.network) == []
    rows = (tmp_path / "metrics.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[2]) for row in rows]
    assert 0 < kept.best_epoch == int(np.argmin(losses)) < 7
    assert unequal_tensors(kept.network, best) == []
    assert "head.1.weight" in unequal_tensors(kept.network, last)
    resumed = fit_network(config, train, valid, folder=tmp_path)
    assert unequal_tensors(resumed.network, best) == []


def test_a_checkpoint_with_other_tensor_names_is_refused_by_name(
    composed: Settings, photo_sets: PhotoSets, tmp_path: Path
) -> None:
    fit_network(composed("epochs=1"), *photo_sets, folder=tmp_path)
    last = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint = read_checkpoint(last)
    state = checkpoint["state_dict"]
    checkpoint["state_dict"] = {name.replace(".backbone.", ".trunk."): value for name, value in state.items()}
    torch.save(checkpoint, last)
    for epochs in (1, 2):
        with pytest.raises(RunError, match=r"last\.ckpt, got \d+ \(first difference: backbone\..*Train the run again"):
            fit_network(composed(f"epochs={epochs}"), *photo_sets, folder=tmp_path)


def test_the_last_weights_are_kept_where_the_recipe_says_so(
    composed: Settings, photo_sets: PhotoSets, tmp_path: Path
) -> None:
    fitted = fit_network(composed("recipe.checkpoint=last", "epochs=3"), *photo_sets, folder=tmp_path)
    assert (fitted.epochs, fitted.best_epoch) == (3, 2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


def test_training_stops_early_when_validation_gets_no_better(
    composed: Settings, photo_sets: PhotoSets, tmp_path: Path
) -> None:
    config = composed("recipe.patience=2", "epochs=30", "optimizer.lr=0.05")
    fitted = fit_network(config, *photo_sets, folder=tmp_path)
    assert fitted.epochs < 30
    assert fitted.best_epoch == fitted.epochs - 3


def test_a_training_that_had_stopped_early_is_not_gone_on_with(
    composed: Settings, photo_sets: PhotoSets, tmp_path: Path
) -> None:
    config = composed("recipe.patience=2", "epochs=30", "optimizer.lr=0.05")
    first = fit_network(config, *photo_sets, folder=tmp_path)
    rows = (tmp_path / "metrics.csv").read_text()
    again = fit_network(config, *photo_sets, folder=tmp_path)
    assert (again.epochs, again.best_epoch) == (first.epochs, first.best_epoch)
    assert differ(first.network, again.network) == []
    assert (tmp_path / "metrics.csv").read_text() == rows


def test_patience_without_validation_photos_is_no_error(composed: Settings, photo_sets: PhotoSets) -> None:
    empty = photo_sets[1].take([])
    fitted = fit_network(composed("recipe.patience=1", "epochs=2"), photo_sets[0], empty)
    assert (fitted.epochs, fitted.best_epoch) == (2, 1)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_averaged_weights_are_what_is_kept_also_after_a_late_stop(
    composed: Settings, photo_sets: PhotoSets, tmp_path: Path, keep: str
) -> None:
    config = composed("recipe.ema_decay=0.8", f"recipe.checkpoint={keep}", "epochs=3")
    seen: list[dict[str, Tensor]] = []
    recorder = LambdaCallback(
        on_train_batch_end=lambda _trainer, module, *_: seen.append(weights_of(module.network)),
    )
    averaged = fit_network(config, *photo_sets, folder=tmp_path, callbacks=[recorder])
    again = fit_network(config, *photo_sets, folder=tmp_path)
    name = "head.1.weight"
    mean = seen[0][name].double()
    for step, state in enumerate(seen[1:], start=1):
        kept = decay_at(step, decay=0.8)
        mean = kept * mean + (1 - kept) * state[name].double()
    assert averaged.best_epoch == 2
    assert not torch.allclose(seen[-1][name], averaged.network.state_dict()[name], atol=1e-4)
    torch.testing.assert_close(averaged.network.state_dict()[name].double(), mean, atol=1e-5, rtol=0)
    assert differ(averaged.network, again.network) == []


def test_the_head_learns_first_while_the_backbone_stays_as_it_was(composed: Settings, photo_sets: PhotoSets) -> None:
    config = composed("recipe.freeze_epochs=2", "epochs=2")
    before, after = (
        weights_of(make_network(config, classes=4)),
        weights_of(fit_network(config, photo_sets[0], None).network),
    )
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.1.weight", "head.1.bias"}
    free = weights_of(fit_network(composed("recipe.freeze_epochs=1", "epochs=2"), photo_sets[0], None).network)
    assert not torch.equal(before["backbone.features.0.0.weight"], free["backbone.features.0.0.weight"])


def test_one_batch_is_learned_by_heart(composed: Settings, photo_sets: PhotoSets) -> None:
    few = photo_sets[0].take(range(8))
    fitted = fit_network(composed("epochs=25", "model.dropout=0"), few, None)
    with torch.inference_mode():
        answers = fitted.network(torch.from_numpy(few.cache.pixels).permute(0, 3, 1, 2)).argmax(1)
    assert answers.tolist() == few.labels.tolist()


def test_a_linear_probe_takes_no_epochs(composed: Settings, photo_sets: PhotoSets) -> None:
    fitted = fit_network(composed("recipe=linear_probe", "weights=none"), *photo_sets)
    assert fitted.epochs == 0


def test_an_unknown_backbone_and_weights_of_another_network_are_refused(composed: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Unknown backbone 'resnet5'\. Did you mean resnet50\?"):
        make_network(composed("backbone=resnet5"), classes=4)
    with pytest.raises(ConfigError, match="No weights file"):
        make_network(composed(f"weights={tmp_path}/none.safetensors"), classes=4)

"""Tests of the Lightning module: layer-wise rates, schedule, mixup, freezing and seeds."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from petmood.models import classifier
from petmood.models.backbones import layer_groups
from petmood.models.classifier import (
    ExpressionClassifier,
    OptimizationConfig,
    PhotoMean,
    cosine_after_warmup,
    parameter_groups,
    training_side,
)
from petmood.models.network import ExpressionNet, NetworkSpec, build_network
from petmood.training.callbacks import quiet_lightning
from tests.support.images import faces
from tests.support.networks import IMAGE, tiny_network

LABELS = torch.arange(8) % 4
BATCH: classifier.Batch = {
    "images": torch.from_numpy(faces(8, side_px=32)).permute(0, 3, 1, 2),
    "labels": LABELS,
}


def trained(
    learning: OptimizationConfig, *, class_weights: Tensor | None = None
) -> tuple[ExpressionClassifier, Trainer]:
    """Train a tiny network on one batch per epoch; return it with its logged metrics."""
    module = ExpressionClassifier(tiny_network().train(), learning, class_weights=class_weights)
    with quiet_lightning():
        trainer = Trainer(
            max_epochs=learning.epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        batches: Any = DataLoader([BATCH], batch_size=None)  # type: ignore[arg-type]  # a list works as a dataset
        trainer.fit(module, batches, batches)
    return module, trainer


# --- groups and schedule ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["tiny", "resnet18", "mobilenet_v3_small", "convnext_tiny"])
def test_every_weight_is_in_exactly_one_group(backbone: str) -> None:
    with torch.device("meta"):
        network = build_network(NetworkSpec(backbone), image=IMAGE, classes=4)
    grouped = [id(weight) for group in parameter_groups(network, OptimizationConfig(1)) for weight in group["params"]]
    assert sorted(grouped) == sorted(id(weight) for weight in network.parameters())


def test_rates_fall_with_depth_from_the_head_to_the_first_layer() -> None:
    network = tiny_network()
    groups = parameter_groups(network, OptimizationConfig(1, lr=0.1, backbone_lr_multiplier=0.5, layer_decay=0.8))
    rate_of = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    assert {rate_of[id(weight)] for weight in network.head.parameters()} == {0.1}
    rates = [{rate_of[id(weight)] for weight in part.parameters()} for part in layer_groups(network.backbone)]
    assert all(len(found) == 1 for found in rates)
    flat = [found.pop() for found in rates]
    assert flat == pytest.approx([0.05 * 0.8**depth for depth in (5, 4, 3, 2, 1, 0)])


def test_biases_and_norms_do_not_decay() -> None:
    for group in parameter_groups(tiny_network(), OptimizationConfig(1, weight_decay=0.3)):
        assert {weight.ndim > 1 for weight in group["params"]} == {group["weight_decay"] == 0.3}
    whole = [
        weight
        for group in parameter_groups(tiny_network(), OptimizationConfig(1, weight_decay=0))
        for weight in group["params"]
    ]
    assert len(whole) == len(list(tiny_network().parameters()))


def test_the_rate_climbs_a_line_and_falls_half_a_cosine_to_nothing() -> None:
    factor = cosine_after_warmup(100, warmup=0.1)
    assert [factor(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(10) == pytest.approx(1.0)
    assert factor(55) == pytest.approx(0.5)
    assert factor(100) == factor(150) == pytest.approx(0.0)
    falling = [factor(step) for step in range(10, 101)]
    assert all(before >= after for before, after in pairwise(falling))


def test_without_a_warm_up_the_first_step_has_the_whole_rate() -> None:
    assert cosine_after_warmup(10, warmup=0)(0) == 1.0
    assert cosine_after_warmup(1, warmup=0.5)(0) == 1.0


# --- what is learned --------------------------------------------------------------------------------------------------


def test_mixup_keeps_the_mass_of_the_labels_and_the_range_of_the_images() -> None:
    torch.manual_seed(0)
    targets = torch.nn.functional.one_hot(LABELS, 4).float()
    images, mixed = classifier._mixed(BATCH["images"], targets, 0.4)
    assert torch.allclose(mixed.sum(dim=1), torch.ones(8))
    assert mixed.sum() == pytest.approx(8)
    assert ((mixed >= 0) & (mixed <= 1)).all()
    assert not torch.equal(mixed, targets)
    assert images.shape == BATCH["images"].shape
    assert images.min() >= 0
    assert images.max() <= 255


def test_mixup_and_dropout_are_drawn_from_the_seed_and_the_epoch() -> None:
    first, same, other = (trained(OptimizationConfig(2, mixup=0.4, seed=seed))[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["network.head.1.weight"], other["network.head.1.weight"])


@pytest.mark.parametrize(
    ("full_px", "scales", "epochs", "expected"),
    [
        (224, (0.57, 0.86), 10, [128] * 3 + [160] * 4 + [192] * 3),
        (224, (1.0, 1.0), 3, [224] * 3),
        (192, (0.5, 1.0), 1, [192]),
        (100, (0.9, 1.0), 2, [96, 100]),
        (40, (0.1, 0.5), 2, [32, 32]),
        (16, (0.5, 0.5), 2, [16, 16]),
    ],
)
def test_the_side_of_training_images_grows_in_steps_of_32(
    full_px: int, scales: tuple[float, float], epochs: int, expected: list[int]
) -> None:
    found = [training_side(full_px, scales, epoch=epoch, epochs=epochs) for epoch in range(epochs)]
    assert found == expected


def test_training_images_are_resized_and_validation_images_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[tuple[bool, int]] = []
    forward = ExpressionClassifier.forward

    def noted(module: ExpressionClassifier, images: torch.Tensor) -> torch.Tensor:
        sides.append((module.training, images.shape[-1]))
        return forward(module, images)

    monkeypatch.setattr(ExpressionClassifier, "forward", noted)
    monkeypatch.setattr(classifier, "SIDE_STEP_PX", 16)
    trained(OptimizationConfig(2, image_scales=(0.5, 1.0)))
    assert {side for training, side in sides if not training} == {32}
    assert [side for training, side in sides if training] == [16, 32]


def test_the_backbone_stays_frozen_while_the_head_learns_alone_and_is_free_afterwards() -> None:
    start = tiny_network()
    alone, _ = trained(OptimizationConfig(2, freeze_epochs=2))
    names = start.backbone.state_dict()
    assert all(torch.equal(names[name], alone.network.backbone.state_dict()[name]) for name in names)
    assert not torch.equal(start.head.state_dict()["1.weight"], alone.network.head.state_dict()["1.weight"])
    both, _ = trained(OptimizationConfig(2, freeze_epochs=1))
    assert not torch.equal(names["features.0.0.weight"], both.network.backbone.state_dict()["features.0.0.weight"])
    assert all(weight.requires_grad for weight in both.parameters())


def test_training_and_validation_are_measured() -> None:
    _, trainer = trained(OptimizationConfig(1))
    assert set(trainer.callback_metrics) == {"train/loss", "val/loss", "val/accuracy"}


def test_the_schedule_steps_with_every_batch_and_ends_at_nothing() -> None:
    _, trainer = trained(OptimizationConfig(3, lr=0.01, warmup=0))
    assert [group["lr"] for group in trainer.optimizers[0].param_groups] == pytest.approx([0.0] * 14, abs=1e-9)


def loss_of(network: ExpressionNet, **named: Any) -> float:  # noqa: ANN401 - the module's own arguments
    """Return the loss of one training step without logging it."""
    module = ExpressionClassifier(network, OptimizationConfig(1, label_smoothing=named.pop("smoothing", 0.0)), **named)
    with torch.no_grad():
        return float(module._loss(module(BATCH["images"]), module._targets(BATCH["labels"])))


def test_the_loss_is_cross_entropy_and_class_weights_weigh_it() -> None:
    network = tiny_network()
    with torch.no_grad():
        plain = torch.nn.functional.cross_entropy(network(BATCH["images"]), LABELS, reduction="none")
    assert loss_of(network) == pytest.approx(plain.mean().item())
    weights = torch.tensor([2.0, 1.0, 0.5, 0.0])
    assert loss_of(network, class_weights=weights) == pytest.approx((weights[LABELS] * plain).mean().item())
    assert loss_of(network, smoothing=0.2) != pytest.approx(plain.mean().item())


def test_class_weights_are_no_part_of_the_saved_weights() -> None:
    module = ExpressionClassifier(tiny_network(), OptimizationConfig(1), class_weights=torch.ones(4))
    assert not [name for name in module.state_dict() if "class_weights" in name]


def test_a_mean_over_photos_weighs_batches_by_their_photos_and_keeps_a_nan() -> None:
    mean = PhotoMean(sync_on_compute=False)
    mean.update(torch.tensor(1.0), 17)
    mean.update(torch.tensor(3.0), 16)
    assert float(mean.compute()) == pytest.approx((17 + 48) / 33)
    mean.update(torch.tensor(float("nan")), 1)
    assert bool(mean.compute().isnan())
    mean.reset()
    mean.update(torch.tensor(2.0), 5)
    assert float(mean.compute()) == 2.0


def test_a_loss_of_a_part_of_the_batch_has_its_weight() -> None:
    module = ExpressionClassifier(tiny_network().eval(), OptimizationConfig(epochs=1))
    module.log = lambda *_, **__: None  # type: ignore[method-assign] # no trainer
    alone = module.training_step(BATCH, 0)
    weighted = module.training_step({**BATCH, "weight": torch.tensor(1.5, dtype=torch.float64)}, 0)
    assert weighted.dtype is torch.float32
    torch.testing.assert_close(weighted, alone * 1.5)

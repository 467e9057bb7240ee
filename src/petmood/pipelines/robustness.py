"""Accuracy of a run's network under image corruptions, on its own held-out photos."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError, PhotoError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import Split
from petmood.evaluation.corruptions import CORRUPTIONS, LEVELS, corrupt
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.robustness import Robustness, evaluate_robustness, spread_sample
from petmood.models.network import ExpressionNet
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.networks import load_network
from petmood.pipelines.predict_logits import logits_of
from petmood.pipelines.run_folder import RunFolder
from petmood.training.dataset import open_index

__all__ = ["measure_robustness"]

logger = logging.getLogger(__name__)

PHOTOS_AT_ONCE: Final = 64
"""Photos whose corrupted copies are in memory at a time."""


def measure_robustness(
    run: RunFolder, scored: Mapping[str, Predictions], *, progress: ProgressBar = no_progress
) -> Robustness | None:
    """Measure the accuracy of a run under each corruption at every level; nothing is written.

    ``scored`` are the run's predictions of its validation and test photos. Test photos are corrupted, or validation
    photos if there are none: at most ``evaluation.robustness`` of them, spread over classes and groups. They are
    corrupted after preprocessing, at the network's input size. Returns None if that setting is 0 or there are no
    photos. Returns None with a warning if the photos can't be read or have changed since the training.
    """
    config, facts = run.read_config(), run.read_metadata()
    split = Split.TEST if len(scored[Split.TEST]) else Split.VALID
    every = scored[split]
    clean = every.take(spread_sample(every, config.evaluation.robustness, seed=config.seed))
    if not len(clean):
        return None
    try:
        folder = run.dataset()
        rows = {row.path: row for row in open_index(folder, expected_hash=facts.data_hash)}
        chosen = [rows[path] for path in clean.paths]
        photos = configured_photos(config, folder, chosen, classes=facts.classes, progress=progress)
    except (DataError, PhotoError, OSError) as error:
        logger.warning("The accuracy under corruptions is not measured. %s", error)
        return None
    logits = _corrupted_logits(load_network(run), photos.cache.pixels, progress=progress)
    corrupted = {key: replace(clean, logits=found) for key, found in logits.items()}
    return evaluate_robustness(clean, corrupted, split=split, available=len(every))


def _corrupted_logits(
    network: ExpressionNet, pixels: NDArray[np.uint8], *, progress: ProgressBar
) -> dict[tuple[str, int], NDArray[np.float64]]:
    """Return the logits [N, K] of images uint8 [N, S, S, 3] by the name and level of a corruption."""
    wanted = [(name, level) for name in CORRUPTIONS for level in LEVELS]
    starts = range(0, len(pixels), PHOTOS_AT_ONCE)
    parts: dict[tuple[str, int], list[NDArray[np.float64]]] = {key: [] for key in wanted}
    steps = [(start, key) for start in starts for key in wanted]
    for start, (name, level) in progress(steps, total=len(steps), what="predicting corrupted photos"):
        images = [corrupt(image, name, level=level) for image in pixels[start : start + PHOTOS_AT_ONCE]]
        parts[name, level].append(logits_of(network, np.stack(images)))
    return {key: np.concatenate(found) for key, found in parts.items()}

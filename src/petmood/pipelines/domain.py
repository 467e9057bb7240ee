"""The domain of a run: photos like those of its dataset, by frozen ImageNet features."""

import io
import logging
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.domain import DomainRule
from petmood.core.errors import DataError, MissingDependency
from petmood.core.files import atomic_write_bytes
from petmood.core.image import prepare
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.data_kind import data_kind
from petmood.data.index import Split, read_index
from petmood.evaluation.domain import Domain, DomainFeatures, DomainResult, evaluate_domain, fit_domain
from petmood.evaluation.non_pets import non_pets
from petmood.export.domain import FittedDomain
from petmood.models.domain import BACKBONE, COMPONENTS, WIDTH
from petmood.models.domain import DomainFeatures as FeatureNetwork
from petmood.pipelines.run_folder import RunFolder
from petmood.training.dataset import evaluation_rows, open_photo_set

__all__ = ["measure_domain", "read_domain"]

logger = logging.getLogger(__name__)

BATCH: Final = 32


def measure_domain(run: RunFolder, *, progress: ProgressBar = no_progress) -> DomainResult | None:
    """Fit the domain of a run to its training and validation photos, write it to ``domain.npz``, and measure it.

    It is measured on the test photos, and on images without a pet (``evaluation.non_pets``). Returns None, and writes
    nothing, if ``evaluation.false_alarms`` is 0, if the ImageNet weights are not installed, or with too few photos.

    Raises:
        DataError: the photos of the run can't be found or read.
    """
    config, folder = run.read_config(), run.dataset()
    if config.evaluation.false_alarms == 0:
        return None
    try:
        network = FeatureNetwork(side_px=run.read_metadata().image.side_px)
    except MissingDependency as error:
        logger.warning("Photos without a pet will not be recognized: %s", error)
        return None
    known = _features(run, config, network, [Split.TRAIN, Split.VALID], progress=progress)
    try:
        domain = fit_domain(
            known, features=BACKBONE, target_false_alarms=config.evaluation.false_alarms, seed=config.seed
        )
    except DataError as error:
        logger.warning("Photos without a pet will not be recognized. %s", error)
        return None
    held_out = _features(run, config, network, [Split.TEST], progress=progress)
    others, kinds = _non_pets(run, folder, network)
    _write(run.domain, domain)
    return evaluate_domain(domain, held_out if len(held_out) else None, others, kinds)


def read_domain(run: RunFolder, rule: DomainRule) -> FittedDomain:
    """Return the fitted domain of a run, with the rule that its evaluation has.

    Raises:
        DataError: the file is missing or damaged.
    """
    bounds = {
        "mean": ArrayBounds("float64", (WIDTH,)),
        "components": ArrayBounds("float64", (WIDTH, COMPONENTS)),
        "precisions": ArrayBounds("float64", (COMPONENTS,)),
        "residual": ArrayBounds("float64", (1,)),
        "limit": ArrayBounds("float64", (1,)),
    }
    found = read_arrays(run.domain, bounds)
    return FittedDomain(
        found["mean"], found["components"], found["precisions"], found["residual"][0], found["limit"][0], rule
    )


def _write(path: Path, domain: Domain) -> None:
    space, buffer = domain.space, io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        mean=space.mean,
        components=space.components,
        precisions=space.precisions,
        residual=np.array([space.residual]),
        limit=np.array([domain.limit]),
    )
    atomic_write_bytes(path, buffer.getvalue())


def _features(
    run: RunFolder, config: Config, network: FeatureNetwork, splits: list[Split], *, progress: ProgressBar
) -> DomainFeatures:
    facts, folder = run.read_metadata(), run.dataset()
    index = read_index(folder)
    photos = open_photo_set(
        folder,
        [row for split in splits for row in evaluation_rows(index.rows, split)],
        classes=facts.classes,
        image=facts.image,
        memory_mb=config.data.memory_mb,
        progress=progress,
    )
    groups = tuple(row.group_id for row in photos.rows)
    return DomainFeatures(*_of_pixels(network, photos.cache.pixels, progress=progress), groups, photos.labels)


def _non_pets(run: RunFolder, folder: Path, network: FeatureNetwork) -> tuple[DomainFeatures, list[str]]:
    image = run.read_metadata().image
    images = [
        (one.kind, one.name, prepare(one.pixels, image)) for one in non_pets(drawings=data_kind(folder) != "drawings")
    ]
    features, animal = _of_pixels(network, np.stack([pixels for _, _, pixels in images]))
    names = tuple(name for _, name, _ in images)
    photos = DomainFeatures(features, animal, names, np.zeros(len(images), dtype=np.int64))
    return photos, [str(kind) for kind, _, _ in images]


def _of_pixels(
    network: FeatureNetwork, pixels: NDArray[np.uint8], *, progress: ProgressBar = no_progress
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features [N, 1280] and animal scores [N] of prepared photos uint8 [N, S, S, 3]."""
    features = [np.zeros((0, WIDTH), dtype=np.float32)]
    animal = [np.zeros(0, dtype=np.float32)]
    starts = range(0, len(pixels), BATCH)
    with torch.inference_mode():
        for start in progress(starts, total=len(starts), what="comparing photos"):
            images = torch.from_numpy(np.array(pixels[start : start + BATCH])).permute(0, 3, 1, 2)
            found = network(images)
            features.append(found[0].numpy())
            animal.append(found[1].numpy())
    return np.concatenate(features), np.concatenate(animal)

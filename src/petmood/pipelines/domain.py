"""The domain of a run: photos like those of its dataset, by frozen ImageNet features."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.bundle import pack_arrays
from petmood.core.commands import shell_command
from petmood.core.domain import DomainRule
from petmood.core.errors import DataError, MissingDependency, RunError
from petmood.core.files import sha256_of
from petmood.core.image import ImageSpec, prepare
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.data_kind import data_kind
from petmood.data.index import Split
from petmood.evaluation.domain import Domain, DomainFeatures, DomainResult, evaluate_domain, fit_domain
from petmood.evaluation.non_pets import non_pets
from petmood.export.domain import FittedDomain
from petmood.models.domain import BACKBONE, COMPONENTS, WIDTH, FeatureNetwork
from petmood.pipelines.run_folder import RunFolder
from petmood.training.dataset import evaluation_rows, open_index, open_photo_set

__all__ = ["MeasuredDomain", "has_domain", "measure_domain", "read_domain"]

logger = logging.getLogger(__name__)

BATCH: Final = 32
UNRECOGNIZED: Final = "Photos without a pet will not be recognized."


@dataclass(frozen=True, slots=True)
class MeasuredDomain:
    """The result of a run's domain, and the bytes of its file ``domain.npz``."""

    result: DomainResult
    file: bytes


def measure_domain(run: RunFolder, *, progress: ProgressBar = no_progress) -> MeasuredDomain | None:
    """Fit the domain of a run to its training and validation photos, and measure it; nothing is written.

    It is measured on the test photos, and on images without a pet (``evaluation.non_pets``). Returns None if
    ``evaluation.false_alarms`` is 0. Returns None with a warning if the ImageNet weights are not installed, if the
    dataset has changed since the training, or with too few photos.

    Raises:
        DataError: the photos of the run can't be found or read.
    """
    config, facts, folder = run.read_config(), run.read_metadata(), run.dataset()
    if config.evaluation.false_alarms == 0:
        return None
    try:
        index = open_index(folder, expected_hash=facts.data_hash)
        network = FeatureNetwork(side_px=facts.image.side_px)
    except (DataError, MissingDependency) as error:
        logger.warning("%s %s", UNRECOGNIZED, error)
        return None

    def features(*splits: Split) -> DomainFeatures:
        rows = [row for split in splits for row in evaluation_rows(index.rows, split)]
        memory_mb, image = config.data.memory_mb, facts.image
        photos = open_photo_set(
            folder, rows, classes=facts.classes, image=image, memory_mb=memory_mb, progress=progress
        )
        found = _of_pixels(network, photos.cache.pixels, progress=progress)
        return DomainFeatures(*found, tuple(row.group_id for row in rows), photos.labels)

    known = features(Split.TRAIN, Split.VALID)
    try:
        domain = fit_domain(
            known,
            features=BACKBONE,
            target_false_alarms=config.evaluation.false_alarms,
            max_components=COMPONENTS,
            seed=config.seed,
        )
    except DataError as error:
        logger.warning("%s %s", UNRECOGNIZED, error)
        return None
    held_out = features(Split.TEST)
    others, kinds = _non_pets(network, facts.image, drawings=data_kind(folder) != "drawings")
    file = _packed(domain)
    fitted = hashlib.sha256(file).hexdigest()
    return MeasuredDomain(
        evaluate_domain(domain, held_out if len(held_out) else None, others, kinds, fitted=fitted), file
    )


def has_domain(run: RunFolder, result: Mapping[str, Any] | None) -> bool:
    """Return whether the fitted domain of a run is the one of this result, as it is in ``evaluation.json``."""
    return result is None or (run.domain.is_file() and sha256_of(run.domain) == result["fitted"])


def read_domain(run: RunFolder, result: Mapping[str, Any]) -> FittedDomain:
    """Return the fitted domain of a run, with the rule of this result, as it is in ``evaluation.json``.

    Raises:
        DataError: the file is missing or damaged.
        RunError: the file belongs to another evaluation.
    """
    if not has_domain(run, result):
        evaluate = shell_command("evaluate", run.path)
        raise RunError(f"{run.domain} is missing or belongs to another evaluation. Evaluate the run again: {evaluate}")
    bounds = {
        "mean": ArrayBounds("float64", (WIDTH,)),
        "components": ArrayBounds("float64", (WIDTH, COMPONENTS)),
        "precisions": ArrayBounds("float64", (COMPONENTS,)),
        "residual": ArrayBounds("float64", (1,)),
        "limit": ArrayBounds("float64", (1,)),
    }
    found, rule = read_arrays(run.domain, bounds), DomainRule.model_validate(result["rule"])
    return FittedDomain(
        found["mean"], found["components"], found["precisions"], found["residual"][0], found["limit"][0], rule
    )


def _packed(domain: Domain) -> bytes:
    """Return a fitted domain as the bytes of an npz file."""
    space = domain.space
    return pack_arrays(
        mean=space.mean,
        components=space.components,
        precisions=space.precisions,
        residual=np.array([space.residual]),
        limit=np.array([domain.limit]),
    )


def _non_pets(network: FeatureNetwork, image: ImageSpec, *, drawings: bool) -> tuple[DomainFeatures, list[str]]:
    images = [(one.kind, one.name, prepare(one.pixels, image)) for one in non_pets(drawings=drawings)]
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

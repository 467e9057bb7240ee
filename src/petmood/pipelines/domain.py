"""The domain of a run: photos like those of its dataset, by frozen ImageNet features."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.bundle import pack_arrays
from petmood.core.commands import shell_command
from petmood.core.domain import SCENE_WARNINGS, DomainRule
from petmood.core.errors import DataError, MissingDependency, RunError
from petmood.core.files import sha256_of
from petmood.core.image import ImageSpec, prepare
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.data_kind import data_kind
from petmood.data.index import DataIndex, Split
from petmood.evaluation.domain import Domain, DomainFeatures, DomainResult, evaluate_domain, fit_domain
from petmood.evaluation.non_pets import NonPetKind, non_pets
from petmood.evaluation.scenes import SceneFit, ScenePhotos, fit_scenes
from petmood.export.domain import FittedDomain
from petmood.models.domain import BACKBONE, COMPONENTS, SCENE_WIDTH, WIDTH, FeatureNetwork
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.run_folder import RunFolder, RunMetadata
from petmood.training.dataset import evaluation_rows, open_index

__all__ = ["MeasuredDomain", "has_domain", "measure_domain", "read_domain"]

logger = logging.getLogger(__name__)

BATCH: Final = 32
MOST_SCENE_PHOTOS: Final = 2000
"""Photos that the probes of scene warnings learn from: enough for a limit of 2%, and a bound on memory."""
UNRECOGNIZED: Final = "Photos without a pet will not be recognized."


class _Found(NamedTuple):
    """Outputs of ``models.domain.FeatureNetwork`` as arrays: features [N, 1280], animal [N] and scene [N, 1504]."""

    features: NDArray[np.float32]
    animal: NDArray[np.float32]
    scene: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Photos:
    """Prepared photos uint8 [N, S, S, 3] with what the network found, their groups and labels [N]."""

    pixels: NDArray[np.uint8]
    found: _Found
    groups: tuple[str, ...]
    labels: NDArray[np.int64]

    def sample(self, most: int, *, seed: int) -> "_Photos":
        """Return at most this many photos, drawn at random."""
        if len(self.groups) <= most:
            return self
        drawn = np.sort(np.random.default_rng(seed).choice(len(self.groups), most, replace=False))
        found = _Found(*(values[drawn] for values in self.found))
        return _Photos(self.pixels[drawn], found, tuple(self.groups[n] for n in drawn), self.labels[drawn])

    def domain_features(self) -> DomainFeatures:
        return DomainFeatures(self.found.features, self.found.animal, self.groups, self.labels)


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

    read = partial(_read_photos, folder, index, network, config, facts, progress=progress)
    known = read(Split.TRAIN, Split.VALID)
    try:
        domain = fit_domain(
            known.domain_features(),
            features=BACKBONE,
            target_false_alarms=config.evaluation.false_alarms,
            max_components=COMPONENTS,
            seed=config.seed,
        )
    except DataError as error:
        logger.warning("%s %s", UNRECOGNIZED, error)
        return None
    drawings = data_kind(folder) == "drawings"
    scenes = None if drawings else _fit_scenes(network, known, config, image=facts.image, progress=progress)
    del known  # its pixels, before those of the test photos are read
    if scenes is not None:
        domain = replace(domain, rule=domain.rule.model_copy(update={"scene_warnings": scenes.kept}))
    held_out = read(Split.TEST).domain_features()
    others, kinds = _non_pets(network, facts.image, drawings=not drawings)
    file = _packed(domain, scenes)
    fitted = hashlib.sha256(file).hexdigest()
    shares = scenes.to_json() if scenes else None
    tested = held_out if len(held_out) else None
    return MeasuredDomain(evaluate_domain(domain, tested, others, kinds, fitted=fitted, scenes=shares), file)


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
    rule = DomainRule.model_validate(result["rule"])
    if rule.scene_warnings:
        bounds["scene_weights"] = ArrayBounds("float64", (SCENE_WIDTH, len(SCENE_WARNINGS)))
        bounds["scene_offsets"] = ArrayBounds("float64", (len(SCENE_WARNINGS),))
    found = read_arrays(run.domain, bounds)
    return FittedDomain(
        found["mean"],
        found["components"],
        found["precisions"],
        found["residual"][0],
        found["limit"][0],
        rule,
        found.get("scene_weights"),
        found.get("scene_offsets"),
    )


def _read_photos(
    folder: Path,
    index: DataIndex,
    network: FeatureNetwork,
    config: Config,
    facts: RunMetadata,
    *splits: Split,
    progress: ProgressBar,
) -> _Photos:
    rows = [row for split in splits for row in evaluation_rows(index.rows, split)]
    photos = configured_photos(config, folder, rows, classes=facts.classes, progress=progress)
    pixels = photos.cache.pixels
    found = _of_pixels(network, pixels, progress=progress)
    return _Photos(pixels, found, tuple(row.group_id for row in rows), photos.labels)


def _fit_scenes(
    network: FeatureNetwork, known: _Photos, config: Config, *, image: ImageSpec, progress: ProgressBar
) -> SceneFit | None:
    objects = [prepare(one.pixels, image) for one in non_pets(drawings=False) if one.kind is NonPetKind.OBJECTS]
    few = known.sample(MOST_SCENE_PHOTOS, seed=config.seed)
    return fit_scenes(
        ScenePhotos(few.pixels, few.found.scene, few.groups, few.labels),
        np.stack(objects),
        lambda pixels: _of_pixels(network, pixels, progress=progress).scene,
        target_false_alarms=config.evaluation.false_alarms,
        seed=config.seed,
    )


def _packed(domain: Domain, scenes: SceneFit | None) -> bytes:
    """Return a fitted domain as the bytes of an npz file."""
    space = domain.space
    probes = {"scene_weights": scenes.weights, "scene_offsets": scenes.offsets} if scenes and scenes.kept else {}
    return pack_arrays(
        **probes,
        mean=space.mean,
        components=space.components,
        precisions=space.precisions,
        residual=np.array([space.residual]),
        limit=np.array([domain.limit]),
    )


def _non_pets(network: FeatureNetwork, image: ImageSpec, *, drawings: bool) -> tuple[DomainFeatures, list[str]]:
    images = [(one.kind, one.name, prepare(one.pixels, image)) for one in non_pets(drawings=drawings)]
    features, animal, _ = _of_pixels(network, np.stack([pixels for _, _, pixels in images]))
    names = tuple(name for _, name, _ in images)
    photos = DomainFeatures(features, animal, names, np.zeros(len(images), dtype=np.int64))
    return photos, [str(kind) for kind, _, _ in images]


def _of_pixels(network: FeatureNetwork, pixels: NDArray[np.uint8], *, progress: ProgressBar = no_progress) -> _Found:
    """Return the outputs of the network for prepared photos uint8 [N, S, S, 3]."""
    parts = [_Found(*(np.zeros((0, *shape), dtype=np.float32) for shape in ((WIDTH,), (), (SCENE_WIDTH,))))]
    starts = range(0, len(pixels), BATCH)
    with torch.inference_mode():
        for start in progress(starts, total=len(starts), what="comparing photos"):
            images = torch.from_numpy(np.array(pixels[start : start + BATCH])).permute(0, 3, 1, 2)
            parts.append(_Found(*(output.numpy() for output in network(images))))
    return _Found(*(np.concatenate(outputs) for outputs in zip(*parts, strict=True)))

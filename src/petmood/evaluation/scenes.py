"""Linear probes for what a photo shows beside one clear face: two pets, or a face that is small, hidden or cropped.

The probes are weighted ridge regressions on standardized features of the frozen network: means and deviations over the
places of its feature maps. They learn from composites of the training photos. Limits and shares found come from
cross-validation, where photos and backgrounds of a fold occur in no other fold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.domain import FACE_UNCLEAR, SCENE_WARNINGS, TWO_PETS, SceneWarning
from petmood.evaluation import composites as made
from petmood.evaluation.composites import Composite, CompositeKind, composites
from petmood.evaluation.domain import upper_limit
from petmood.evaluation.folds import Fold, stratified_group_folds

__all__ = ["MIN_GROUPS", "SceneFit", "ScenePhotos", "SceneShare", "fit_scenes"]

FOLDS: Final = 5
MIN_GROUPS: Final = 100
"""Groups of photos below which no limit for 2% of false alarms can be chosen."""
EACH: Final = 50
"""Composites of each kind and fold."""
MIN_FOUND: Final = 0.5
"""Share of composites that a probe must find to be kept."""
RIDGE: Final = 1.0
LEAST_DEVIATION: Final = 0.01
POSITIVE: Final = {TWO_PETS: made.TWO_PETS, FACE_UNCLEAR: made.FACE_UNCLEAR}

Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class ScenePhotos:
    """Prepared photos uint8 [N, S, S, 3] with one pet each, their scene features [N, D], groups and labels [N]."""

    pixels: Pixels
    features: Floats
    groups: tuple[str, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SceneShare:
    """Share of a probe's composites that it finds by kind, and of other composites and photos that it takes for one.

    ``false_alarms`` is that of photos with one pet, whose target chose the limit. ``auroc`` compares them with the
    composites. All are from cross-validation.
    """

    found: dict[CompositeKind, float]
    false_alarms: float
    auroc: float
    kept: bool


@dataclass(frozen=True, slots=True, eq=False)
class SceneFit:
    """Probes by warning: a score is ``features @ weights + offset``, and above 0 there is a warning.

    ``weights`` [D, W] and ``offsets`` [W] have a column for each of ``core.domain.SCENE_WARNINGS``. ``kept`` names the
    warnings that find enough to be given.
    """

    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    shares: dict[SceneWarning, SceneShare]

    @property
    def kept(self) -> tuple[SceneWarning, ...]:
        """The warnings whose probes find enough."""
        return tuple(name for name, share in self.shares.items() if share.kept)

    def to_json(self) -> dict[str, Any]:
        """Return the shares as JSON values by warning."""
        return {
            name: {
                "found": {str(kind): round(value, 4) for kind, value in share.found.items()},
                "false_alarms": round(share.false_alarms, 4),
                "auroc": round(share.auroc, 4),
                "kept": share.kept,
            }
            for name, share in self.shares.items()
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """Scene features [M, D] of photos (kind None) and composites, and the fold of each [M]."""

    features: Floats
    kinds: NDArray[np.object_]
    folds: NDArray[np.int64]


def fit_scenes(
    photos: ScenePhotos,
    backgrounds: Pixels,
    features: Callable[[Pixels], Floats],
    *,
    target_false_alarms: float,
    seed: int = 0,
) -> SceneFit | None:
    """Fit the probes to photos with one pet and to composites of them; None with fewer than 100 groups of photos.

    ``backgrounds`` uint8 [B, S, S, 3] show no pet. ``features`` returns the scene features [N, D] of prepared photos.
    The limit of each probe is exceeded by ``target_false_alarms`` of photos with one pet.
    """
    if len(set(photos.groups)) < MIN_GROUPS:
        return None
    folds = stratified_group_folds(photos.labels, photos.groups, folds=FOLDS, seed=seed)
    sample = _sample(photos, backgrounds, features, folds, seed=seed)
    scores = np.empty((len(sample.kinds), len(SCENE_WARNINGS)))
    for number in range(FOLDS):
        test = sample.folds == number
        weights, offsets = _ridge(sample.features[~test], sample.kinds[~test])
        scores[test] = sample.features[test] @ weights + offsets
    weights, offsets = _ridge(sample.features, sample.kinds)
    plain = np.array([kind is None for kind in sample.kinds])
    limits = np.array([upper_limit(column[plain], false_alarms=target_false_alarms) for column in scores.T])
    shares = {
        name: _share(scores[:, at] - limits[at], sample.kinds, POSITIVE[name]) for at, name in enumerate(SCENE_WARNINGS)
    }
    return SceneFit(weights, offsets - limits, shares)


def _sample(
    photos: ScenePhotos,
    backgrounds: Pixels,
    features: Callable[[Pixels], Floats],
    folds: Sequence[Fold],
    *,
    seed: int,
) -> _Sample:
    found = [photos.features]
    kinds: list[CompositeKind | None] = [None] * len(photos.features)
    fold_of = np.empty(len(photos.features), dtype=np.int64)
    parts = [fold_of]
    for number, fold in enumerate(folds):
        fold_of[fold.test] = number
        rng = np.random.default_rng([seed, number])
        own = composites(
            photos.pixels[fold.test], backgrounds[number::FOLDS], each=EACH, rng=rng, kinds=tuple(CompositeKind)
        )
        some: list[Composite] = list(own)
        found.append(features(np.stack([one.pixels for one in some])))
        kinds += [one.kind for one in some]
        parts.append(np.full(len(some), number, dtype=np.int64))
    return _Sample(np.concatenate(found), np.array(kinds, dtype=object), np.concatenate(parts))


def _ridge(features: Floats, kinds: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights [D, W] and offsets [W] that give about 1 for the composites of a warning, and 0 for the others.

    Photos, composites with one pet, with two, and far away weigh the same, however many they are. Parts of photos only
    measure: in a fit, their blur would distinguish them.
    """
    given = features.astype(np.float64)
    classes = [(None,), made.ONE_PET, made.TWO_PETS, (CompositeKind.FAR,)]
    members = [np.array([kind in some for kind in kinds]) for some in classes]
    weight = np.mean([member / max(1, int(member.sum())) for member in members], axis=0)
    targets = np.array([[float(kind in POSITIVE[name]) for name in SCENE_WARNINGS] for kind in kinds])
    scale = given.std(axis=0) + LEAST_DEVIATION
    middle, aim = weight @ given, weight @ targets
    centered = (given - middle) / scale
    gram = (centered * weight[:, np.newaxis]).T @ centered
    gram[np.diag_indices_from(gram)] += RIDGE
    found = np.linalg.solve(gram, (centered * weight[:, np.newaxis]).T @ (targets - aim)) / scale[:, np.newaxis]
    return found, aim - middle @ found


def _share(scores: NDArray[np.float64], kinds: NDArray[np.object_], positive: Sequence[CompositeKind]) -> SceneShare:
    """Return the shares above 0."""
    found = {kind: float((scores[kinds == kind] > 0).mean()) for kind in positive}
    plain = scores[np.array([kind is None for kind in kinds])]
    wanted = scores[np.isin(kinds, list(positive))]
    order = np.searchsorted(np.sort(plain), wanted)
    kept = float(np.mean(list(found.values()))) >= MIN_FOUND
    return SceneShare(found, float((plain > 0).mean()), float(order.mean() / len(plain)), kept)

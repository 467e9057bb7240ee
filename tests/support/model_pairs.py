"""Pairs of simulated models on the same photos, for the error rates and the power of the promotion checks.

A photo's logits are the class's direction times ``skill`` plus normal noise, times ``skill``: these are the calibrated
logits of that noise. ``shared`` is the correlation of the two models' noise.
"""

from collections.abc import Iterable

import numpy as np

from petmood.core.labels import DEFAULT_CLASSES
from petmood.evaluation.corruptions import CORRUPTIONS
from petmood.evaluation.predictions import Predictions
from petmood.promotion.compare import BundleInfo, BundlePredictions
from petmood.promotion.differences import difference
from petmood.promotion.limits import PromotionLimits

ABOUT_75, ABOUT_90 = 1.6, 2.35
"""Skills at which a model of four classes is right for about 75% and 90% of photos."""
INFO = BundleInfo("simulated", "1", "a" * 64, "d" * 64, 1_000_000)


def labels_of(photos: int) -> np.ndarray:
    """Return the classes in turn, int [photos]."""
    return np.arange(photos) % len(DEFAULT_CLASSES)


def noise(rng: np.random.Generator, photos: int, *, common: np.ndarray, shared: float) -> np.ndarray:
    """Return a model's noise, float64 [photos, 4], with the given correlation with that of other models."""
    own = rng.normal(size=(photos, len(DEFAULT_CLASSES)))
    return np.asarray(np.sqrt(shared) * common + np.sqrt(1 - shared) * own)


def scored(logits: np.ndarray, *, source: str = "", group_size: int = 1) -> Predictions:
    """Return predictions of photos with the classes in turn."""
    photos = len(logits)
    suffix = f"#{source}" if source else ""
    return Predictions(
        logits=logits,
        labels=labels_of(photos),
        groups=tuple(f"f{number // group_size:05d}" for number in range(photos)),
        paths=tuple(f"photos/{number:05d}.jpg{suffix}" for number in range(photos)),
        classes=DEFAULT_CLASSES,
        species=("",) * photos,
        image_sizes=np.full((photos, 2), 64),
        source=(source,) * photos,
    )


def logits_of(photos: int, *, skill: float, noise: np.ndarray) -> np.ndarray:
    """Return calibrated logits, float64 [photos, 4]."""
    raw = noise.copy()
    raw[np.arange(photos), labels_of(photos)] += skill
    return raw * skill


def pair_of_models(
    seed: int,
    photos: int,
    *,
    skill: float,
    shared: float = 0.5,
    sharpness: float = 1.0,
    champion_sharpness: float = 1.0,
    corruptions: Iterable[str] = CORRUPTIONS,
) -> tuple[BundlePredictions, BundlePredictions]:
    """Simulate a candidate and a champion of one skill, whose logits are multiplied by their sharpness."""
    rng = np.random.default_rng([seed, photos])
    common = rng.normal(size=(photos, len(DEFAULT_CLASSES)))
    own = [noise(rng, photos, common=common, shared=shared) for _ in range(2)]
    made = []
    for noise_of, factor in zip(own, (sharpness, champion_sharpness), strict=True):
        clean = scored(factor * logits_of(photos, skill=skill, noise=noise_of))
        parts = []
        for kind in corruptions:
            further = noise(rng, photos, common=noise_of, shared=0.7)
            parts.append(scored(logits_of(photos, skill=0.85 * skill, noise=further), source=kind))
        made.append(BundlePredictions(INFO, clean, _joined(parts) if parts else clean))
    return made[0], made[1]


def promoted_by_chance(test_set: int, *, tries: int, limits: PromotionLimits) -> bool:
    """Tell whether one of many candidates, equal to the champion, is shown to be better on one test set."""
    rng = np.random.default_rng(test_set)
    common = rng.normal(size=(108, 4))
    champion, *candidates = (
        scored(logits_of(108, skill=ABOUT_75, noise=noise(rng, 108, common=common, shared=0.5)))
        for _ in range(tries + 1)
    )
    return any(
        difference(one, champion, confidence=limits.confidence(earlier_uses=earlier)).low > 0
        for earlier, one in enumerate(candidates)
    )


def _joined(parts: list[Predictions]) -> Predictions:
    first = parts[0]
    return Predictions(
        logits=np.concatenate([part.logits for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        groups=tuple(group for part in parts for group in part.groups),
        paths=tuple(path for part in parts for path in part.paths),
        classes=first.classes,
        species=tuple(species for part in parts for species in part.species),
        image_sizes=np.concatenate([part.image_sizes for part in parts]),
        source=tuple(source for part in parts for source in part.source),
    )

"""How is a head fitted to a frozen trunk? Features once for each view of a photo, then a linear head without epochs."""

import copy
import itertools
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from petmood.configs.schema import Config
from petmood.core.errors import ConfigError
from petmood.core.moods import MOODS
from petmood.core.progress import Track, silent
from petmood.data.augment_spec import AugmentSpec
from petmood.data.transforms import augment
from petmood.models.network import MoodNetwork
from petmood.training.material import Material
from petmood.training.solvers import LinearHead, fit_logistic, fit_ridge, negative_log_likelihood

__all__ = [
    "Described",
    "blocks_of",
    "describe",
    "fit_head",
    "fit_probe",
    "folded",
    "refuse_other_heads",
    "trunk_features",
]

BATCH = 16
Floats = NDArray[np.float64]


def trunk_features(
    network: MoodNetwork, pixels: NDArray[np.uint8], *, track: Track = silent, what: str = "computing features"
) -> NDArray[np.float32]:
    """Return the trunk's features float32 [N, width] of prepared pictures uint8 [N, S, S, 3]."""
    frozen = folded(network)
    starts = range(0, len(pixels), BATCH)
    with torch.inference_mode():
        found = [
            frozen.features(torch.from_numpy(np.array(pixels[start : start + BATCH])).permute(0, 3, 1, 2)).numpy()
            for start in track(starts, total=len(starts), what=what)
        ]
    return np.concatenate(found).astype(np.float32)


def folded(network: MoodNetwork) -> MoodNetwork:
    """Return a copy for answering alone, each batch norm that follows its convolution in a sequence folded into it.

    A third less work for MobileNet; the features differ by rounding.
    """
    frozen = copy.deepcopy(network).eval()
    for sequence in [module for module in frozen.modules() if isinstance(module, nn.Sequential)]:
        for place, (first, second) in enumerate(itertools.pairwise(list(sequence))):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                sequence[place], sequence[place + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return frozen.to(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class Described:
    """What a frozen trunk saw in some photos: features [N, D], the numbers of their moods, and their families."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    families: tuple[str, ...]

    def take(self, numbers: NDArray[np.int64]) -> "Described":
        """Return some of the photos, in the order of their numbers."""
        return Described(self.features[numbers], self.labels[numbers], tuple(self.families[n] for n in numbers))


def describe(network: MoodNetwork, material: Material, *, track: Track = silent) -> Described:
    """Compute the trunk's features of some photos, once."""
    features = trunk_features(network, material.bank.pixels, track=track)
    return Described(features, material.labels, tuple(row.family for row in material.rows))


def fit_probe(
    network: MoodNetwork, config: Config, train: Material, valid: Material | None, *, track: Track = silent
) -> None:
    """Fit the network's linear head in place to the features of its trunk."""
    known = _with_views(network, config, train, describe(network, train, track=track), track=track)
    choosing = describe(network, valid) if valid is not None and len(valid.rows) else None
    _write(network.head, fit_head(config, known, choosing, blocks=blocks_of(network)))


def refuse_other_heads(config: Config) -> None:
    """Refuse a probe of anything but a linear head.

    Raises:
        ConfigError: the head is not linear.
    """
    if config.model.head != "linear":
        raise ConfigError(
            f"A linear probe fits a linear head, got model.head={config.model.head}. Use model.head=linear."
        )


def fit_head(config: Config, known: Described, choosing: Described | None, *, blocks: tuple[int, ...]) -> LinearHead:
    """Fit a linear head to features that are known already.

    They are brought to one scale for the fit, and the scaling is folded into the head. A logistic head's regularisation
    is the one with the least loss on ``choosing``; a ridge head chooses on families of the training photos left out.
    """
    features = known.features.astype(np.float64)
    if config.recipe.solver == "ridge":
        middle, scale = _blockwise(features, blocks)
        scaled, strengths = (features - middle) * scale, config.recipe.ridge
        head = fit_ridge(scaled, known.labels, known.families, strengths=strengths, classes=len(MOODS))
    else:
        middle, scale = features.mean(axis=0), 1 / (features.std(axis=0) + 1e-6)
        seen = None if choosing is None else replace(choosing, features=(choosing.features - middle) * scale)
        head = _best_logistic((features - middle) * scale, known.labels, config, seen)
    return head.unscaled(middle, scale)


def blocks_of(network: MoodNetwork) -> tuple[int, ...]:
    """Return the widths of the kinds of features that a trunk puts side by side; most have one kind."""
    linear = next(module for module in network.head.modules() if isinstance(module, nn.Linear))
    found: tuple[int, ...] = getattr(network.trunk, "blocks", (linear.in_features,))
    return found


def _with_views(network: MoodNetwork, config: Config, train: Material, plain: Described, *, track: Track) -> Described:
    """Return the photos and further, varied views of each, as many as the recipe asks for."""
    views = [plain.features]
    for view in range(1, config.recipe.views):
        pixels = _varied(train.bank.pixels, config.augment, seed=config.seed, view=view)
        views.append(trunk_features(network, pixels, track=track, what=f"features of view {view + 1}"))
    return Described(np.concatenate(views), np.tile(plain.labels, len(views)), plain.families * len(views))


def _varied(pixels: NDArray[np.uint8], spec: AugmentSpec, *, seed: int, view: int) -> NDArray[np.uint8]:
    return np.stack([augment(p, spec, np.random.default_rng((seed, view, n))) for n, p in enumerate(pixels)])


def _blockwise(features: Floats, blocks: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return middle and scale [D] that give each feature a like spread, and each block of features a like length.

    A tenth of the block's mean spread is added to each feature's, so that nearly constant ones aren't blown up.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.empty_like(spread)
    for start, width in zip(np.cumsum((0, *blocks)), blocks, strict=False):
        part = slice(start, start + width)
        padded = spread[part] + 0.1 * spread[part].mean() + 1e-12
        lengths = np.linalg.norm((features[:, part] - middle[part]) / padded, axis=1)
        scale[part] = 1 / (padded * (lengths.mean() + 1e-12))
    return middle, scale


def _best_logistic(
    features: Floats, labels: NDArray[np.int64], config: Config, choosing: Described | None
) -> LinearHead:
    strengths, balanced = config.recipe.ridge, config.recipe.class_weights
    if choosing is None:
        strengths = strengths[len(strengths) // 2 :][:1]
    heads = [
        fit_logistic(features, labels, strength=strength, classes=len(MOODS), balanced=balanced)
        for strength in strengths
    ]
    if choosing is None:
        return heads[0]
    return min(heads, key=lambda head: negative_log_likelihood(head.logits(choosing.features), choosing.labels))


def _write(network_head: nn.Module, head: LinearHead) -> None:
    linear = next(module for module in network_head.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(head.weight).float())
        linear.bias.copy_(torch.from_numpy(head.bias).float())

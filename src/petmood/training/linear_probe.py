"""Linear probe: features of a frozen backbone, computed once per view, and a linear head fitted to them."""

import copy
import itertools
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from petmood.core.errors import ConfigError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.augment_spec import AugmentSpec
from petmood.data.augmentation import augment
from petmood.models.linear import LinearHead, fit_logistic, fit_ridge, negative_log_likelihood
from petmood.models.network import ExpressionNet
from petmood.training.dataset import PhotoSet
from petmood.training.settings import FitSettings

__all__ = [
    "Features",
    "backbone_features",
    "blocks_of",
    "extract_features",
    "fit_head",
    "fit_probe",
    "fuse_batchnorm",
    "refuse_other_heads",
]

BATCH = 16
Floats = NDArray[np.float64]


def backbone_features(
    network: ExpressionNet,
    pixels: NDArray[np.uint8],
    *,
    progress: ProgressBar = no_progress,
    what: str = "computing features",
) -> NDArray[np.float32]:
    """Return backbone features float32 [N, width] of preprocessed images uint8 [N, S, S, 3]."""
    frozen = fuse_batchnorm(network)
    starts = range(0, len(pixels), BATCH)
    with torch.inference_mode():
        found = [
            frozen.features(torch.from_numpy(np.array(pixels[start : start + BATCH])).permute(0, 3, 1, 2)).numpy()
            for start in progress(starts, total=len(starts), what=what)
        ]
    return np.concatenate(found).astype(np.float32)


def fuse_batchnorm(network: ExpressionNet) -> ExpressionNet:
    """Return an inference-only copy with each batch norm folded into the convolution before it in a sequence.

    This saves a third of the computation for MobileNet; features differ by rounding.
    """
    frozen = copy.deepcopy(network).eval()
    for sequence in [module for module in frozen.modules() if isinstance(module, nn.Sequential)]:
        for position, (first, second) in enumerate(itertools.pairwise(list(sequence))):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                sequence[position], sequence[position + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return frozen.to(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a frozen backbone [N, D], with the class index and the group of each photo.

    ``classes`` is the number of classes of the dataset; not all of them need to be among these photos.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    classes: int

    def take(self, numbers: NDArray[np.int64]) -> "Features":
        """Return the rows with these indices, in the given order."""
        groups = tuple(self.groups[n] for n in numbers)
        return Features(self.features[numbers], self.labels[numbers], groups, self.classes)


def extract_features(network: ExpressionNet, photo_set: PhotoSet, *, progress: ProgressBar = no_progress) -> Features:
    """Compute the backbone features of photos, once."""
    features = backbone_features(network, photo_set.cache.pixels, progress=progress)
    groups = tuple(row.group_id for row in photo_set.rows)
    return Features(features, photo_set.labels, groups, len(photo_set.classes))


def fit_probe(
    network: ExpressionNet,
    settings: FitSettings,
    train: PhotoSet,
    valid: PhotoSet | None,
    *,
    progress: ProgressBar = no_progress,
) -> None:
    """Fit the linear head of the network in place on the features of its backbone."""
    known = _with_views(
        network, settings, train, extract_features(network, train, progress=progress), progress=progress
    )
    choosing = extract_features(network, valid) if valid is not None and len(valid.rows) else None
    _write(network.head, fit_head(settings, known, choosing, blocks=blocks_of(network)))


def refuse_other_heads(head: str) -> None:
    """Reject a linear probe with any other head.

    Raises:
        ConfigError: the head is not linear.
    """
    if head != "linear":
        raise ConfigError(f"Expected a linear head for a linear probe, got model.head={head}. Set model.head=linear.")


def fit_head(
    settings: FitSettings, known: Features, choosing: Features | None, *, blocks: tuple[int, ...]
) -> LinearHead:
    """Fit a linear head to precomputed features.

    Features are standardized for the fit, and the scaling is folded into the head. For a logistic head, the L2 strength
    with the lowest loss on ``choosing`` is selected. A ridge head selects it by held-out groups of the training photos.
    """
    features = known.features.astype(np.float64)
    if settings.probe.solver == "ridge":
        middle, scale = _blockwise(features, blocks)
        scaled, strengths = (features - middle) * scale, settings.probe.l2_strengths
        head = fit_ridge(scaled, known.labels, known.groups, strengths=strengths, classes=known.classes)
    else:
        middle, scale = features.mean(axis=0), 1 / (features.std(axis=0) + 1e-6)
        seen = None if choosing is None else replace(choosing, features=(choosing.features - middle) * scale)
        head = _best_logistic((features - middle) * scale, known, settings, seen)
    return head.unscaled(middle, scale)


def blocks_of(network: ExpressionNet) -> tuple[int, ...]:
    """Return the widths of the feature blocks that a backbone concatenates; most have one block."""
    linear = next(module for module in network.head.modules() if isinstance(module, nn.Linear))
    found: tuple[int, ...] = getattr(network.backbone, "block_widths", (linear.in_features,))
    return found


def _with_views(
    network: ExpressionNet, settings: FitSettings, train: PhotoSet, plain: Features, *, progress: ProgressBar
) -> Features:
    """Return the features of the photos and of augmented views of each, ``num_views`` in all."""
    views = [plain.features]
    for view in range(1, settings.probe.num_views):
        pixels = _varied(train.cache.pixels, settings.augment, seed=settings.seed, view=view)
        views.append(
            backbone_features(network, pixels, progress=progress, what=f"computing features of view {view + 1}")
        )
    labels = np.tile(plain.labels, len(views))
    return Features(np.concatenate(views), labels, plain.groups * len(views), plain.classes)


def _varied(pixels: NDArray[np.uint8], spec: AugmentSpec, *, seed: int, view: int) -> NDArray[np.uint8]:
    return np.stack([augment(p, spec, np.random.default_rng((seed, view, n))) for n, p in enumerate(pixels)])


def _blockwise(features: Floats, blocks: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return mean and scale [D] that equalize the spread of features and the norm of each block.

    A tenth of the mean spread of the block is added to the spread of each feature, so that nearly constant features
    aren't amplified.
    """
    middle, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.empty_like(spread)
    for start, width in zip(np.cumsum((0, *blocks)), blocks, strict=False):
        part = slice(start, start + width)
        padded = spread[part] + 0.1 * spread[part].mean() + 1e-12
        lengths = np.linalg.norm((features[:, part] - middle[part]) / padded, axis=1)
        scale[part] = 1 / (padded * (lengths.mean() + 1e-12))
    return middle, scale


def _best_logistic(features: Floats, known: Features, settings: FitSettings, choosing: Features | None) -> LinearHead:
    strengths, power = settings.probe.l2_strengths, settings.class_weight_power
    if choosing is None:
        strengths = strengths[len(strengths) // 2 :][:1]
    heads = [
        fit_logistic(features, known.labels, strength=strength, classes=known.classes, class_weight_power=power)
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

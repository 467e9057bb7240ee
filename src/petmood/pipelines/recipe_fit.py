"""A configured recipe as a function that trains on some photos and predicts others, also on permuted labels."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import IndexRow, Role
from petmood.evaluation.crossval import Fit, out_of_fold, stratified_group_folds
from petmood.evaluation.permutation import permute_by_group
from petmood.pipelines.fit_settings import fit_settings
from petmood.pipelines.predict_logits import logits_of
from petmood.training.dataset import PhotoSet
from petmood.training.fit import fit_network, make_network
from petmood.training.linear_probe import Features, blocks_of, extract_features, fit_head

__all__ = ["PERMUTATIONS", "permuted_accuracies", "recipe_fit"]

PERMUTATIONS: Final = 59
"""Number of fits of a recipe in closed form to permuted labels."""

INNER_FOLDS = 5
Floats = NDArray[np.float64]
Photos = TypeVar("Photos", PhotoSet, Features)


def recipe_fit(config: Config, photo_set: PhotoSet, *, progress: ProgressBar = no_progress) -> Fit:
    """Return the configured recipe as a function that trains on some photos and returns logits for others.

    If the recipe selects by validation loss, a fifth of the training groups is held out for that. The backbone of a
    linear probe is frozen, so its features are computed once for all folds.
    """
    if config.recipe.kind == "linear_probe" and config.recipe.num_views == 1:
        return _probe_fit(config, photo_set, *_features(config, photo_set, progress=progress))

    def predict(seeded: Config, known: PhotoSet, valid: PhotoSet | None, test: NDArray[np.int64]) -> Floats:
        return logits_of(fit_network(fit_settings(seeded), known, valid).network, photo_set.cache.pixels[test])

    return _fit(config, photo_set, photos=photo_set, predict=predict)


def permuted_accuracies(
    config: Config, photo_set: PhotoSet, rows: Sequence[IndexRow], *, progress: ProgressBar = no_progress
) -> list[float]:
    """Cross-validate a recipe in closed form on labels exchanged between groups, PERMUTATIONS times.

    ``rows`` are those of the photos, with the roles of this cross-validation. Returns the accuracies on the same
    permuted labels.
    """
    features, blocks = _features(config, photo_set, progress=progress)
    used = [number for number, row in enumerate(rows) if row.role != Role.EXCLUDED]
    groups = np.unique(np.array([rows[n].group_id for n in used]), return_inverse=True)[1].astype(np.int64)
    seeds = np.random.SeedSequence(config.seed).generate_state(PERMUTATIONS)
    found: list[float] = []
    for seed in progress(seeds.tolist(), total=PERMUTATIONS, what="fitting to permuted labels"):
        labels = photo_set.labels.copy()
        labels[used] = permute_by_group(labels[used], groups, seed=seed)
        permuted = [replace(row, label=photo_set.classes[label]) for row, label in zip(rows, labels, strict=True)]
        fit = _probe_fit(config, photo_set, replace(features, labels=labels), blocks)
        scored = out_of_fold(permuted, fit, classes=photo_set.classes, folds=config.crossval.folds, seed=config.seed)
        found.append(float((scored.predicted() == scored.labels).mean()))
    return found


def _features(config: Config, photo_set: PhotoSet, *, progress: ProgressBar) -> tuple[Features, tuple[int, ...]]:
    network = make_network(fit_settings(config), classes=len(photo_set.classes))
    return extract_features(network, photo_set, progress=progress), blocks_of(network)


def _probe_fit(config: Config, photo_set: PhotoSet, features: Features, blocks: tuple[int, ...]) -> Fit:
    def predict(seeded: Config, known: Features, valid: Features | None, test: NDArray[np.int64]) -> Floats:
        return fit_head(fit_settings(seeded), known, valid, blocks=blocks).logits(features.features[test])

    return _fit(config, photo_set, photos=features, predict=predict)


def _fit(
    config: Config,
    photo_set: PhotoSet,
    *,
    photos: Photos,
    predict: Callable[[Config, Photos, Photos | None, NDArray[np.int64]], Floats],
) -> Fit:
    """Return a fit function that holds groups out if the recipe needs them."""

    def fit(train: NDArray[np.int64], test: NDArray[np.int64], seed: int) -> Floats:
        learn, choose = _holdout(photo_set, train, seed=seed) if _chooses(config) else (train, None)
        known = photos.take(learn)
        valid = photos.take(choose) if choose is not None else None
        return predict(config.model_copy(update={"seed": seed}), known, valid, test)

    return fit


def _chooses(config: Config) -> bool:
    by_loss = config.recipe.patience > 0 and config.recipe.kind == "gradient"
    is_probe = config.recipe.kind == "linear_probe" and config.recipe.solver == "logistic"
    return by_loss or (is_probe and len(config.recipe.l2_strengths) > 1)


def _holdout(
    photo_set: PhotoSet, train: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    groups = [photo_set.rows[n].group_id for n in train]
    first = stratified_group_folds(photo_set.labels[train], groups, folds=INNER_FOLDS, seed=seed)[0]
    originals = np.array([photo_set.rows[n].role == Role.ORIGINAL for n in train])
    return train[first.train], train[first.test[originals[first.test]]]

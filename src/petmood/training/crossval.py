"""How good is a recipe, not just one network? Trained anew on every fold, families whole, beside shuffled and leaky."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.core.errors import RunError
from petmood.core.files import write_json, write_text
from petmood.core.moods import MOODS
from petmood.core.photo import decode
from petmood.core.progress import Track, silent
from petmood.data.index import IndexRow, read_index
from petmood.evaluation.controls import hog_features, hog_svm, majority
from petmood.evaluation.crossval import CrossValidation, Fit, cross_validate, grouped_folds
from petmood.training.evaluate import ENOUGH_PX
from petmood.training.fit import fit_network, make_network
from petmood.training.material import Material, labels_of, open_material
from petmood.training.probe import Described, blocks_of, describe, fit_head
from petmood.training.provenance import code_version
from petmood.training.score import logits_of

__all__ = ["CrossvalReport", "crossval", "recipe_fit"]

INNER_FOLDS = 5
Floats = NDArray[np.float64]
Photos = TypeVar("Photos", Material, Described)


@dataclass(frozen=True, slots=True)
class CrossvalReport:
    """The recipe's numbers, and those of its controls under the same folds (``random_split``: under leaky ones)."""

    folder: Path
    recipe: CrossValidation
    controls: dict[str, CrossValidation]

    def to_json(self) -> dict[str, Any]:
        """Return every number by name."""
        controls = {name: found.to_json() for name, found in self.controls.items()}
        return {**self.recipe.to_json(), "controls": controls}


def crossval(config: Config, *, track: Track = silent) -> CrossvalReport:
    """Cross-validate the configured recipe over all original photos of a data set, whatever their split.

    Copies of a photo are learned from where ``data.copies=keep``, and never tested on, except in the random split,
    which shows what testing on copies would have claimed. Leaves ``crossval.json`` in the run's folder.

    Raises:
        DataError: fewer families than folds, or photos that can't be learned from.
        RunError: the folder exists.
    """
    folder = Path(config.run.folder) / (config.run.name or f"crossval-{config.model.backbone}-seed{config.seed}")
    if (folder / "crossval.json").exists():
        raise RunError(f"{folder} holds a cross-validation already. Give another run.name.")
    data = Path(config.data.path)
    every_row = [row for row in read_index(data) if row.role != "dropped"]
    keep_copies = config.data.copies == "keep"
    wanted = [row for row in every_row if row.role == "original" or keep_copies or config.crossval.leak]
    material = open_material(data, wanted, config=config, image=config.model.image_spec(), track=track)
    rows = _grouped_rows(material.rows, keep_copies=keep_copies)
    recipe = _run(rows, recipe_fit(config, material, track=track), config, track=track)
    report = CrossvalReport(folder, recipe, _controls(config, data, rows, material, track=track))
    write_text(folder / "config.yaml", dump(config))
    write_json(folder / "crossval.json", {**report.to_json(), "code_version": code_version()})
    return report


def recipe_fit(config: Config, material: Material, *, shuffled: bool = False, track: Track = silent) -> Fit:
    """Return the configured recipe as a function that trains on some photos and gives logits for others.

    Where the recipe chooses by validation loss, a fifth of the training families is set aside for that. A probe's trunk
    learns nothing, so its features are computed once for all folds.
    """
    if config.recipe.kind == "linear_probe" and config.recipe.views == 1:
        return _probe_fit(config, material, shuffled=shuffled, track=track)

    def answer(seeded: Config, known: Material, valid: Material | None, test: NDArray[np.int64]) -> Floats:
        return logits_of(fit_network(seeded, known, valid).network, material.bank.pixels[test])

    return _fit(config, material, photos=material, answer=answer, shuffled=shuffled)


def _probe_fit(config: Config, material: Material, *, shuffled: bool, track: Track) -> Fit:
    network = make_network(config)
    described, blocks = describe(network, material, track=track), blocks_of(network)

    def answer(seeded: Config, known: Described, valid: Described | None, test: NDArray[np.int64]) -> Floats:
        return fit_head(seeded, known, valid, blocks=blocks).logits(described.features[test])

    return _fit(config, material, photos=described, answer=answer, shuffled=shuffled)


def _fit(
    config: Config,
    material: Material,
    *,
    photos: Photos,
    answer: Callable[[Config, Photos, Photos | None, NDArray[np.int64]], Floats],
    shuffled: bool,
) -> Fit:
    """Return a fit that sets families aside where the recipe needs them, and shuffles labels where the control does."""

    def fit(train: NDArray[np.int64], test: NDArray[np.int64], seed: int) -> Floats:
        learn, choose = _set_aside(material, train, seed=seed) if _chooses(config) else (train, None)
        known = photos.take(learn)
        if shuffled:
            known = replace(known, labels=np.random.default_rng(seed).permutation(known.labels))
        valid = photos.take(choose) if choose is not None else None
        return answer(config.model_copy(update={"seed": seed}), known, valid, test)

    return fit


def _chooses(config: Config) -> bool:
    by_loss = config.recipe.patience > 0 and config.recipe.kind == "gradient"
    is_probe = config.recipe.kind == "linear_probe" and config.recipe.solver == "logistic"
    return by_loss or (is_probe and len(config.recipe.ridge) > 1)


def _set_aside(
    material: Material, train: NDArray[np.int64], *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    families = [material.rows[n].family for n in train]
    first = grouped_folds(material.labels[train], families, folds=INNER_FOLDS, seed=seed)[0]
    originals = np.array([material.rows[n].role == "original" for n in train])
    return train[first.train], train[first.test[originals[first.test]]]


def _grouped_rows(rows: Sequence[IndexRow], *, keep_copies: bool) -> list[IndexRow]:
    """Return the rows with copies marked as dropped where they shall not be learned from."""
    return [row if row.role == "original" or keep_copies else replace(row, role="dropped") for row in rows]


def _run(
    rows: Sequence[IndexRow],
    fit: Fit,
    config: Config,
    *,
    grouped: bool = True,
    repeats: int | None = None,
    track: Track,
) -> CrossValidation:
    wanted = config.crossval
    return cross_validate(
        rows,
        fit,
        classes=MOODS,
        folds=wanted.folds,
        repeats=repeats or wanted.repeats,
        grouped=grouped,
        seed=config.seed,
        track=track,
    )


def _controls(
    config: Config, data: Path, rows: Sequence[IndexRow], material: Material, *, track: Track
) -> dict[str, CrossValidation]:
    labels = labels_of(rows)
    pictures = (decode(data / row.path, at_least_px=ENOUGH_PX).pixels for row in rows)
    features = hog_features(pictures, total=len(rows), track=track)
    found = {
        "majority": _run(rows, majority(labels, classes=len(MOODS)), config, track=silent),
        "hog_svm": _run(rows, hog_svm(features, labels, classes=len(MOODS)), config, track=track),
    }
    if config.crossval.shuffled:
        found["shuffled_labels"] = _run(
            rows, recipe_fit(config, material, shuffled=True), config, repeats=1, track=track
        )
    if config.crossval.leak:
        leaky = [replace(row, role="original") for row in material.rows]
        found["random_split"] = _run(leaky, recipe_fit(config, material), config, grouped=False, repeats=1, track=track)
    return found

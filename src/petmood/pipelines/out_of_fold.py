"""Out-of-fold predictions of a run's recipe: whether they are needed, and making or finding them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petmood.configs.schema import OUT_OF_FOLD_BELOW, Config
from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, DataError, PetmoodError, RunError
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import DataIndex, IndexRow, Role, Split, read_index
from petmood.evaluation.crossval import cross_validate
from petmood.evaluation.fold_files import FoldFiles, read_origin
from petmood.evaluation.out_of_fold import OutOfFold
from petmood.evaluation.predictions import Predictions
from petmood.pipelines.crossval import RESULT_NAME, fold_origin, out_of_fold_name
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.recipe_fit import recipe_fit
from petmood.pipelines.run_folder import RunFolder, places_of
from petmood.training.dataset import open_index

__all__ = ["OutOfFoldPlan", "check_out_of_fold", "is_as_planned", "out_of_fold", "plan_out_of_fold"]


@dataclass(frozen=True, slots=True)
class OutOfFoldPlan:
    """Whether out-of-fold predictions calibrate a run, and whether they are its headline; from how many folds.

    ``crossval`` is the folder of a finished `petmood crossval` to take them from; None if they are made for the run.
    """

    calibrates: bool
    is_headline: bool
    folds: int
    crossval: str | None = None

    @property
    def is_needed(self) -> bool:
        """Whether the predictions are used at all."""
        return self.calibrates or self.is_headline


def plan_out_of_fold(config: Config, rows: Iterable[IndexRow]) -> OutOfFoldPlan:
    """Return how a run on these photos uses out-of-fold predictions.

    They are made of training and validation photos if the recipe is closed-form, which takes seconds, and never of test
    photos. Where validation groups are many there are fewer folds than configured, so that no fold's model learns from
    more groups than the delivered one.
    """
    originals = [row for row in rows if row.role == Role.ORIGINAL]
    groups = {split: {row.group_id for row in originals if row.split == split} for split in Split}
    valid, known = len(groups[Split.VALID]), len(groups[Split.TRAIN] | groups[Split.VALID])
    folds = max(2, min(config.crossval.folds, known // max(valid, 1)))
    wanted = config.evaluation
    named = None if groups[Split.TEST] else wanted.crossval
    is_possible = named is not None or (config.is_closed_form and known >= folds)
    is_better = valid < OUT_OF_FOLD_BELOW and 2 * valid <= known
    calibrates = wanted.calibrate_on == "out_of_fold" or (wanted.calibrate_on == "auto" and is_better)
    return OutOfFoldPlan(is_possible and calibrates, is_possible and not groups[Split.TEST], folds, named)


def check_out_of_fold(config: Config, index: DataIndex, *, run: RunFolder) -> None:
    """Check the settings of a run's out-of-fold predictions, and a cross-validation that they name, before a training.

    A relative path is looked for as that of the dataset is: in the current folder, then in each above the run's.

    Raises:
        ConfigError: they are asked for of a recipe that trains long, or the cross-validation is of another recipe or
            dataset, or of test photos.
        RunError: the folder holds no finished cross-validation.
    """
    _refuse_settings(config, index)
    if config.evaluation.crossval is not None:
        _checked(config.evaluation.crossval, run, config, data_hash=index.hash, is_trained=False)


def _refuse_settings(config: Config, index: DataIndex) -> None:
    """Refuse settings that no out-of-fold predictions can be used by.

    Raises:
        ConfigError: as ``check_out_of_fold``.
    """
    wanted = config.evaluation
    if wanted.crossval is not None:
        if any(row.split == Split.TEST and row.role == Role.ORIGINAL for row in index.rows):
            raise ConfigError(
                f"evaluation.crossval={wanted.crossval}: its models learned from the test photos of "
                f"{config.data.path}, which are to be unseen. Leave the setting out."
            )
    elif wanted.calibrate_on == "out_of_fold" and not config.is_closed_form:
        raise ConfigError(
            f"evaluation.calibrate_on=out_of_fold: the recipe {config.recipe.name} would be trained for every fold. "
            f"Run {shell_command('crossval')} with these settings, then give its folder as evaluation.crossval=FOLDER."
        )


def out_of_fold(run: RunFolder, *, progress: ProgressBar = no_progress) -> OutOfFold | None:
    """Return the out-of-fold predictions that a run uses, made at the first call; None if it uses none.

    Each fold is stored when it ends, so that an interruption loses at most one. Those of a cross-validation that the
    run names are copied into its folder, and a later evaluation uses the copies: they are there wherever the other
    folders have been moved. Without the photos that the run was trained on, the predictions are those of its last
    evaluation.

    Raises:
        ConfigError, RunError: as ``check_out_of_fold``.
        DataError: the photos are not those that the run was trained on, and it was not evaluated before.
    """
    config, facts = run.read_config(), run.read_metadata()
    if not config.is_closed_form and config.evaluation.crossval is None:
        return None
    try:
        index = open_index(run.dataset(), expected_hash=facts.data_hash)
    except DataError:
        if run.evaluation.is_file():
            return _of_last_evaluation(run, config)
        raise
    _refuse_settings(config, index)
    plan = plan_out_of_fold(config, index)
    if not plan.is_needed:
        return None
    if plan.crossval is not None:
        repeats, folds = _of_named(plan.crossval, run, config, data_hash=index.hash, used=_used(run))
    else:
        repeats, folds = _made(run, config, index, folds=plan.folds, progress=progress), plan.folds
    learned = sum(row.split == Split.TRAIN and row.role == Role.ORIGINAL for row in index)
    return OutOfFold(repeats, folds, learned, plan.calibrates, plan.is_headline, plan.crossval)


def is_as_planned(run: RunFolder, evaluation: Mapping[str, Any]) -> bool:
    """Return whether an evaluation used out-of-fold predictions as the run's settings and photos ask for.

    It is True where the dataset is missing or has changed, since then the evaluation can't be repeated.
    """
    try:
        index = read_index(run.dataset())
    except DataError:
        return True
    if index.hash != run.read_metadata().data_hash:
        return True
    plan = plan_out_of_fold(run.read_config(), index)
    used = evaluation.get("out_of_fold") or {}
    found = (used.get("calibrates", False), used.get("headline", False), used.get("crossval"))
    return found == (plan.calibrates, plan.is_headline, plan.crossval if plan.is_needed else None)


def _of_last_evaluation(run: RunFolder, config: Config) -> OutOfFold | None:
    """Return the predictions that a run's last evaluation used.

    Raises:
        ConfigError, RunError: the evaluation, or the cross-validation that it names, is not of this run or can't be
            read.
    """
    used = _used(run)
    if not used:
        return None
    named = used["crossval"]
    if named is not None:
        data_hash = run.read_metadata().data_hash
        repeats, folds = _of_named(named, run, config, data_hash=data_hash, used=used)
    else:
        repeats, folds = _load(map(run.out_of_fold, range(used["repeats"]))), used["folds"]
    return OutOfFold(
        repeats,
        folds=folds,
        learned=used["learned"],
        calibrates=used["calibrates"],
        is_headline=used["headline"],
        crossval=named,
    )


def _used(run: RunFolder) -> dict[str, Any]:
    """Return what a run's last evaluation says of its out-of-fold predictions; empty if it used none, or there is none.

    Raises:
        RunError: the file can't be read.
    """
    if not run.evaluation.is_file():
        return {}
    try:
        return dict(json.loads(run.evaluation.read_bytes()).get("out_of_fold") or {})
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"{run.evaluation} can't be read. Evaluate the run again where its photos are.") from error


def _load(files: Iterable[Path]) -> tuple[Predictions, ...]:
    return tuple(map(Predictions.load, files))


def _made(
    run: RunFolder, config: Config, index: DataIndex, *, folds: int, progress: ProgressBar
) -> tuple[Predictions, ...]:
    stored = [run.out_of_fold(repeat) for repeat in range(config.crossval.repeats)]
    if all(path.is_file() for path in stored):
        return _load(stored)
    roles = {Role.ORIGINAL, Role.NEAR_DUPLICATE} if config.data.include_copies else {Role.ORIGINAL}
    rows = [row for row in index if row.role in roles and row.split != Split.TEST]
    photo_set = configured_photos(config, run.dataset(), rows, classes=index.classes, progress=progress)
    wanted = config.crossval.model_copy(update={"folds": folds})
    found = cross_validate(
        rows,
        recipe_fit(config, photo_set, progress=progress),
        classes=index.classes,
        folds=folds,
        repeats=wanted.repeats,
        seed=config.seed,
        files=FoldFiles(run.path, fold_origin(config.model_copy(update={"crossval": wanted}), data_hash=index.hash)),
        progress=progress,
    )
    for path, predictions in zip(stored, found.pooled, strict=True):
        predictions.save(path)
    return found.pooled


def _of_named(
    named: str, run: RunFolder, config: Config, *, data_hash: str, used: Mapping[str, Any]
) -> tuple[tuple[Predictions, ...], int]:
    """Return the predictions of the cross-validation that a run names, of each repeat, and the number of folds.

    They are the copies in the run's folder if its last evaluation ``used`` them; else they are copied there.
    """
    if used.get("crossval") == named:
        copies = [run.crossval(repeat) for repeat in range(used["repeats"])]
        if all(path.is_file() for path in copies):
            return _load(copies), used["folds"]
    folder = _checked(named, run, config, data_hash=data_hash, is_trained=True)
    settings = RunFolder(folder).read_config().crossval
    found = _load(folder / out_of_fold_name(repeat) for repeat in range(settings.repeats))
    for repeat, predictions in enumerate(found):
        predictions.save(run.crossval(repeat))
    return found, settings.folds


def _checked(named: str, run: RunFolder, config: Config, *, data_hash: str, is_trained: bool) -> Path:
    """Return the folder of a cross-validation that a run names; of several, one of its recipe and data version.

    The folds of one that a run is to be trained with must have been fitted by the same settings as this version has
    them. For a run that ``is_trained`` this was checked then. Its settings are compared with those of the
    cross-validation as this version reads both, since versions differ in the names of settings.

    Raises:
        ConfigError: it is of another recipe or data version.
        RunError: it is not finished, or can't be read.
    """
    places = places_of(Path(named), near=[run.path])
    own = _origin(config, data_hash=data_hash)
    found = [place for place in places if (place / RESULT_NAME).is_file()]
    if not found:
        made = shell_command("crossval", f"data={config.data.path}")
        raise RunError(f"evaluation.crossval={places[0]}: it holds no finished cross-validation. Make one with: {made}")
    problems: list[PetmoodError] = []
    for place in found:
        if (problem := _problem(place, own, is_trained=is_trained)) is None:
            return place
        problems.append(problem)
    raise problems[0]


def _origin(config: Config, *, data_hash: str) -> dict[str, Any]:
    """Return the origin of folds as it is stored."""
    return dict(json.loads(json.dumps(fold_origin(config, data_hash=data_hash))))


def _problem(folder: Path, own: Mapping[str, Any], *, is_trained: bool) -> PetmoodError | None:
    """Return why the folds of a cross-validation are not of this origin; None if they are."""
    try:
        found = read_origin(folder)
    except RunError:
        found = None
    if found is None:
        return RunError(f"The folds of {folder} can't be read. Repeat the cross-validation in another folder.")
    if found.get("data") != own["data"]:
        return ConfigError(
            f"evaluation.crossval={folder}: expected a cross-validation of data version {own['data'][:12]}, got "
            f"{str(found.get('data'))[:12]}. Cross-validate this dataset."
        )
    settings, others = own["settings"], dict(found.get("settings") or {})
    if is_trained:
        try:
            others = _origin(RunFolder(folder).read_config(), data_hash=own["data"])["settings"]
        except ConfigError as error:
            return error
    other = sorted(
        name for name in settings.keys() | others.keys() if name != "folds" and settings.get(name) != others.get(name)
    )
    if not other:
        return None
    return ConfigError(
        f"evaluation.crossval={folder}: expected a cross-validation of this recipe, got one with other "
        f"{' and other '.join(other)}. Cross-validate with the settings of this run."
    )

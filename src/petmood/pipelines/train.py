"""Training pipeline from a configuration to a run folder, and resumption of interrupted runs."""

import itertools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lightning.pytorch import Callback
from safetensors.torch import save

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.core.commands import shell_command
from petmood.core.errors import DataError, RunError
from petmood.core.files import atomic_write_bytes, atomic_write_text
from petmood.core.output_paths import refuse_unwritable
from petmood.core.partials import remove_dead_partials
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.index import EVALUATION_SPLITS, DataIndex, IndexRow, Split
from petmood.data.validation_parts import divide_rows
from petmood.models.network import ExpressionNet
from petmood.pipelines.chosen_model import chooses, models_tried
from petmood.pipelines.fit_settings import fit_settings
from petmood.pipelines.networks import find_fitting_teacher, load_network, load_teacher
from petmood.pipelines.out_of_fold import check_out_of_fold
from petmood.pipelines.predict_logits import predict_logits
from petmood.pipelines.run_folder import RunFolder, RunMetadata, open_run, refuse_foreign_run
from petmood.pipelines.run_tracking import EpochTrackingCallback, tracked
from petmood.pipelines.training_processes import joint_training, refuse_misfit
from petmood.pipelines.training_sets import choosing_photos, open_splits
from petmood.training.dataset import PhotoSet, evaluation_rows, open_index, training_rows
from petmood.training.fit import fit_network, make_network
from petmood.training.provenance import code_version, package_versions

__all__ = ["resume", "train", "train_each"]

logger = logging.getLogger(__name__)


def train(
    config: Config,
    *,
    progress: ProgressBar = no_progress,
    callbacks: Sequence[Callback] = (),
    splits: Sequence[Split] = EVALUATION_SPLITS,
    sweep: Path | None = None,
) -> RunFolder:
    """Train as configured in a new run folder and return it.

    ``callbacks`` are passed to ``fit_network``. A search evaluates trials on the validation photos alone, through
    ``splits``, so that test photos are not even opened; ``resume`` adds the missing predictions. ``sweep`` is the
    folder of the sweep that this is a trial of.

    Raises:
        ConfigError: a backbone, weights or head that don't fit together, a teacher that doesn't fit, a cross-validation
            of another recipe, or other processes than the settings need. Nothing was written, as for all these errors.
        DownloadError: ImageNet weights that can't be fetched.
        DataError: photos that can't be trained on, or another data version than requested.
        OutputLocked: another process is training into this folder.
        OutputError: the folder can't be written.
        RunError: the folder is a run already, or holds other files.
    """
    refuse_misfit(config)
    index = open_index(Path(config.data.path), expected_hash=config.data.hash)
    run = RunFolder(Path(config.run.folder) / (config.run.name or _timestamp_name(Path(config.run.folder))))
    refuse_unwritable(run.path)
    _refuse_existing(run)
    check_out_of_fold(config, index, run=run)
    facts = _facts(config, index, run, is_trial=sweep is not None)
    # Invalid settings are rejected here, before anything is written.
    network = make_network(fit_settings(config), classes=len(facts.classes))
    find_fitting_teacher(config, facts, run=run)
    with run.lock():
        _refuse_existing(run)
        atomic_write_text(run.config, dump(config))
        run.write_metadata(facts)
        return _learn(
            run, config, index, network=network, progress=progress, callbacks=callbacks, splits=splits, sweep=sweep
        )


def _refuse_existing(run: RunFolder) -> None:
    if run.metadata.exists():
        resumed = shell_command("train", "--resume", run.path)
        raise RunError(f"The run {run.path} exists. Give another run.name, or resume it with: {resumed}")
    refuse_foreign_run(run)


def train_each(configs: Sequence[Config], *, progress: ProgressBar = no_progress) -> list[RunFolder]:
    """Train one run after another; runs with the same name get a numeric suffix.

    Raises:
        PetmoodError: as ``train``; the runs before the first failure are finished.
    """
    names = [config.run.name for config in configs]
    done = []
    for number, config in enumerate(configs, start=1):
        shared = config.run.name is not None and names.count(config.run.name) > 1
        name = f"{config.run.name}-{number}" if shared else config.run.name
        named = config.model_copy(update={"run": config.run.model_copy(update={"name": name})})
        done.append(train(named, progress=progress))
    return done


def resume(
    path: Path,
    *,
    progress: ProgressBar = no_progress,
    callbacks: Sequence[Callback] = (),
    splits: Sequence[Split] = EVALUATION_SPLITS,
) -> RunFolder:
    """Resume an interrupted run from its last complete epoch; for a finished run only missing predictions are added.

    Raises:
        RunError: no such run, or its last checkpoint holds the tensors of another network.
        DataError: the photos are not those that the run began with.
        OutputLocked: another process is training into this folder.
    """
    run = open_run(path, finished=False)
    if _is_complete(run, splits):
        return run
    with run.lock():
        return run if _is_complete(run, splits) else _resume(run, progress=progress, callbacks=callbacks, splits=splits)


def _is_complete(run: RunFolder, splits: Sequence[Split]) -> bool:
    return run.read_metadata().status == "done" and all(run.predictions(split).is_file() for split in splits)


def _resume(
    run: RunFolder, *, progress: ProgressBar, callbacks: Sequence[Callback], splits: Sequence[Split]
) -> RunFolder:
    facts, config = run.read_metadata(), run.read_config()
    missing = [split for split in splits if not run.predictions(split).is_file()]
    for folder in {run.path, run.checkpoints, *(run.predictions(split).parent for split in splits)}:
        remove_dead_partials(folder)
    index = open_index(run.dataset(), expected_hash=facts.data_hash)
    if facts.status == "done":
        sets = open_splits(config, run.dataset(), index, missing, classes=facts.classes, progress=progress)
        _evaluate(run, load_network(run), sets, facts)
        return run
    network = make_network(fit_settings(config), classes=len(facts.classes))
    return _learn(run, config, index, network=network, progress=progress, callbacks=callbacks, splits=splits)


def _learn(
    run: RunFolder,
    config: Config,
    index: DataIndex,
    *,
    network: ExpressionNet,
    progress: ProgressBar,
    callbacks: Sequence[Callback],
    splits: Sequence[Split],
    sweep: Path | None = None,
) -> RunFolder:
    facts = run.read_metadata()
    with _log_to(run.log), tracked(run, config, sweep=sweep) as tracking:
        began = time.monotonic()
        logger.info("run %s: data %s, code %s", facts.name, facts.data_hash[:12], facts.code_version)
        wanted = {Split.TRAIN, Split.VALID, *splits}
        sets = open_splits(config, run.dataset(), index, wanted, classes=facts.classes, progress=progress)
        settings = replace(fit_settings(config), teacher=load_teacher(config, facts, run=run))
        with joint_training(run, config, facts) as world:
            fitted = fit_network(
                settings,
                sets[Split.TRAIN],
                choosing_photos(sets[Split.VALID], facts, config),
                folder=run.path,
                progress=progress,
                callbacks=[*callbacks, EpochTrackingCallback(tracking)],
                network=network,
                world=world,
            )
        atomic_write_bytes(run.weights, save({name: t.contiguous() for name, t in fitted.network.state_dict().items()}))
        _evaluate(run, fitted.network, {split: sets[split] for split in splits}, facts)
        seconds = round(time.monotonic() - began, 1)
        found = {"status": "done", "seconds": seconds, "epochs": fitted.epochs, "best_epoch": fitted.best_epoch}
        found["tried"] = models_tried(config, epochs=fitted.epochs)
        run.write_metadata(facts, update=found)
        logger.info("done after %s s, %s epochs, best %s", seconds, fitted.epochs, fitted.best_epoch)
    return run


def _evaluate(run: RunFolder, network: ExpressionNet, sets: Mapping[Split, PhotoSet], facts: RunMetadata) -> None:
    for split, photo_set in sets.items():
        predict_logits(network, photo_set, source=facts.data_path).save(run.predictions(split))


def _facts(config: Config, index: DataIndex, run: RunFolder, *, is_trial: bool) -> RunMetadata:
    rows = training_rows(index.rows, include_copies=config.data.include_copies)
    _check_counts(index, rows, folder=config.data.path)
    photos: dict[str, int] = {Split.TRAIN: len(rows)}
    photos |= {split: len(evaluation_rows(index.rows, split)) for split in EVALUATION_SPLITS}
    valid = evaluation_rows(index.rows, Split.VALID)
    wanted = config.evaluation
    parts = divide_rows(valid, share=wanted.calibration_share, min_groups=wanted.calibration_min_groups)
    return RunMetadata(
        name=run.path.name,
        status="training",
        data_path=config.data.path,
        data_hash=index.hash,
        code_version=code_version(),
        packages=package_versions(),
        backbone=config.model.backbone,
        classes=index.classes,
        image=config.model.image_spec(),
        photos=photos,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        chosen_on=len(parts.choosing) if is_trial or chooses(config) else 0,
    )


def _check_counts(index: DataIndex, rows: Sequence[IndexRow], *, folder: str) -> None:
    """Raise DataError for fewer than two classes, or for a class without training photos."""
    counts = {label: sum(row.label == label for row in rows) for label in index.classes}
    missing = [label for label, count in counts.items() if count == 0]
    if missing or len(counts) < 2:
        listed = ", ".join(f"{label} {count}" for label, count in counts.items()) or "no photo in use"
        raise DataError(
            f"Expected training photos of two classes or more, and of every class, in {folder}; got: {listed}. "
            f"`{shell_command('data', 'check', folder)}` shows all counts."
        )


def _timestamp_name(folder: Path) -> str:
    """Return the current time as a name, with a numeric suffix if another run began in the same second."""
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names = (f"{moment}-{number}" if number > 1 else moment for number in itertools.count(1))
    return next(name for name in names if not (folder / name).exists())


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Copy petmood's log messages to a file for the duration of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    house = logging.getLogger("petmood")
    before = house.level
    house.addHandler(handler)
    house.setLevel(logging.INFO)
    try:
        yield
    finally:
        house.removeHandler(handler)
        house.setLevel(before)
        handler.close()

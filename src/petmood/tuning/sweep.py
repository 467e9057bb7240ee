"""Hyperparameter sweep: open space and storage, run trials, select the best by validation metric, write reports."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from petmood.configs.load import compose
from petmood.configs.schema import Config, SearchConfig
from petmood.core.errors import ConfigError, DataError, RunError
from petmood.core.progress import ProgressBar, no_progress
from petmood.core.redact import one_line, without_credentials
from petmood.data.importer import import_photos
from petmood.data.index import INDEX_NAME, Split
from petmood.data.sources import open_source
from petmood.data.validation_parts import divide_rows
from petmood.pipelines.end_to_end import DEMO_FOLDER
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.run_tracking import end_sweep, start_sweep
from petmood.pipelines.train import resume
from petmood.training.dataset import evaluation_rows, open_index
from petmood.tuning.locks import FileTrialLocks, PostgresTrialLocks, TrialLocks
from petmood.tuning.report import SearchReport, best_of, rows_of
from petmood.tuning.report_html import write_reports
from petmood.tuning.space import Space, open_space, replay_overrides
from petmood.tuning.storage import connect, open_study, storage_url, study_settings
from petmood.tuning.trial import run_of, tried_by
from petmood.tuning.worker import Worker, wanted_trials
from petmood.tuning.workers import exit_when_stdin_closes, run_workers

__all__ = ["Sweep", "join_sweep", "open_sweep", "sweep"]

ENDED: Final = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True, slots=True)
class Sweep:
    """An open search: its settings, its space, its study and the worker of this process."""

    config: Config
    space: Space
    worker: Worker
    photos: int

    @property
    def study(self) -> optuna.Study:
        """The Optuna study with the trials."""
        return self.worker.study

    @property
    def folder(self) -> Path:
        """The folder of this sweep."""
        return self.worker.folder.parent


def sweep(overrides: Sequence[str], *, progress: ProgressBar = no_progress) -> SearchReport:
    """Start or resume the configured search, and return its report; report files are in the sweep folder.

    Raises:
        ConfigError: no setting to search, or settings that don't exist or are out of range.
        DataError: photos that can't be trained or evaluated on.
        OutputLocked: another process is evaluating the best run; the same command concludes the sweep afterwards.
        RunError: a storage that can't be used, or a sweep that was started with other settings.
    """
    with open_sweep(overrides, progress=progress) as opened:
        search = opened.config.search
        total = wanted_trials(search, opened.space)
        for _ in progress(_progress(opened, overrides), total=total, what=f"trials of {search.name}"):
            pass
        return _conclude(opened, progress=progress)


def join_sweep(overrides: Sequence[str]) -> None:
    """Run trials as one of several workers, until the search is done or the parent process ends."""
    exit_when_stdin_closes()
    with open_sweep(overrides) as opened:
        for _ in opened.worker.work():
            pass


@contextmanager
def open_sweep(overrides: Sequence[str], *, progress: ProgressBar = no_progress) -> Iterator[Sweep]:
    """Validate everything possible before the first trial, open the storage, and close it afterwards."""
    config = compose(overrides)
    search, space = config.search, open_space(overrides, config.search)
    if search.name is None:
        raise ConfigError("A sweep needs a name. Give it one: search.name=mine")
    photos, data_hash = _photos(config, progress=progress)
    folder = Path(search.folder) / search.name
    url = storage_url(search, folder)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = connect(url)
    try:
        settings = study_settings(config, space.dimensions, data_hash=data_hash)
        study = open_study(storage, search, settings=settings)
        start_sweep(folder, config)
        with closing(_claims(storage, url, search)) as claims:
            yield Sweep(config, space, Worker(study, storage, search, space, claims, folder / "trials"), photos)
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        where, reason = without_credentials(url), one_line(error)
        raise RunError(f"The storage {where} failed. Resume with the same command. Reason: {reason}") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _photos(config: Config, *, progress: ProgressBar) -> tuple[int, str]:
    """Return the number of validation photos that choose, and the data version; generate a missing demo dataset."""
    folder = Path(config.data.path)
    if folder == DEMO_FOLDER and not (folder / INDEX_NAME).is_file():
        import_photos(open_source("demo"), to=folder, progress=progress)
    index = open_index(folder, expected_hash=config.data.hash)
    valid = evaluation_rows(index.rows, Split.VALID)
    if not valid:
        raise DataError(f"A sweep selects by validation photos, but {folder} has none. Import it with a valid split.")
    wanted = config.evaluation
    parts = divide_rows(valid, share=wanted.calibration_share, min_groups=wanted.calibration_min_groups)
    return len(parts.choosing), index.hash


def _claims(storage: RDBStorage, url: str, search: SearchConfig) -> TrialLocks:
    if url.startswith("sqlite"):
        return FileTrialLocks(Path(f"{url.removeprefix('sqlite:///')}.{search.name}.locks"))
    return PostgresTrialLocks(storage.engine, study=str(search.name))


def _progress(opened: Sweep, overrides: Sequence[str]) -> Iterator[int]:
    """Run trials, alone or with other workers; yield once per ended trial, including trials of earlier processes."""
    count = opened.config.search.workers
    steps: Iterator[object] = (
        opened.worker.work() if count == 1 else run_workers(overrides, count=count, logs=opened.folder / "logs")
    )
    reported = 0
    for _ in itertools.chain([None], steps):
        ended = len(opened.study.get_trials(deepcopy=False, states=ENDED))
        yield from range(reported, ended)
        reported = ended
    yield from range(reported, len(opened.study.get_trials(deepcopy=False, states=ENDED)))


def _conclude(opened: Sweep, *, progress: ProgressBar) -> SearchReport:
    """Select the best run, and only then predict the test photos with it, for `petmood evaluate`."""
    search, rows = opened.config.search, rows_of(opened.study)
    best = best_of(rows)
    run = run_of(opened.worker.folder, best.number)
    is_here = run.metadata.is_file()
    chosen = opened.space.compose(best.settings)
    tried = tried_by(rows, chosen)
    report = SearchReport(
        name=str(search.name),
        folder=opened.folder,
        metric=search.metric,
        rows=rows,
        best=best,
        best_run=run.path if is_here else None,
        photos=opened.photos,
        command=("petmood", "train", *replay_overrides(opened.space, best.settings), f"evaluation.tried={tried}"),
    )
    evaluation = chosen.evaluation.model_copy(update={"tried": tried})
    write_reports(report, opened.study, settings=chosen.model_copy(update={"evaluation": evaluation}))
    if is_here:
        _note_tried(run, tried)
        resume(run.path, progress=progress)
    end_sweep(opened.folder)
    return report


def _note_tried(run: RunFolder, tried: int) -> None:
    """Write into a run how many models were tried, unless it says so: another process may be evaluating the run.

    Raises:
        OutputLocked: another process is training or evaluating the run.
    """
    if run.read_metadata().tried != tried:
        with run.lock():
            run.write_metadata(run.read_metadata(), update={"tried": tried})

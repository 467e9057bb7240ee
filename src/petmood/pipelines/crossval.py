"""Grouped cross-validation of a recipe, with baselines, a permutation test and a random split."""

from collections.abc import Callable, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from petmood.configs.load import dump
from petmood.configs.schema import Config
from petmood.core.errors import ConfigError, RunError
from petmood.core.files import atomic_write_json, atomic_write_text, sha256_of
from petmood.core.output_paths import refuse_unwritable
from petmood.core.photo import decode
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.classes import labels_of
from petmood.data.index import DataIndex, IndexRow, Role, read_index
from petmood.evaluation.baselines import ENOUGH_PX, hog_features, hog_svm, most_frequent
from petmood.evaluation.comparison import Comparison, compare
from petmood.evaluation.crossval import CrossValidation, Fit, cross_validate
from petmood.evaluation.fold_files import FOLDS_NAME, FoldFiles
from petmood.evaluation.permutation import Permuted, compared_with_permuted
from petmood.evaluation.verdict import verdict_text
from petmood.pipelines.fit_settings import configured_photos, fit_settings
from petmood.pipelines.recipe_fit import permuted_accuracies, recipe_fit
from petmood.pipelines.run_folder import RunFolder, refuse_foreign_run
from petmood.reports.crossval import render_crossval
from petmood.training.dataset import PhotoSet
from petmood.training.provenance import code_version, package_versions

__all__ = [
    "RESULT_NAME",
    "CrossvalReport",
    "crossval",
    "crossval_folder",
    "fold_origin",
    "out_of_fold_name",
]

RESULT_NAME = "crossval.json"
REPORT_NAME = "crossval.html"


@dataclass(frozen=True, slots=True)
class CrossvalReport:
    """Metrics of the recipe and of its baselines under the same folds (``random_split``: folds with group leakage)."""

    folder: Path
    recipe: CrossValidation
    baselines: dict[str, CrossValidation]
    comparison: Comparison

    @property
    def verdict(self) -> str:
        """What the accuracy shows, in plain words."""
        accuracy = self.recipe.metrics["accuracy"]
        photos = f"{accuracy.n} original photos, each predicted by a model that learned from no photo of its group"
        return verdict_text(accuracy, self.comparison, subject="The recipe", photos=photos)

    def to_json(self) -> dict[str, Any]:
        """Return all metrics by name."""
        baselines = {name: found.to_json() for name, found in self.baselines.items()}
        compared = {"verdict": self.verdict, "comparison": self.comparison.to_json()}
        return {**self.recipe.to_json(), **compared, "baselines": baselines}


def crossval(
    config: Config,
    *,
    on_result: Callable[[CrossvalReport], object] = lambda _: None,
    progress: ProgressBar = no_progress,
) -> CrossvalReport:
    """Cross-validate the configured recipe over all original photos of a dataset, whatever their split.

    Near-duplicates are trained on if ``data.include_copies=true``. They are never tested on, except in the random
    split, which shows the accuracy that testing on near-duplicates would have reported. Each fold is stored when it
    ends: the same cross-validation after an interruption continues with the others. ``on_result`` gets the metrics
    before anything is written, so that they are not lost on a full disk. Then come the out-of-fold predictions, the
    report ``crossval.html``, and ``crossval.json``, with which the cross-validation is finished.

    Raises:
        ConfigError: the recipe has a teacher.
        DataError: fewer groups than folds, or photos that can't be trained on.
        OutputError: the run folder can't be written.
        OutputLocked: another process is writing the run folder.
        RunError: the run folder holds a finished cross-validation, folds of another one, or other files.
    """
    run = RunFolder(crossval_folder(config))
    if config.recipe.teacher is not None:
        raise ConfigError(
            f"recipe.teacher={config.recipe.teacher}: a teacher has learned from the photos that folds are tested on. "
            "Cross-validate without it."
        )
    refuse_unwritable(run.path)
    own = {FOLDS_NAME, REPORT_NAME, *map(out_of_fold_name, range(config.crossval.repeats))}
    _refuse_existing(run, own=own)
    data = Path(config.data.path)
    index = read_index(data)
    files = FoldFiles(run.path, fold_origin(config, data_hash=index.hash))
    with run.lock():
        _refuse_existing(run, own=own)
        files.refuse_other()
        report = _measure(config, data, index, files, progress=progress)
        on_result(report)
        atomic_write_text(run.config, dump(config))
        for repeat, predictions in enumerate(report.recipe.pooled):
            predictions.save(run.path / out_of_fold_name(repeat))
        _write_report(report, config, data, index)
        versions = {"code_version": code_version(), "data_hash": index.hash}
        atomic_write_json(run.path / RESULT_NAME, {**report.to_json(), **versions})
    return report


def crossval_folder(config: Config) -> Path:
    """Return the folder of a cross-validation, named after its backbone and seed unless it has a name."""
    return Path(config.run.folder) / (config.run.name or f"crossval-{config.model.backbone}-seed{config.seed}")


def out_of_fold_name(repeat: int) -> str:
    """Return the name of the file with a repeat's out-of-fold predictions (``Predictions.save``)."""
    return f"out_of_fold-{repeat}.npz"


def _write_report(report: CrossvalReport, config: Config, data: Path, index: DataIndex) -> None:
    page = render_crossval(
        report.recipe,
        report.baselines,
        comparison=report.comparison,
        verdict=report.verdict,
        photo_of=lambda path: decode(data / path, at_least_px=ENOUGH_PX).pixels,
        title=f"{report.folder.name}: {config.model.backbone} on {data.name}, cross-validated",
        facts={
            "data version": index.hash,
            "code version": code_version(),
            "backbone": config.model.backbone,
            "settings": config.model_dump(mode="json"),
        },
    )
    atomic_write_text(report.folder / REPORT_NAME, page)


def _refuse_existing(run: RunFolder, *, own: Set[str]) -> None:
    if (run.path / RESULT_NAME).exists():
        raise RunError(f"{run.path} holds a cross-validation already. Give another run.name.")
    refuse_foreign_run(run, own=own)


def fold_origin(config: Config, *, data_hash: str) -> dict[str, Any]:
    """Return what the logits of a fold depend on, as JSON values: not repeats, baselines or what measures it.

    ``data_hash`` is that of the index of the dataset.
    """
    unused = {"optimization", "trainer"} if config.recipe.kind == "linear_probe" else {"probe"}
    fitted: dict[str, Any] = to_jsonable_python(asdict(fit_settings(config)))
    for name in (*unused, "teacher"):  # a cross-validation has no teacher
        del fitted[name]
    fitted.get("trainer", {}).pop("workers", None)
    if Path(fitted["weights"]).is_file():
        fitted["weights"] = sha256_of(Path(fitted["weights"]))
    settings = {**fitted, "include_copies": config.data.include_copies, "folds": config.crossval.folds}
    return {"settings": settings, "data": data_hash, "code": code_version(), "packages": package_versions()}


def _measure(
    config: Config, data: Path, index: DataIndex, files: FoldFiles, *, progress: ProgressBar
) -> CrossvalReport:
    include_copies = config.data.include_copies
    every_row = [row for row in index if row.role != Role.EXCLUDED]
    photo_set = configured_photos(
        config,
        data,
        [row for row in every_row if row.role == Role.ORIGINAL or include_copies or config.crossval.leakage],
        classes=index.classes,
        progress=progress,
    )
    rows = _grouped_rows(photo_set.rows, include_copies=include_copies)
    fit = recipe_fit(config, photo_set, progress=progress)
    recipe = _run(rows, fit, config, files=files, classes=index.classes, progress=progress)
    baselines = _baselines(config, data, rows, photo_set, files, progress=progress)
    chance = None
    if config.crossval.permuted_labels and config.is_closed_form:
        accuracies = permuted_accuracies(config, photo_set, rows, progress=progress)
        accuracy = recipe.metrics["accuracy"].value
        chance = compared_with_permuted(accuracy, accuracies, permuted=Permuted.REFITS)
    others = {name: found.pooled for name, found in baselines.items()}
    return CrossvalReport(files.run, recipe, baselines, compare(recipe.pooled, others, chance=chance, seed=config.seed))


def _grouped_rows(rows: Sequence[IndexRow], *, include_copies: bool) -> list[IndexRow]:
    """Return the rows, with near-duplicates marked as dropped unless ``include_copies`` is set."""
    return [row if row.role == Role.ORIGINAL or include_copies else replace(row, role=Role.EXCLUDED) for row in rows]


def _run(
    rows: Sequence[IndexRow],
    fit: Fit,
    config: Config,
    *,
    files: FoldFiles,
    classes: Sequence[str],
    grouped: bool = True,
    repeats: int | None = None,
    progress: ProgressBar,
) -> CrossValidation:
    wanted = config.crossval
    return cross_validate(
        rows,
        fit,
        classes=classes,
        folds=wanted.folds,
        repeats=repeats or wanted.repeats,
        grouped=grouped,
        seed=config.seed,
        files=files,
        progress=progress,
    )


def _baselines(
    config: Config,
    data: Path,
    rows: Sequence[IndexRow],
    photo_set: PhotoSet,
    files: FoldFiles,
    *,
    progress: ProgressBar,
) -> dict[str, CrossValidation]:
    classes = photo_set.classes
    labels = labels_of(rows, classes=classes)
    photos = (decode(data / row.path, at_least_px=ENOUGH_PX).pixels for row in rows)
    features = hog_features(photos, total=len(rows), progress=progress)
    found: dict[str, CrossValidation] = {}

    def add(name: str, rows: Sequence[IndexRow], fit: Fit, **options: Any) -> None:  # noqa: ANN401 - those of _run
        shown = no_progress if name == "most_frequent" else progress
        found[name] = _run(rows, fit, config, files=files.of(name), classes=classes, progress=shown, **options)

    add("most_frequent", rows, most_frequent(labels, classes=len(classes)))
    add("hog_svm", rows, hog_svm(features, labels, classes=len(classes)))
    if config.crossval.leakage:
        leaky = [replace(row, role=Role.ORIGINAL) for row in photo_set.rows]
        add("random_split", leaky, recipe_fit(config, photo_set), grouped=False, repeats=1)
    return found

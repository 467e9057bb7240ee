"""Export of a run to a bundle: weights, decision rule, golden photos and reference data."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from petmood.configs.schema import Config
from petmood.core.atomic_directory import DirectoryDraft
from petmood.core.bundle import DATA_NAME, DUPLICATES_NAME, Bundle, Manifest
from petmood.core.bundle_target import bundle_directory
from petmood.core.drift_reference import MOST_REFERENCE, ReferenceSource
from petmood.core.errors import ConfigError, DataError
from petmood.core.files import sha256_of
from petmood.core.names import model_name_problem
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.data_kind import DataKind, data_kind
from petmood.data.duplicates.feature_cache import features_of
from petmood.data.duplicates.feature_store import pack_features
from petmood.data.duplicates.relations import RelationKind, read_relations
from petmood.data.index import DataIndex, IndexRow, Role, Split, index_text, read_index
from petmood.export.bundle import BundleMetadata, fill_bundle
from petmood.export.drift_reference import ReferencePhotos
from petmood.export.variant import FittedVariant
from petmood.monitoring.projection import fit_rows
from petmood.pipelines.domain import read_domain
from petmood.pipelines.evaluate import evaluate_run, needs_evaluation, read_evaluation
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.networks import load_network
from petmood.pipelines.run_folder import RunFolder
from petmood.pipelines.run_tracking import track_bundle
from petmood.pipelines.variant_files import check_student, read_fitted_variant
from petmood.training.dataset import evaluation_rows, open_index, training_rows

__all__ = [
    "GOLDEN_PHOTOS",
    "NEVER_CONFIDENT",
    "export_run",
    "has_trained_embedding",
    "kept_robustness",
    "reference_photos",
    "rows_of_reference",
    "rows_to_recognize",
]

GOLDEN_PHOTOS: Final = 32
NEVER_CONFIDENT: Final = 1.01
"""The threshold of a model without a guaranteed error rate: it abstains on every photo ("not sure")."""
EVERY_CLASS: Final = 1.0
"""The quantile of a model without validation photos: no class can be excluded from a prediction set."""


def export_run(
    run: RunFolder,
    *,
    to: Path,
    name: str | None = None,
    replace: bool = False,
    variant: str | None = None,
    progress: ProgressBar = no_progress,
) -> Bundle:
    """Write the bundle of a run, evaluating the run first if needed.

    With ``variant``, the bundle has this variant of the network too, which ``pipelines.optimize`` made.

    Raises:
        BundleError: the target exists, isn't a petmood bundle or contains other files, ONNX and torch disagree, or the
            variant is refused, or the run beside its teacher.
        OutputError: the target can't be written, or another process is writing it.
        ConfigError: a name with characters other than a-z, 0-9, '.', '-' and '_', or an unknown variant.
        RunError: the run has no such variant, or was trained again since.
        DataError: the photos are not those that the run was trained on.
    """
    model = _checked(name) if name else _name_of(to)
    fitted = read_fitted_variant(run, variant) if variant is not None else None
    check_student(run)
    with bundle_directory(to, replace=replace) as draft:
        if needs_evaluation(run):
            evaluate_run(run, progress=progress)
        made = changed(_fill(draft, run, name=model, variant=fitted, progress=progress), folder=to)
    track_bundle(run, made)
    return made


def _fill(
    draft: DirectoryDraft, run: RunFolder, *, name: str, variant: FittedVariant | None, progress: ProgressBar
) -> Bundle:
    facts, config = run.read_metadata(), run.read_config()
    folder, measured = run.dataset(), read_evaluation(run)["domain"]
    index = open_index(folder, expected_hash=facts.data_hash)
    learned = training_rows(index.rows, include_copies=config.data.include_copies)
    candidates = evaluation_rows(index.rows, Split.VALID) + learned
    opened = partial(configured_photos, config, folder, classes=facts.classes)
    features = features_of(folder, index, rows_to_recognize(folder, index), progress=progress)
    golden = opened(_spread_by_class(candidates))
    source, held_rows, fit_to = rows_of_reference(index, learned, is_trained=has_trained_embedding(config))
    held_out, others = (opened(rows, progress=progress) for rows in (held_rows, fit_to))
    chose_nothing = Split.TEST if any(row.split == Split.TEST for row in held_rows) else Split.VALID
    labels = np.where([row.split == chose_nothing for row in held_rows], held_out.labels, -1)
    return fill_bundle(
        draft,
        load_network(run),
        _facts(run, name=name, species=_species(index.rows), kind=data_kind(folder)),
        golden=np.asarray(golden.cache.pixels),
        reference=ReferencePhotos(held_out.cache.pixels, labels, others.cache.pixels, source),
        domain=read_domain(run, measured) if measured else None,
        further={DATA_NAME: index_text(index.rows).encode(), DUPLICATES_NAME: pack_features(features)},
        variant=variant,
    )


def rows_to_recognize(folder: Path, index: DataIndex) -> list[IndexRow]:
    """Return the photos by whose features all photos that a model saw (train and valid) are recognized later.

    These are all originals, and the near-duplicates that were not directly related to an original at the import.
    """
    seen = [row for row in index if row.split in {Split.TRAIN, Split.VALID} and row.role != Role.EXCLUDED]
    originals = {row.path for row in seen if row.role == Role.ORIGINAL}
    pairs = [(one.first, one.second) for one in read_relations(folder) if one.kind == RelationKind.NEAR_DUPLICATE]
    covered = {path for pair in pairs for path, other in (pair, pair[::-1]) if other in originals}
    return [row for row in seen if row.path in originals or row.path not in covered]


def rows_of_reference(
    rows: Iterable[IndexRow], learned: Sequence[IndexRow], *, is_trained: bool
) -> tuple[ReferenceSource, list[IndexRow], list[IndexRow]]:
    """Return the photos of the drift reference and which they are, and photos of other groups for the projection.

    The reference has photos that the embedding was not trained on, one of each group, ``MOST_REFERENCE`` at most. Of a
    network that was trained, these are held-out photos, and ``learned`` are for the projection. Embeddings that were
    not trained are equally new for all photos: the groups of every split are divided in two halves.
    """
    rows = tuple(rows)
    splits = (Split.VALID, Split.TEST) if is_trained else (Split.TRAIN, Split.VALID, Split.TEST)
    one_each = [*{row.group_id: row for split in splits for row in evaluation_rows(rows, split)}.values()]
    if is_trained:
        return "held_out", _spread(one_each), _spread(learned)
    fitted = fit_rows([row.group_id for row in one_each])
    halves = ([row for row, fit in zip(one_each, fitted, strict=True) if fit == wanted] for wanted in (False, True))
    reference, others = halves
    return "all", _spread(reference), _spread(others)


def reference_photos(manifest: Manifest, dataset: Path) -> list[Path]:
    """Return the files of a bundle's drift reference, in the order of its rows, in the dataset that it was made of.

    Raises:
        DataError: there is no dataset in the folder, it is another data version, or an earlier petmood chose the rows.
    """
    index, info = read_index(dataset), manifest.reference
    if index.hash != manifest.data_hash:
        raise DataError(
            f"Expected data version {manifest.data_hash[:12]} in {dataset}, of which the bundle was made, got "
            f"{index.hash[:12]}. Give the folder of that version, or none."
        )
    rows = rows_of_reference(index, (), is_trained=info is not None and info.photos == "held_out")[1]
    if info is None or len(rows) != info.count:
        raise DataError(
            f"Expected the {info.count if info else 0} photos of the drift reference in {dataset}, got {len(rows)}: "
            "another version of petmood chose them. Export the run again, or give no dataset."
        )
    return [dataset / row.path for row in rows]


def has_trained_embedding(config: Config) -> bool:
    """Return whether the embedding may have been trained on photos of the dataset, by this run or the one before it."""
    return config.recipe.kind == "gradient" or config.first_weights not in {"none", "imagenet"}


def _spread(rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Return at most ``MOST_REFERENCE`` rows, evenly spread."""
    places = np.linspace(0, len(rows) - 1, min(len(rows), MOST_REFERENCE)).round().astype(int)
    return [rows[at] for at in np.unique(places)]


def _facts(run: RunFolder, *, name: str, species: tuple[str, ...], kind: DataKind | None) -> BundleMetadata:
    facts, config, numbers = run.read_metadata(), run.read_config(), read_evaluation(run)
    threshold, quantile = numbers["abstention"]["threshold"], numbers["conformal"]["quantile"]
    return BundleMetadata(
        name=name,
        classes=facts.classes,
        image=facts.image,
        temperature=numbers["calibration"]["temperature"],
        confidence_threshold=NEVER_CONFIDENT if threshold is None else threshold,
        target_error=numbers["abstention"]["target_error"],
        conformal_quantile=EVERY_CLASS if quantile is None else quantile,
        target_coverage=config.evaluation.coverage,
        metrics={
            "splits": numbers["splits"],
            "selection": numbers["selection"],
            "domain": numbers["domain"],
            **({"out_of_fold": used} if (used := numbers.get("out_of_fold")) else {}),
            **({"robustness": corrupted} if (corrupted := kept_robustness(numbers)) else {}),
            "run": facts.name,
            "weights": sha256_of(run.weights),
        },
        backbone=facts.backbone,
        data_hash=facts.data_hash,
        code_version=facts.code_version,
        created=facts.created,
        config=config.model_dump(mode="json", exclude={"tracker"}),
        photos=facts.photos,
        species=species,
        data_kind=kind,
    )


def kept_robustness(numbers: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a manifest has of the accuracy under corruptions, without the single ones; None if not measured.

    ``numbers`` are those of an ``evaluation.json``; one of an earlier version has none.
    """
    found = numbers.get("robustness")
    return {name: value for name, value in found.items() if name != "corruptions"} if found else None


def _checked(name: str) -> str:
    if problem := model_name_problem(name):
        raise ConfigError(problem)
    return name


def _name_of(folder: Path) -> str:
    """Return the name of a folder as a model name: lower case, other characters replaced by dashes."""
    return re.sub(r"[^a-z0-9._-]+", "-", Path(os.path.realpath(folder)).name.lower()).strip("._-")[:64] or "model"


def _spread_by_class(rows: list[IndexRow]) -> list[IndexRow]:
    """Return up to ``GOLDEN_PHOTOS`` rows, taken from the classes in turn."""
    by_label: dict[str, list[IndexRow]] = {}
    for row in rows:
        by_label.setdefault(row.label, []).append(row)
    ranked = [(rank, label, row) for label, found in by_label.items() for rank, row in enumerate(found)]
    return [row for _, _, row in sorted(ranked, key=lambda item: item[:2])[:GOLDEN_PHOTOS]]


def _species(rows: tuple[IndexRow, ...]) -> tuple[str, ...]:
    return tuple(sorted({row.species for row in rows if row.species}))

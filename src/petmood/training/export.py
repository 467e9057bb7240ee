"""How does a run become a bundle? Its weights, its decision rule and its golden photos go to the export room."""

import re
from dataclasses import replace as changed
from pathlib import Path
from typing import Final

import numpy as np

from petmood.core.atomic_directory import DirectoryDraft
from petmood.core.bundle import DATA_NAME, Bundle
from petmood.core.bundle_target import bundle_directory
from petmood.core.errors import ConfigError
from petmood.core.files import sha256_of
from petmood.core.progress import Track, silent
from petmood.data.index import IndexRow, index_text
from petmood.export.bundle import Facts, fill_bundle
from petmood.training.evaluate import evaluate_run, read_evaluation
from petmood.training.folder import RunFolder
from petmood.training.material import open_index, open_material, rows_to_judge, rows_to_learn
from petmood.training.run import load_network
from petmood.training.tracking.story import tell_bundle

__all__ = ["GOLDEN_PHOTOS", "NEVER_SURE", "export_run"]

GOLDEN_PHOTOS: Final = 32
NEVER_SURE: Final = 1.01
"""The threshold of a model that may promise no error rate: every answer is "not sure"."""
EVERY_MOOD: Final = 1.0
"""The quantile of a model without validation photos: no mood can be ruled out."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def export_run(
    run: RunFolder, *, to: Path, name: str | None = None, replace: bool = False, track: Track = silent
) -> Bundle:
    """Write a run's bundle, evaluating the run first where that was not done yet.

    Raises:
        BundleError: the target exists, is none of our bundles or holds other files, or ONNX and torch disagree.
        OutputError: the target can't be written, or another process is writing it.
        ConfigError: a name with other signs than small letters, digits, dots, dashes and underlines.
        DataError: the photos are not those that the run was trained on.
    """
    model = _checked(name) if name else _name_of(to)
    with bundle_directory(to, replace=replace) as draft:
        if not run.evaluation.is_file():
            evaluate_run(run, track=track)
        made = changed(_fill(draft, run, name=model, track=track), folder=to)
    tell_bundle(run, made)
    return made


def _fill(draft: DirectoryDraft, run: RunFolder, *, name: str, track: Track) -> Bundle:
    facts, config = run.read_facts(), run.read_config()
    folder = Path(facts.data_path)
    index = open_index(folder, expected_hash=facts.data_hash)
    learned = rows_to_learn(index.rows, keep_copies=config.data.copies == "keep")
    judged = rows_to_judge(index.rows, "valid") + learned
    golden = open_material(folder, _spread_by_mood(judged), config=config, image=facts.image)
    training = open_material(folder, learned, config=config, image=facts.image, track=track)
    return fill_bundle(
        draft,
        load_network(run),
        _facts(run, name=name, species=_species(index.rows)),
        golden=np.asarray(golden.bank.pixels),
        training=training.bank.pixels,
        further={DATA_NAME: index_text(index.rows).encode()},
    )


def _facts(run: RunFolder, *, name: str, species: tuple[str, ...]) -> Facts:
    facts, config, numbers = run.read_facts(), run.read_config(), read_evaluation(run)
    threshold, quantile = numbers["abstain"]["threshold"], numbers["conformal"]["quantile"]
    return Facts(
        name=name,
        classes=facts.classes,
        image=facts.image,
        temperature=numbers["calibration"]["temperature"],
        sure_from=NEVER_SURE if threshold is None else threshold,
        target_error=config.evaluation.target_error,
        set_quantile=EVERY_MOOD if quantile is None else quantile,
        set_coverage=config.evaluation.coverage,
        metrics={"splits": numbers["splits"], "run": facts.name, "weights": sha256_of(run.weights)},
        backbone=facts.backbone,
        data_hash=facts.data_hash,
        code_version=facts.code_version,
        created=facts.created,
        config=config.model_dump(mode="json", exclude={"tracker"}),
        photos=facts.photos,
        species=species,
    )


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} can't be a model's name. Expected 1 to 64 of a-z, 0-9, dot, dash and underline, "
            "the first a letter or digit."
        )
    return name


def _name_of(folder: Path) -> str:
    """Return a folder's name as a model's name: in small letters, other signs as dashes."""
    return re.sub(r"[^a-z0-9._-]+", "-", folder.resolve().name.lower()).strip("._-")[:64] or "model"


def _spread_by_mood(rows: list[IndexRow]) -> list[IndexRow]:
    """Return up to ``GOLDEN_PHOTOS`` rows, the first ones of each mood in turn."""
    by_mood: dict[str, list[IndexRow]] = {}
    for row in rows:
        by_mood.setdefault(row.mood, []).append(row)
    places = [(place, mood, row) for mood, found in by_mood.items() for place, row in enumerate(found)]
    return [row for _, _, row in sorted(places, key=lambda item: item[:2])[:GOLDEN_PHOTOS]]


def _species(rows: tuple[IndexRow, ...]) -> tuple[str, ...]:
    return tuple(sorted({row.species for row in rows if row.species}))

"""How good is a run, honestly? Its logits become numbers with intervals beside controls, and a report."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petmood.core.commands import shell_command
from petmood.core.errors import RunError
from petmood.core.files import write_bytes, write_json
from petmood.core.moods import MOODS
from petmood.core.photo import decode
from petmood.core.progress import Track, silent
from petmood.data.index import IndexRow, read_index
from petmood.evaluation.controls import fit_controls, hog_features
from petmood.evaluation.paired import PairedTest, paired_test
from petmood.evaluation.report import write_report
from petmood.evaluation.scored import Scored
from petmood.evaluation.summary import Evaluation, evaluate
from petmood.training.folder import RunFolder
from petmood.training.material import open_material, rows_to_judge
from petmood.training.run import load_network
from petmood.training.score import score
from petmood.training.tracking.story import tell_evaluation

__all__ = ["compare_runs", "evaluate_run", "read_evaluation", "scores_of"]

JUDGED = ("valid", "test")
ENOUGH_PX = 256


def scores_of(run: RunFolder, *, data: Path | None = None, track: Track = silent) -> dict[str, Scored]:
    """Return a run's logits on validation and test photos, its own or those of another data set.

    Raises:
        RunError: its own are missing.
        DataError: the other data set can't be read.
    """
    if data is not None:
        return _score_anew(run, data, track=track)
    missing = [split for split in JUDGED if not run.scored(split).is_file()]
    if missing:
        raise RunError(f"{run.scored(missing[0])} is missing. Train the run again.")
    return {split: Scored.load(run.scored(split)) for split in JUDGED}


def evaluate_run(
    run: RunFolder, *, data: Path | None = None, paired: PairedTest | None = None, track: Track = silent
) -> Evaluation:
    """Measure a run, write ``evaluation.json`` and ``report.html`` into its folder, and return the numbers.

    With ``data``, another data set is used and nothing but the report is written, as ``report-NAME.html``. The abstain
    threshold and the temperature always come from the run's own validation photos.
    """
    config, facts = run.read_config(), run.read_facts()
    folder = data or Path(facts.data_path)
    scored = scores_of(run, track=track)
    judged = scored if data is None else _score_anew(run, data, track=track)
    split = "test" if len(judged["test"]) else "valid"
    if data is not None:
        scored = {"valid": scored["valid"], "test": judged[split]}
    rows = [row for row in read_index(folder) if row.role != "dropped"]
    learnable = config.evaluation.controls and any(row.split == "train" for row in rows)
    controls = _controls(folder, rows, split=split, seed=config.seed, track=track) if learnable else {}
    found = evaluate(
        scored,
        controls=controls,
        target_error=config.evaluation.target_error,
        coverage=config.evaluation.coverage,
        seed=config.seed,
    )
    if data is None:
        write_json(run.evaluation, found.to_json())
    write_report(
        run.report if data is None else run.path / f"report-{data.name}.html",
        found,
        scored,
        photo_of=lambda path: decode(folder / path, at_least_px=ENOUGH_PX).pixels,
        title=f"{facts.name}: {facts.backbone} on {folder.name}",
        facts=_facts_to_show(run),
        curves=_curves(run),
        paired=paired,
    )
    if data is None:
        tell_evaluation(run, found.to_json())
    return found


def compare_runs(run: RunFolder, other: RunFolder) -> PairedTest:
    """Return the paired test of two runs on the same test photos (or validation photos where there is no test).

    Raises:
        DataError: the two were not judged by the same photos.
    """
    first, second = scores_of(run), scores_of(other)
    split = "test" if len(first["test"]) else "valid"
    return paired_test(first[split], second[split])


def _score_anew(run: RunFolder, data: Path, *, track: Track) -> dict[str, Scored]:
    config, facts, index = run.read_config(), run.read_facts(), read_index(data)
    network = load_network(run)
    found = {}
    for split in JUDGED:
        rows = rows_to_judge(index.rows, split)
        material = open_material(data, rows, config=config, image=facts.image, track=track)
        found[split] = score(network, material, source=str(data))
    return found


def _controls(folder: Path, rows: list[IndexRow], *, split: str, seed: int, track: Track) -> dict[str, Scored]:
    features = _hog_of(folder, rows, track=track)
    return fit_controls(rows, features, classes=MOODS, split=split, seed=seed)


def _hog_of(folder: Path, rows: list[IndexRow], *, track: Track) -> NDArray[np.float32]:
    """Return the HOG features of some photos, kept beside the data set for the next evaluation."""
    cached = folder / ".cache" / f"hog-{read_index(folder).hash[:24]}.npy"
    if cached.is_file():
        found: NDArray[np.float32] = np.load(cached, allow_pickle=False)
        if len(found) == len(rows):
            return found
    found = hog_features(
        (decode(folder / row.path, at_least_px=ENOUGH_PX).pixels for row in rows), total=len(rows), track=track
    )
    cached.parent.mkdir(exist_ok=True)
    partial = cached.with_suffix(".partial.npy")
    np.save(partial, found, allow_pickle=False)
    write_bytes(cached, partial.read_bytes())
    partial.unlink()
    return found


def _facts_to_show(run: RunFolder) -> dict[str, object]:
    facts = run.read_facts()
    return {
        "data version": facts.data_hash,
        "code version": facts.code_version,
        "backbone": facts.backbone,
        "photos": facts.photos,
        "epochs": facts.epochs,
        "best epoch": facts.best_epoch,
        "seconds": facts.seconds,
        "settings": run.read_config().model_dump(mode="json"),
    }


def _curves(run: RunFolder) -> list[dict[str, float | None]]:
    if not run.curves.is_file():
        return []
    with run.curves.open(encoding="utf-8", newline="") as file:
        return [{name: float(text) if text else None for name, text in row.items()} for row in csv.DictReader(file)]


def read_evaluation(run: RunFolder) -> dict[str, Any]:
    """Return the numbers that ``evaluate_run`` wrote.

    Raises:
        RunError: the run was not evaluated yet.
    """
    try:
        found: dict[str, Any] = json.loads(run.evaluation.read_bytes())
    except (OSError, ValueError) as error:
        again = shell_command("evaluate", run.path)
        raise RunError(f"The run {run.path} has no numbers yet. Make them with: {again}") from error
    return found

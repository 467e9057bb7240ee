"""Smaller and faster variants of a run's network, measured beside it on held-out photos."""

import logging
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, DataError
from petmood.core.processors import processor_name
from petmood.core.progress import ProgressBar, no_progress
from petmood.core.variants import FP32, INT8, VariantInfo
from petmood.data.index import DataIndex, IndexRow, Split
from petmood.evaluation.predictions import Predictions
from petmood.evaluation.variants import MAX_DROP, VariantResult
from petmood.export.bundle import serving_graph
from petmood.export.quantization import FEWEST_PHOTOS, quantize
from petmood.export.variant import GOLDEN_TOLERANCE
from petmood.models.handcrafted import HandcraftedFeatures
from petmood.pipelines.chosen_model import divided
from petmood.pipelines.evaluate import evaluate_run, needs_evaluation, read_evaluation
from petmood.pipelines.export import has_trained_embedding, rows_of_reference
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.networks import load_network
from petmood.pipelines.run_folder import RunFolder, RunMetadata
from petmood.pipelines.variant_files import Measurement, write_measurement
from petmood.pipelines.variant_table import MeasuredNetwork, compiled_network, measure_networks, serving_network
from petmood.presentation.display_names import photos_of_split
from petmood.reports.optimize import render_optimize_page
from petmood.training.dataset import evaluation_rows, open_index, training_rows
from petmood.training.provenance import code_version

logger = logging.getLogger(__name__)

__all__ = ["CALIBRATION_PHOTOS", "ROUNDS", "HeldOutPhotos", "Optimized", "held_out_photos", "optimize_run"]

CALIBRATION_PHOTOS: Final = 200
"""Training photos that the ranges of activations are taken from: more changed no prediction of the dog faces."""
ROUNDS: Final = 100

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Optimized:
    """The measured variants of a run: rows of the table, fp32 first, and what was measured as JSON values."""

    rows: tuple[VariantResult, ...]
    values: Mapping[str, Any]

    def refused(self, name: str) -> str:
        """Return why a variant is not exported; empty if it may be, or was not made."""
        return next((row.refusal for row in self.rows if row.name == name), "")


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutPhotos:
    """Held-out photos that variants are compared on; ``note`` says what else they were used for."""

    split: Split
    rows: tuple[IndexRow, ...]
    note: str


def optimize_run(
    run: RunFolder,
    *,
    calibration_photos: int = CALIBRATION_PHOTOS,
    rounds: int = ROUNDS,
    students: Sequence[RunFolder] = (),
    with_compiled: bool = False,
    progress: ProgressBar = no_progress,
) -> Optimized:
    """Quantize the network of a run, measure it beside the network itself, and write both into the run folder.

    The run is evaluated first if needed: the temperature is part of the graph. The 8-bit ranges come from
    ``calibration_photos`` training photos. ``rounds`` is how often the time of one photo is measured, in turns.
    ``students`` are other runs on the same data version that are measured too, such as those of ``distill``.
    ``with_compiled`` adds the torch network after torch.compile, where that is possible.

    Raises:
        ConfigError: a network without trained convolutions, or too few calibration photos or rounds.
        DataError: no held-out photos, fewer training photos than ``calibration_photos``, other photos than those of the
            run, or a student on another data version.
        OutputLocked: another process is writing the run.
    """
    _check_counts(calibration_photos, rounds)
    facts, folder = run.read_metadata(), run.dataset()
    index = open_index(folder, expected_hash=facts.data_hash)
    _check_quantizable(run)
    _check_students(run, students)
    held_out = held_out_photos(run, index)
    calibration = _calibration_rows(index, folder, count=calibration_photos)
    if needs_evaluation(run):
        evaluate_run(run, progress=progress)
    temperature = read_evaluation(run)["calibration"]["temperature"]
    graph = _graph(run, index, temperature=temperature, progress=progress)
    int8 = quantize(graph, _pixels(run, calibration, progress=progress))
    pixels = _pixels(run, held_out.rows, progress=progress)
    with ExitStack() as opener:
        networks = [
            serving_network(opener, graph, pixels, name=FP32, what="ONNX Runtime, float"),
            serving_network(opener, int8, pixels, name=INT8, what="ONNX Runtime, 8-bit integers", is_variant=True),
        ]
        networks += [_student_network(opener, one, index, held_out, progress=progress) for one in students]
        left_out = _add_compiled(networks, run) if with_compiled else ""
        rows = measure_networks(networks, held_out.rows, classes=facts.classes, rounds=rounds)
    values = _values(rows, facts, held_out, calibrated_on=len(calibration), rounds=rounds)
    values["left_out"] = left_out
    info = _variant_info(rows[1], held_out, calibrated_on=len(calibration))
    page = render_optimize_page(rows, values)
    with run.lock():
        write_measurement(run, Measurement(values, page, graph, int8, info))
    return Optimized(rows, values)


def _check_counts(calibration_photos: int, rounds: int) -> None:
    if calibration_photos < FEWEST_PHOTOS or rounds < 2:
        raise ConfigError(
            f"Expected {FEWEST_PHOTOS} calibration photos or more and 2 rounds or more, got {calibration_photos} and "
            f"{rounds}."
        )


def _student_network(
    opener: ExitStack, student: RunFolder, index: DataIndex, held_out: HeldOutPhotos, *, progress: ProgressBar
) -> MeasuredNetwork:
    """Open the network of another run; its temperature changes neither its accuracy nor its speed, and is left out."""
    facts, graph = student.read_metadata(), _graph(student, index, temperature=1.0, progress=progress)
    pixels = _pixels(student, held_out.rows, progress=progress)
    return serving_network(opener, graph, pixels, name=facts.name, what=f"{facts.backbone}, float")


def _add_compiled(networks: list[MeasuredNetwork], run: RunFolder) -> str:
    """Add the compiled torch network of a run to those that are measured; return why not, if it can't be compiled."""
    size, pixels = run.weights.stat().st_size, networks[0].pixels
    try:
        networks.append(compiled_network(load_network(run), pixels, name="compiled", size_bytes=size))
    except Exception as error:
        logger.debug("torch.compile fails", exc_info=True)
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return f"torch.compile needs a C++ compiler, or can't compile this network: {reason[0]}"
    return ""


def _check_quantizable(run: RunFolder) -> None:
    if isinstance(load_network(run).backbone, HandcraftedFeatures):
        raise ConfigError(
            f"The backbone {run.read_metadata().backbone} of {run.path} has hand-crafted features and no trained "
            "convolutions: there is nothing to quantize. Give a run of another backbone, such as mobilenet_v3_small."
        )


def _check_students(run: RunFolder, students: Sequence[RunFolder]) -> None:
    wanted = run.read_metadata().data_hash
    for student in students:
        if (found := student.read_metadata().data_hash) != wanted:
            raise DataError(
                f"Expected {student.path} to be trained on data version {wanted[:12]}, as {run.path} was, got "
                f"{found[:12]}: it may have learned from the photos that they are compared on."
            )


def _pixels(run: RunFolder, rows: Sequence[IndexRow], *, progress: ProgressBar) -> Pixels:
    """Return photos as a run's network gets them, uint8 [N, S, S, 3]."""
    config, classes = run.read_config(), run.read_metadata().classes
    return configured_photos(config, run.dataset(), rows, classes=classes, progress=progress).cache.pixels


def _graph(run: RunFolder, index: DataIndex, *, temperature: float, progress: ProgressBar) -> bytes:
    """Return the serving graph of a run, byte by byte that of its bundle if the temperature is the run's own."""
    config, facts = run.read_config(), run.read_metadata()
    learned = training_rows(index.rows, include_copies=config.data.include_copies)
    fit_to = rows_of_reference(index, learned, is_trained=has_trained_embedding(config))[2]
    pixels = _pixels(run, fit_to, progress=progress)
    return serving_graph(load_network(run), side_px=facts.image.side_px, temperature=temperature, fit_to=pixels)


def held_out_photos(run: RunFolder, index: DataIndex) -> HeldOutPhotos:
    """Return the test photos of a run; without any, the validation photos that didn't calibrate, or all of them.

    Raises:
        DataError: there are neither test nor validation photos.
    """
    test, valid = (tuple(evaluation_rows(index.rows, split)) for split in (Split.TEST, Split.VALID))
    if test:
        return HeldOutPhotos(Split.TEST, test, "They neither trained, chose nor calibrated the model.")
    if not valid:
        check = shell_command("data", "check", run.dataset())
        raise DataError(
            f"Expected held-out photos to compare variants on, got no validation and no test photos in the dataset of "
            f"{run.path}. Import it again with a split, and see the counts with: {check}"
        )
    facts, settings = run.read_metadata(), run.read_config().evaluation
    parts = divided(Predictions.load(run.predictions(Split.VALID)), facts, settings=settings)
    if facts.chosen_on and parts.separate:
        rows = tuple(valid[at] for at in parts.choosing)
        return HeldOutPhotos(Split.VALID, rows, "They chose the model, but didn't calibrate its thresholds.")
    return HeldOutPhotos(Split.VALID, valid, "There are no test photos; these calibrated the thresholds of fp32.")


def _calibration_rows(index: DataIndex, folder: Path, *, count: int) -> list[IndexRow]:
    """Return so many original training photos, evenly spread.

    Raises:
        DataError: there are fewer.
    """
    originals = training_rows(index.rows, include_copies=False)
    if len(originals) < count:
        raise DataError(
            f"Expected {count} training photos to calibrate INT8 on, got {len(originals)} in {folder}. "
            f"Give fewer, {FEWEST_PHOTOS} at least, with: --calibration {max(FEWEST_PHOTOS, len(originals))}"
        )
    return [originals[at] for at in np.linspace(0, len(originals) - 1, count).round().astype(int)]


def _variant_info(result: VariantResult, held_out: HeldOutPhotos, *, calibrated_on: int) -> VariantInfo:
    if result.paired is None:
        raise ValueError("a variant has a paired test")
    found = result.paired.difference
    return VariantInfo(
        name=INT8,
        tolerance=GOLDEN_TOLERANCE,
        split=str(held_out.split),
        photos=len(held_out.rows),
        accuracy=result.accuracy.value,
        difference=found.value,
        low=max(-1.0, found.low) if np.isfinite(found.low) else -1.0,
        high=min(1.0, found.high) if np.isfinite(found.high) else 1.0,
        calibrated_on=calibrated_on,
    )


def _values(
    rows: Sequence[VariantResult],
    facts: RunMetadata,
    held_out: HeldOutPhotos,
    *,
    calibrated_on: int,
    rounds: int,
) -> dict[str, Any]:
    return {
        "run": facts.name,
        "backbone": facts.backbone,
        "data_hash": facts.data_hash,
        "code_version": code_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor_name(),
        "packages": {"onnxruntime": onnxruntime.__version__, "python": platform.python_version()},
        "split": str(held_out.split),
        "photos": len(held_out.rows),
        "groups": len({row.group_id for row in held_out.rows}),
        "photos_note": f"{photos_of_split(held_out.split, len(held_out.rows))}. {held_out.note}",
        "calibrated_on": calibrated_on,
        "rounds": rounds,
        "max_drop": MAX_DROP,
        "rows": [row.to_json() for row in rows],
    }

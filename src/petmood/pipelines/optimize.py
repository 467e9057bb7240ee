"""Smaller and faster variants of a run's network, measured beside it on held-out photos."""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.commands import shell_command
from petmood.core.errors import ConfigError, DataError
from petmood.core.graph_outputs import EMBEDDING, LOGITS, RESIDUAL
from petmood.core.image_statistics import image_statistics
from petmood.core.prediction import softmax
from petmood.core.processors import processor_name
from petmood.core.progress import ProgressBar, no_progress
from petmood.core.variants import FP32, INT8, VariantInfo
from petmood.data.index import DataIndex, IndexRow, Split
from petmood.evaluation.predictions import Predictions, from_rows
from petmood.evaluation.variants import MAX_DROP, OutputShift, Speed, VariantResult, compare_variant, output_shift
from petmood.export.bundle import serving_graph
from petmood.export.quantization import FEWEST_PHOTOS, quantize
from petmood.export.variant import GOLDEN_TOLERANCE, opened_graph
from petmood.inference.onnx import OnnxSession, run_singly
from petmood.inference.variants import times_in_turns
from petmood.models.handcrafted import HandcraftedFeatures
from petmood.monitoring.drift.detect import detect_drift
from petmood.monitoring.measurements import Measurements
from petmood.pipelines.chosen_model import divided
from petmood.pipelines.evaluate import evaluate_run, needs_evaluation, read_evaluation
from petmood.pipelines.export import has_trained_embedding, rows_of_reference
from petmood.pipelines.fit_settings import configured_photos
from petmood.pipelines.run_folder import RunFolder, RunMetadata
from petmood.pipelines.train import load_network
from petmood.pipelines.variant_files import Measurement, write_measurement
from petmood.presentation.display_names import photos_of_split
from petmood.reports.optimize import render_optimize_page
from petmood.training.dataset import evaluation_rows, open_index, training_rows
from petmood.training.provenance import code_version

__all__ = ["CALIBRATION_PHOTOS", "ROUNDS", "Optimized", "optimize_run"]

CALIBRATION_PHOTOS: Final = 200
"""Training photos that the ranges of activations are taken from: more changed no prediction of the dog faces."""
ROUNDS: Final = 100
TIMED_PHOTOS: Final = 8

Pixels = NDArray[np.uint8]
Outputs = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Optimized:
    """The measured variants of a run: rows of the table, fp32 first, and what was measured as JSON values."""

    rows: tuple[VariantResult, ...]
    values: Mapping[str, Any]

    def refused(self, name: str) -> str:
        """Return why a variant is not exported; empty if it may be, or was not made."""
        return next((row.refusal for row in self.rows if row.name == name), "")


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOut:
    """Held-out photos that variants are compared on; ``note`` says what else they were used for."""

    split: Split
    rows: tuple[IndexRow, ...]
    note: str


def optimize_run(
    run: RunFolder,
    *,
    calibration_photos: int = CALIBRATION_PHOTOS,
    rounds: int = ROUNDS,
    progress: ProgressBar = no_progress,
) -> Optimized:
    """Quantize the network of a run, measure it beside the network itself, and write both into the run folder.

    The run is evaluated first if needed: the temperature is part of the graph. The 8-bit ranges come from
    ``calibration_photos`` training photos. ``rounds`` is how often the time of one photo is measured, in turns.

    Raises:
        ConfigError: a network without trained convolutions, or too few calibration photos or rounds.
        DataError: no held-out photos, fewer training photos than ``calibration_photos``, or other photos than those of
            the run.
        OutputLocked: another process is writing the run.
    """
    if calibration_photos < FEWEST_PHOTOS or rounds < 2:
        raise ConfigError(
            f"Expected {FEWEST_PHOTOS} calibration photos or more and 2 rounds or more, got {calibration_photos} and "
            f"{rounds}."
        )
    config, facts, folder = run.read_config(), run.read_metadata(), run.dataset()
    index = open_index(folder, expected_hash=facts.data_hash)
    network = load_network(run)
    if isinstance(network.backbone, HandcraftedFeatures):
        raise ConfigError(
            f"The backbone {facts.backbone} of {run.path} has hand-crafted features and no trained convolutions: there "
            "is nothing to quantize. Give a run of another backbone, such as mobilenet_v3_small."
        )
    held_out = _held_out(run, index, facts, config)
    calibration = _calibration_rows(index, config, count=calibration_photos)
    if needs_evaluation(run):
        evaluate_run(run, progress=progress)
    temperature = read_evaluation(run)["calibration"]["temperature"]

    def opened(rows: Sequence[IndexRow]) -> Pixels:
        return configured_photos(config, folder, rows, classes=facts.classes, progress=progress).cache.pixels

    learned = training_rows(index.rows, include_copies=config.data.include_copies)
    fit_to = rows_of_reference(index, learned, is_trained=has_trained_embedding(config))[2]
    graph = serving_graph(network, side_px=facts.image.side_px, temperature=temperature, fit_to=opened(fit_to))
    int8 = quantize(graph, opened(calibration))
    rows = _measure(graph, int8, held_out, opened(held_out.rows), facts, rounds=rounds)
    values = _values(rows, facts, held_out, calibrated_on=len(calibration), rounds=rounds)
    info = _variant_info(rows[1], held_out, calibrated_on=len(calibration))
    page = render_optimize_page(rows, values)
    with run.lock():
        write_measurement(run, Measurement(values, page, graph, int8, info))
    return Optimized(rows, values)


def _held_out(run: RunFolder, index: DataIndex, facts: RunMetadata, config: Config) -> _HeldOut:
    """Return the test photos; without any, the validation photos that didn't calibrate, or all of them."""
    test, valid = (tuple(evaluation_rows(index.rows, split)) for split in (Split.TEST, Split.VALID))
    if test:
        return _HeldOut(Split.TEST, test, "They neither trained, chose nor calibrated the model.")
    if not valid:
        check = shell_command("data", "check", run.dataset())
        raise DataError(
            f"Expected held-out photos to compare variants on, got no validation and no test photos in the dataset of "
            f"{run.path}. Import it again with a split, and see the counts with: {check}"
        )
    parts = divided(Predictions.load(run.predictions(Split.VALID)), facts, settings=config.evaluation)
    if facts.chosen_on and parts.separate:
        rows = tuple(valid[at] for at in parts.choosing)
        return _HeldOut(Split.VALID, rows, "They chose the model, but didn't calibrate its thresholds.")
    return _HeldOut(Split.VALID, valid, "There are no test photos; these calibrated the thresholds of fp32.")


def _calibration_rows(index: DataIndex, config: Config, *, count: int) -> list[IndexRow]:
    """Return so many original training photos, evenly spread.

    Raises:
        DataError: there are fewer.
    """
    originals = training_rows(index.rows, include_copies=False)
    if len(originals) < count:
        raise DataError(
            f"Expected {count} training photos to calibrate INT8 on, got {len(originals)} in {config.data.path}. "
            f"Give fewer, {FEWEST_PHOTOS} at least, with: --calibration {max(FEWEST_PHOTOS, len(originals))}"
        )
    return [originals[at] for at in np.linspace(0, len(originals) - 1, count).round().astype(int)]


def _measure(
    graph: bytes, int8: bytes, held_out: _HeldOut, pixels: Pixels, facts: RunMetadata, *, rounds: int
) -> tuple[VariantResult, ...]:
    """Return the rows of fp32 and int8."""
    with ExitStack() as opener:
        sessions = [opener.enter_context(opened_graph(network)) for network in (graph, int8)]
        works: list[tuple[Callable[[Pixels], object], Pixels]] = [
            (session.logits, np.asarray(pixels[:TIMED_PHOTOS])) for session in sessions
        ]
        speeds = [Speed.of(times) for times in times_in_turns(works, rounds=rounds)]
        outputs = [_outputs(session, pixels) for session in sessions]
    own, other = (from_rows(found[LOGITS], held_out.rows, classes=facts.classes) for found in outputs)
    (accuracy, _), (accuracy8, paired8) = compare_variant(own), compare_variant(other, own)
    shift = _shift(outputs, pixels, classes=facts.classes)
    first = VariantResult(FP32, "ONNX Runtime, float", accuracy, speeds[0], len(graph))
    ratio = speeds[0].p50_ms / speeds[1].p50_ms
    note = (
        f"{ratio:.2f} times as fast as fp32"
        if ratio >= 1
        else f"slower than fp32: it takes {1 / ratio:.2f} times as long"
    )
    small = VariantResult(
        INT8, "ONNX Runtime, convolutions in 8-bit integers", accuracy8, speeds[1], len(int8), paired8, shift, note
    )
    return first, small


def _outputs(session: OnnxSession, pixels: Pixels) -> Outputs:
    """Return the outputs that the prediction log and the decision take, [N, ...]."""
    found = run_singly(session, np.asarray(pixels))
    return {name: found[name] for name in (LOGITS, EMBEDDING, RESIDUAL)}


def _shift(outputs: Sequence[Outputs], pixels: Pixels, *, classes: tuple[str, ...]) -> OutputShift:
    """Return how far the second outputs are from the first, with the drift test of the service between the two."""
    seen = image_statistics(np.asarray(pixels))
    before, after = (
        Measurements(
            classes=classes,
            statistics=seen,
            embedding=found[EMBEDDING].astype(np.float16),
            residual=found[RESIDUAL],
            probabilities=softmax(found[LOGITS]).astype(np.float32),
            confident=np.ones(len(seen), dtype=np.bool_),
            in_domain=np.ones(len(seen), dtype=np.bool_),
        )
        for found in outputs
    )
    return output_shift(outputs[0], outputs[1], drift=str(detect_drift(before, after).status))


def _variant_info(result: VariantResult, held_out: _HeldOut, *, calibrated_on: int) -> VariantInfo:
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
    held_out: _HeldOut,
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

"""Files of a run's smaller variants: what `petmood optimize` leaves in the run folder, and what an export takes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from petmood.core.commands import shell_command
from petmood.core.errors import BundleError, ConfigError, RunError
from petmood.core.files import atomic_write_bytes, atomic_write_json, atomic_write_text, sha256_of
from petmood.core.variants import INT8, VariantInfo
from petmood.evaluation.variants import drop_refusal
from petmood.export.variant import FittedVariant
from petmood.pipelines.evaluate import compare_runs
from petmood.pipelines.networks import find_teacher
from petmood.pipelines.run_folder import RunFolder

__all__ = [
    "COMPARISON_NAME",
    "PAGE_NAME",
    "Measurement",
    "check_student",
    "read_fitted_variant",
    "write_measurement",
]

COMPARISON_NAME: Final = "optimize.json"
PAGE_NAME: Final = "optimize.html"
NETWORK_NAME: Final = "model.int8.onnx"


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What was measured of a run's variants, as JSON values, with the networks and the page.

    ``graph`` and ``int8`` are the bytes of the serving graph and of its quantized variant.
    """

    values: Mapping[str, Any]
    page: str
    graph: bytes
    int8: bytes
    info: VariantInfo


def write_measurement(run: RunFolder, measured: Measurement) -> None:
    """Write the comparison as JSON and HTML, and the quantized network, each atomically; the JSON comes last."""
    folder = run.optimized
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(folder / NETWORK_NAME, measured.int8)
    atomic_write_text(folder / PAGE_NAME, measured.page)
    made = {
        "weights": sha256_of(run.weights),
        "made_of": hashlib.sha256(measured.graph).hexdigest(),
        "int8": hashlib.sha256(measured.int8).hexdigest(),
        "info": measured.info.model_dump(mode="json"),
    }
    atomic_write_json(folder / COMPARISON_NAME, {**measured.values, "variant": made})


def read_fitted_variant(run: RunFolder, name: str) -> FittedVariant:
    """Return the variant of a run that an export adds to the bundle.

    Raises:
        BundleError: the variant loses more accuracy than allowed, or its outputs moved too far.
        ConfigError: an unknown variant.
        RunError: the run has no such variant, or was trained again since, or the files are damaged.
    """
    if name != INT8:
        raise ConfigError(f"Expected the variant {INT8}, got {name!r}.")
    again = shell_command("optimize", run.path)
    path = run.optimized / COMPARISON_NAME
    if not path.is_file():
        raise RunError(f"The run {run.path} has no variant {name}. Make one with: {again}")
    try:
        found = json.loads(path.read_bytes())
        made = found["variant"]
        refusal = next(row["refusal"] for row in found["rows"] if row["name"] == name)
        info = VariantInfo.model_validate(made["info"])
        weights, made_of, network = made["weights"], made["made_of"], made["int8"]
    except (OSError, ValueError, KeyError, TypeError, StopIteration, ValidationError) as error:
        raise RunError(f"{path} can't be read. Make it again with: {again}") from error
    if refusal:
        raise BundleError(
            f"The variant {name} of {run.path} is refused: {refusal}. Nothing was exported. "
            f"Export the run without --variant."
        )
    if weights != sha256_of(run.weights):
        raise RunError(f"The run {run.path} was trained again since its variant was made. Make it again with: {again}")
    data = _network(run.optimized / NETWORK_NAME, expected=network, again=again)
    return FittedVariant(data, info, made_of)


def check_student(run: RunFolder) -> None:
    """Refuse to export a run that learned from a teacher and is worse than it, on the same held-out photos.

    Raises:
        BundleError: it loses more accuracy than allowed.
        RunError: the teacher's run is gone.
    """
    teacher = find_teacher(run.read_config(), run=run)
    if teacher is not None and (refusal := drop_refusal(compare_runs(run, teacher))):
        raise BundleError(
            f"The run {run.path} is refused beside its teacher {teacher.path}: {refusal}. Nothing was exported. "
            "Train it longer, with a larger backbone, or without recipe.teacher."
        )


def _network(path: Path, *, expected: str, again: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} can't be read. Make it again with: {again}") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise RunError(f"{path} was changed or damaged (SHA-256 differs). Make it again with: {again}")
    return data

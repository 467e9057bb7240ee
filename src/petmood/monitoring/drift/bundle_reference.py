"""The drift reference in a bundle."""

from typing import Any, Final

from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.bundle import Bundle
from petmood.core.drift_reference import MOST_REFERENCE
from petmood.core.errors import BundleError, DataError
from petmood.core.graph_outputs import MOST_COLUMNS
from petmood.core.image_statistics import STATISTICS, STATISTICS_VERSION
from petmood.monitoring.measurements import Measurements

__all__ = ["read_reference"]

AGAIN: Final = "Export the run again, and serve the new bundle."


def read_reference(bundle: Bundle) -> Measurements:
    """Read the drift reference of a verified bundle.

    Raises:
        BundleError: the bundle is of a version without a comparable reference, or its file is damaged.
    """
    manifest, path = bundle.manifest, bundle.folder / "reference.npz"
    info, rows, classes = manifest.reference, MOST_REFERENCE, len(manifest.classes)
    if info is None or info.statistics_version != STATISTICS_VERSION:
        raise BundleError(f"{bundle.folder} has no drift reference that this version can compare with. {AGAIN}")
    bounds = {
        "statistics": ArrayBounds("float32", (rows, len(STATISTICS))),
        "embedding": ArrayBounds("float16", (rows, MOST_COLUMNS)),
        "residual": ArrayBounds("float32", (rows,)),
        "probabilities": ArrayBounds("float32", (rows, classes)),
        "confident": ArrayBounds("bool", (rows,)),
        "in_domain": ArrayBounds("bool", (rows,)),
        "correct": ArrayBounds("int8", (rows,)),
    }
    try:
        arrays: dict[str, Any] = read_arrays(path, bounds)
        reference = Measurements(classes=manifest.classes, **arrays)
    except DataError as error:
        raise BundleError(f"{path}: {error} {AGAIN}") from error
    if len(reference) != info.count:
        raise BundleError(f"{path}: expected {info.count} photos, got {len(reference)}. {AGAIN}")
    return reference

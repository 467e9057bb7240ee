"""Drift of what a bundle predicted: rows of the prediction log compared with the bundle's own reference."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine

from petmood.core.bundle import Bundle
from petmood.monitoring.drift.accuracy import EstimatedAccuracy, estimate_accuracy
from petmood.monitoring.drift.bundle_reference import read_reference
from petmood.monitoring.drift.detect import DriftResult, detect_drift
from petmood.monitoring.measurements import Measurements
from petmood.monitoring.prediction_log.reader import read_window
from petmood.monitoring.prediction_log.rows import LoggedBundle
from petmood.monitoring.prediction_log.window import LoggedWindow

__all__ = ["DriftTester", "WindowResult", "known_bundle"]


@dataclass(frozen=True, slots=True, eq=False)
class WindowResult:
    """One window: its result, the times of its first and last row in microseconds since 1970, and its measurements.

    ``left_out`` is the number of rows without all measurements. ``accuracy`` is an estimate without labels. The times
    are None for a window without rows.
    """

    bundle: LoggedBundle
    result: DriftResult
    first_us: int | None
    last_us: int | None
    left_out: int
    rows: Measurements
    accuracy: EstimatedAccuracy | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result and what it is of, of types that JSON has."""
        return {
            "bundle": asdict(self.bundle),
            "first_us": self.first_us,
            "last_us": self.last_us,
            "left_out": self.left_out,
            "estimated_accuracy": asdict(self.accuracy) if self.accuracy else None,
            **self.result.to_json(),
        }


class DriftTester:
    """A verified bundle whose logged predictions are compared with its reference.

    Raises:
        BundleError: the bundle has no reference that this version can compare with.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.manifest = known_bundle(bundle), bundle.manifest
        self.reference = read_reference(bundle)

    @property
    def columns(self) -> int:
        """Columns of the bundle's embeddings."""
        return int(self.reference.embedding.shape[1])

    def test(self, logged: LoggedWindow) -> WindowResult:
        """Compare logged rows with the reference."""
        rows, places = logged.measured, logged.places
        first, last = (places[0].time_us, places[-1].time_us) if places else (None, None)
        result, accuracy = detect_drift(self.reference, rows), estimate_accuracy(self.reference, rows)
        return WindowResult(self.bundle, result, first, last, len(places) - len(rows), rows, accuracy)

    def window(self, engine: Engine, *, last: int | None = None, since_us: int | None = None) -> WindowResult:
        """Compare the last rows of the bundle, or those since a time in microseconds since 1970.

        Raises:
            LogUnavailable: the database can't be reached.
        """
        return self.test(read_window(engine, self.bundle, columns=self.columns, last=last, since_us=since_us))


def known_bundle(bundle: Bundle) -> LoggedBundle:
    """Return the bundle as the prediction log names it."""
    manifest = bundle.manifest
    return LoggedBundle(bundle.sha256, manifest.name, manifest.version, manifest.classes)

"""Window of the prediction log: rows of one bundle, with their measurements as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Row, func, true

from petmood.core.errors import ConfigError
from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.measurements import Measurements
from petmood.monitoring.prediction_log.rows import LoggedBundle, RowPlace
from petmood.monitoring.prediction_log.tables import PREDICTIONS

__all__ = ["ORDER", "WINDOW_COLUMNS", "LoggedWindow", "logged_window"]

ORDER: Final = (PREDICTIONS.c.time_us, PREDICTIONS.c.request_id, PREDICTIONS.c.position)
"""Order of the log: by time, and by key among rows of one microsecond."""
MEASURED: Final = ("embedding", "residual", *STATISTICS)
WINDOW_COLUMNS: Final = (
    *ORDER,
    *(PREDICTIONS.c[name] for name in (*MEASURED, "probabilities", "confident")),
    func.coalesce(PREDICTIONS.c.in_domain, true()).label("in_domain"),
)
"""What a window needs of the table; the first of them are those of ``ORDER``."""


@dataclass(frozen=True, slots=True, eq=False)
class LoggedWindow:
    """The places of all rows of a window, oldest first, and the measurements of some of them.

    Rows are left out of ``measured`` if they lack a measurement, since an earlier version logged them, or if a value is
    not finite. Of rows with equal measurements the first is kept: a photo that is sent again says nothing new, and the
    tests take rows for independent.
    """

    places: tuple[RowPlace, ...]
    measured: Measurements


def logged_window(bundle: LoggedBundle, rows: Sequence[Row[Any]], *, columns: int) -> LoggedWindow:
    """Return rows of ``WINDOW_COLUMNS`` as a window with embeddings of ``columns``.

    Raises:
        ConfigError: a row has another number of classes than the bundle.
    """
    if any(len(row.probabilities) != 4 * len(bundle.classes) for row in rows):
        raise ConfigError(
            f"The prediction log has rows of the bundle {bundle.name} {bundle.version} with another number of classes "
            f"than its {len(bundle.classes)}. Export the log, and begin a new one."
        )
    first: dict[tuple[Any, ...], Row[Any]] = {}
    for row in rows:
        measured = tuple(row[len(ORDER) : len(ORDER) + len(MEASURED)])
        if None not in measured and len(row.embedding) == 2 * columns:
            first.setdefault(measured, row)
    kept = [*first.values()]
    return LoggedWindow(tuple(RowPlace(*row[: len(ORDER)]) for row in rows), _measured(bundle, kept, columns=columns))


def _measured(bundle: LoggedBundle, rows: Sequence[Row[Any]], *, columns: int) -> Measurements:
    statistics = np.array([[getattr(row, name) for name in STATISTICS] for row in rows], np.float32)
    found: dict[str, Any] = {
        "statistics": statistics.reshape(-1, len(STATISTICS)),
        "embedding": np.frombuffer(b"".join(row.embedding for row in rows), "<f2").reshape(-1, columns),
        "residual": np.array([row.residual for row in rows], np.float32),
        "probabilities": np.frombuffer(b"".join(row.probabilities for row in rows), "<f4").reshape(
            -1, len(bundle.classes)
        ),
    }
    finite = np.all([np.isfinite(one).all(axis=tuple(range(1, one.ndim))) for one in found.values()], axis=0)
    if not finite.all():
        return _measured(bundle, [row for row, is_kept in zip(rows, finite, strict=True) if is_kept], columns=columns)
    return Measurements(
        classes=bundle.classes,
        **found,
        confident=np.array([row.confident for row in rows], np.bool_),
        in_domain=np.array([row.in_domain for row in rows], np.bool_),
        places=tuple(RowPlace(*row[: len(ORDER)]) for row in rows),
    )

"""Windows of the drift tests from rows of the prediction log."""

import numpy as np
from numpy.typing import NDArray

from petmood.monitoring.drift.window import DriftWindow
from petmood.monitoring.prediction_log.reader import LoggedWindow

__all__ = ["measured_rows"]

Flags = NDArray[np.bool_]
Floats = NDArray[np.float32]


def measured_rows(logged: LoggedWindow, *, columns: int) -> DriftWindow:
    """Return the rows that have all measurements, with embeddings of ``columns``; others are left out.

    Rows lack measurements where an earlier version logged them. Values that are not finite count as missing. Of rows
    with equal measurements the first is kept: a photo that is sent again says nothing new, and the tests take rows for
    independent.
    """
    embedding = np.zeros((len(logged), columns), np.float32)
    complete = np.zeros(len(logged), np.bool_)
    if logged.embedding is not None and logged.embedding.shape[1] == columns:
        embedding = logged.embedding.astype(np.float32)
        measured = (logged.statistics, embedding, logged.residual[:, None], logged.probabilities)
        complete = np.all([np.isfinite(values).all(axis=1) for values in measured], axis=0)
    complete = _first_of_equal(complete, logged.statistics, embedding)
    return DriftWindow(
        statistics=logged.statistics[complete],
        embedding=embedding[complete],
        residual=logged.residual[complete],
        probabilities=logged.probabilities[complete],
        confident=logged.confident[complete],
        in_domain=logged.in_domain[complete],
        request_ids=tuple(one for one, kept in zip(logged.request_ids, complete, strict=True) if kept),
    )


def _first_of_equal(complete: Flags, *measurements: Floats) -> Flags:
    """Return bool [N]: of the complete rows, the first of those with equal measurements."""
    rows = np.flatnonzero(complete)
    found = np.zeros_like(complete)
    if len(rows):
        values = np.concatenate([one[rows] for one in measurements], axis=1)
        found[rows[np.unique(values, axis=0, return_index=True)[1]]] = True
    return found

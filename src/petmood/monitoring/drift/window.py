"""Measurements of logged photos, in the order of time."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.monitoring.drift.reference import check_measured

__all__ = ["DriftWindow"]

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DriftWindow:
    """Measurements of N logged photos: the arrays of ``DriftReference`` and the id of each row's request.

    Raises:
        DataError: an array has another type or shape, or a value that is not finite.
    """

    statistics: Floats
    embedding: Floats
    residual: Floats
    probabilities: Floats
    confident: Flags
    in_domain: Flags
    request_ids: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check types and shapes."""
        check_measured(self, what="window")
        if len(self.request_ids) != len(self):
            raise DataError(f"Expected a request id for each of {len(self)} rows, got {len(self.request_ids)}.")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.statistics)

    def rows(self, chosen: slice | NDArray[np.int64]) -> "DriftWindow":
        """Return the rows of a slice, or with these numbers in their order."""
        numbers = np.arange(len(self))[chosen]
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        ids = arrays.pop("request_ids")
        kept = {name: array[numbers] for name, array in arrays.items()}
        return DriftWindow(**kept, request_ids=tuple(ids[number] for number in numbers))

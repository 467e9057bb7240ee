"""Measurements of photos that drift tests compare: those of a drift reference, or of logged predictions."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.core.image_statistics import STATISTICS
from petmood.monitoring.prediction_log.rows import RowPlace

__all__ = ["Measurements"]

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Measurements:
    """Measurements of N photos.

    ``statistics`` float32 [N, 4] are in the order of ``STATISTICS``. ``embedding`` float16 [N, D] and ``residual``
    float32 [N] are what ``Projection.project`` returns, the embedding rounded as the log has it. ``probabilities``
    float32 [N, K] are in the order of ``classes``; ``confident`` and ``in_domain`` are bool [N]. Without domain scores,
    all photos count as in the domain.

    A drift reference has photos that the network did not learn from. The tests ask whether reference and window could
    be random samples of one kind of photo, and embeddings of training photos differ from those of new photos. Its
    residuals come from a projection that was fitted to other photos (petmood.monitoring.projection). Photos of one
    group (several of one animal) are not independent: keep few of each. ``correct`` int8 [N] is 1 for a right
    prediction and 0 for a wrong one, -1 where that is not known. Logged photos have ``places`` in the log instead.

    Raises:
        DataError: an array has another type or shape, or a value that is not finite.
    """

    classes: tuple[str, ...]
    statistics: Floats
    embedding: NDArray[np.float16]
    residual: Floats
    probabilities: Floats
    confident: Flags
    in_domain: Flags
    correct: NDArray[np.int8] | None = None
    places: tuple[RowPlace, ...] = ()

    def __post_init__(self) -> None:
        """Check types, shapes and values."""
        rows = len(self)
        self._check("statistics", "float32", rows, len(STATISTICS))
        self._check("embedding", "float16", rows, None)
        self._check("residual", "float32", rows)
        self._check("probabilities", "float32", rows, len(self.classes))
        for name in ("confident", "in_domain"):
            self._check(name, "bool", rows)
        if self.correct is not None:
            self._check("correct", "int8", rows)
        if self.places and len(self.places) != rows:
            raise DataError(f"Expected a place in the log for each of {rows} photos, got {len(self.places)}.")

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.statistics)

    def rows(self, chosen: NDArray[np.int64]) -> "Measurements":
        """Return the photos with these numbers, in their order."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays = {name: value[chosen] for name, value in values.items() if isinstance(value, np.ndarray)}
        places = tuple(self.places[number] for number in chosen) if self.places else ()
        return Measurements(classes=self.classes, places=places, **arrays)

    def _check(self, name: str, dtype: str, *shape: int | None) -> None:
        found = getattr(self, name)
        fits = found.ndim == len(shape) and all(a in (b, None) for a, b in zip(shape, found.shape, strict=True))
        if found.dtype != np.dtype(dtype) or not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise DataError(f"Expected {name} to be {dtype} of shape ({wanted}), got {found.dtype} of {found.shape}.")
        if not np.isfinite(found).all():
            raise DataError(f"Expected finite {name}, got nan or infinity. Leave those photos out.")

"""Measurements of photos that drift is measured against.

The tests ask whether reference and window could be random samples of one kind of photo. So the reference holds photos
that the network did not learn from: its embeddings of training photos differ from those of new photos. The residuals
come from a projection that was fitted to other photos (petmood.monitoring.projection). Photos of one group (several of
one animal) are not independent: keep few of each.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.core.image_statistics import STATISTICS

__all__ = ["DriftReference", "Measured", "check_measured"]

FLAGS: Final = ("confident", "in_domain")

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


class Measured(Protocol):
    """What the tests need of photos, row by row; see ``DriftReference``."""

    @property
    def statistics(self) -> Floats:
        """Image statistics float32 [N, 4]."""
        ...

    @property
    def embedding(self) -> Floats:
        """Embeddings float32 [N, D]."""
        ...

    @property
    def residual(self) -> Floats:
        """Residual norms float32 [N]."""
        ...

    @property
    def probabilities(self) -> Floats:
        """Class probabilities float32 [N, K]."""
        ...

    @property
    def confident(self) -> Flags:
        """Confident predictions, bool [N]."""
        ...

    @property
    def in_domain(self) -> Flags:
        """Photos of the known domain, bool [N]."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DriftReference:
    """Measurements of N photos that the network did not learn from.

    ``statistics`` float32 [N, 4] are in the order of ``STATISTICS``. ``embedding`` float32 [N, D] and ``residual``
    float32 [N] are what ``Projection.project`` returns. ``probabilities`` float32 [N, K] are in the order of
    ``classes``; ``confident`` and ``in_domain`` are bool [N]. Without domain scores, all photos count as in the domain.
    ``correct`` int8 [N] is 1 for a right prediction and 0 for a wrong one, -1 where that is not known.

    Raises:
        DataError: an array has another type or shape, or a value that is not finite.
    """

    statistics: Floats
    embedding: Floats
    residual: Floats
    probabilities: Floats
    confident: Flags
    in_domain: Flags
    classes: tuple[str, ...]
    correct: NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        """Check types and shapes."""
        check_measured(self, what="drift reference")
        if self.probabilities.shape[1] != len(self.classes):
            raise DataError(
                f"Expected probabilities of {len(self.classes)} classes in the drift reference, "
                f"got {self.probabilities.shape[1]} columns."
            )
        if self.correct is not None and (self.correct.shape != self.residual.shape or self.correct.dtype != np.int8):
            raise DataError(f"Expected correct of the drift reference to be int8 of shape ({len(self)},).")

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.statistics)


def check_measured(some: Measured, *, what: str) -> None:
    """Raise DataError if an array has another type or number of rows, or a value that is not finite."""
    columns = {"statistics": len(STATISTICS), "embedding": None, "probabilities": None}
    for name in ("statistics", "embedding", "residual", "probabilities", "confident", "in_domain"):
        found = getattr(some, name)
        dtype = np.dtype(np.bool_ if name in FLAGS else np.float32)
        shape = (len(some.statistics), *((columns[name] or "any",) if name in columns else ()))
        fits = found.ndim == len(shape) and all(a in (b, "any") for a, b in zip(shape, found.shape, strict=True))
        if found.dtype != dtype or not fits:
            wanted = f"{dtype} of shape ({', '.join(map(str, shape))})"
            raise DataError(f"Expected {name} of the {what} to be {wanted}, got {found.dtype} of shape {found.shape}.")
        if name not in FLAGS and not np.isfinite(found).all():
            raise DataError(f"Expected finite {name} in the {what}, got nan or infinity. Leave those rows out.")

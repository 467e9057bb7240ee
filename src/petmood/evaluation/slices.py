"""Accuracy by slice: class, species, source and image size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from petmood.evaluation.bootstrap import Estimate, estimate_proportion
from petmood.evaluation.predictions import Predictions

__all__ = ["READABLE_FROM", "Slice", "size_bucket", "slice_metrics"]

READABLE_FROM = 10
_SIDES_PX = (128, 256, 512, 1024)


@dataclass(frozen=True, slots=True)
class Slice:
    """Accuracy on one slice of the photos; `readable` is False with fewer than ten photos."""

    kind: str
    name: str
    accuracy: Estimate
    readable: bool

    def to_json(self) -> dict[str, object]:
        """Return the fields by name."""
        return {
            "kind": self.kind,
            "name": self.name,
            "accuracy": self.accuracy.to_json(),
            "readable": self.readable,
        }


def slice_metrics(scored: Predictions) -> tuple[Slice, ...]:
    """Estimate accuracy by class, species, source and size; unknown species and sources are left out.

    Sources are listed if there are at least two; sizes are those of the shorter side of the original photo.
    """
    sizes = [size_bucket(int(side)) for side in scored.image_sizes.min(axis=1)] if len(scored) else []
    sources = scored.source if len(set(scored.source) - {""}) > 1 else ("",) * len(scored)
    columns: dict[str, Sequence[str]] = {
        "label": [scored.classes[label] for label in scored.labels],
        "species": scored.species,
        "source": sources,
        "size": sizes,
    }
    order = {"label": list(scored.classes), "size": [_bucket_name(at) for at in range(len(_SIDES_PX) + 1)]}
    found: list[Slice] = []
    for kind, values in columns.items():
        names = order.get(kind, sorted(set(values) - {""}))
        found.extend(_slice(scored, kind, name, values) for name in names if name in set(values))
    return tuple(found)


def size_bucket(side_px: int) -> str:
    """Return the name of the size bucket for a shorter side in pixels."""
    return _bucket_name(int(np.searchsorted(_SIDES_PX, side_px, side="right")))


def _bucket_name(at: int) -> str:
    if at == 0:
        return f"under {_SIDES_PX[0]} px"
    if at == len(_SIDES_PX):
        return f"{_SIDES_PX[-1]} px and more"
    return f"{_SIDES_PX[at - 1]} to {_SIDES_PX[at] - 1} px"


def _slice(scored: Predictions, kind: str, name: str, values: Sequence[str]) -> Slice:
    inside = np.array([value == name for value in values], dtype=bool)
    right = scored.predicted() == scored.labels
    accuracy = estimate_proportion(right[inside], scored.group_numbers()[inside])
    return Slice(kind, name, accuracy, readable=accuracy.n >= READABLE_FROM)

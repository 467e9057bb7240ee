"""Example photos of the report: for each cell of the confusion matrix, and the most confident errors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import PetmoodError
from petmood.evaluation.predictions import Predictions
from petmood.presentation.thumbnails import LARGE_PX, Thumbnails, jpeg_uri

__all__ = ["Cell", "MapOf", "PhotoExample", "confusion_cells", "most_confident_errors"]

MapOf = Callable[[str], NDArray[np.uint8] | None]

_PHOTOS_A_CELL = 24
_PHOTOS_IN_ALL = 400


@dataclass(frozen=True, slots=True)
class PhotoExample:
    """One photo of the report: thumbnail (None if missing), true class, predicted class and probabilities."""

    path: str
    uri: str | None
    truth: str
    answer: str
    probability: float
    probabilities: tuple[tuple[str, float], ...]
    map_uri: str | None = None
    """The photo as a heat map of its predicted class."""

    @property
    def alt(self) -> str:
        """Alternative text of the photo, for screen readers."""
        verdict = "correctly" if self.truth == self.answer else "wrongly"
        return f"{self.path}: {self.truth}, {verdict} predicted as {self.answer} with {self.probability:.0%}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the confusion matrix: count, share of the true class's photos (0 to 1), and example photos."""

    truth: str
    answer: str
    count: int
    share: float
    shown: tuple[PhotoExample, ...]


def confusion_cells(
    scored: Predictions, thumbnails: Thumbnails, *, temperature: float = 1.0
) -> tuple[tuple[Cell, ...], ...]:
    """Return the confusion matrix, one row per true class, with the most confident photos of every cell first.

    Cells with errors are rendered before correct ones, so that errors get thumbnails if the budget is short.
    """
    probabilities = scored.probabilities(temperature=temperature)
    answers = scored.predicted()
    kinds = range(len(scored.classes))
    made: dict[tuple[int, int], Cell] = {}
    for truth, answer in sorted(((t, a) for t in kinds for a in kinds), key=lambda pair: pair[0] == pair[1]):
        inside = np.flatnonzero((scored.labels == truth) & (answers == answer))
        of_truth = int((scored.labels == truth).sum())
        made[truth, answer] = Cell(
            truth=scored.classes[truth],
            answer=scored.classes[answer],
            count=len(inside),
            share=len(inside) / of_truth if of_truth else 0.0,
            shown=_show(scored, inside, probabilities, thumbnails, most=_cap(len(scored.classes))),
        )
    return tuple(tuple(made[truth, answer] for answer in kinds) for truth in kinds)


def most_confident_errors(
    scored: Predictions,
    thumbnails: Thumbnails,
    *,
    temperature: float = 1.0,
    most: int = 12,
    map_of: MapOf | None = None,
) -> tuple[PhotoExample, ...]:
    """Return the wrong predictions with the highest confidence, in descending order.

    ``map_of`` returns the heat map of a photo by its path, or None. A photo that can't be read has none either.
    """
    wrong = np.flatnonzero(scored.predicted() != scored.labels)
    found = _show(scored, wrong, scored.probabilities(temperature=temperature), thumbnails, most=most)
    if map_of is None:
        return found
    return tuple(replace(photo, map_uri=_map_uri(map_of, photo.path)) for photo in found)


def _map_uri(map_of: MapOf, path: str) -> str | None:
    try:
        drawn = map_of(path)
    except (PetmoodError, OSError):
        return None
    return None if drawn is None else jpeg_uri(drawn, side_px=LARGE_PX)


def _cap(classes: int) -> int:
    return max(4, min(_PHOTOS_A_CELL, _PHOTOS_IN_ALL // classes**2))


def _show(
    scored: Predictions,
    chosen: NDArray[np.intp],
    probabilities: NDArray[np.float64],
    thumbnails: Thumbnails,
    *,
    most: int,
) -> tuple[PhotoExample, ...]:
    surest = chosen[np.argsort(-probabilities[chosen].max(axis=1), kind="stable")] if len(chosen) else chosen
    return tuple(_one(scored, int(i), probabilities[i].tolist(), thumbnails) for i in surest[:most])


def _one(scored: Predictions, at: int, probabilities: Sequence[float], thumbnails: Thumbnails) -> PhotoExample:
    ranked = sorted(zip(scored.classes, probabilities, strict=True), key=lambda pair: -pair[1])
    return PhotoExample(
        path=scored.paths[at],
        uri=thumbnails.uri(scored.paths[at]),
        truth=scored.classes[int(scored.labels[at])],
        answer=ranked[0][0],
        probability=ranked[0][1],
        probabilities=tuple(ranked),
    )

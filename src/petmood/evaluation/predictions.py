"""Logits of one model for a set of photos, with labels, groups and origin; the input of every evaluation.

`Predictions` uses plain numpy arrays and is stored without pickle, so metrics can be recomputed without the network.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.errors import DataError
from petmood.core.files import atomic_write_bytes
from petmood.core.prediction import softmax
from petmood.data.classes import labels_of
from petmood.data.index import IndexRow

__all__ = ["Predictions", "from_rows"]

_TEXTS = ("groups", "paths", "classes", "species", "source")
_ARRAYS = ("logits", "labels", "image_sizes")
_MOST = 10_000_000
_MAX_BYTES = 4_000_000_000
_BOUNDS = {
    "logits": ArrayBounds("float64", (_MOST, 1000)),
    "labels": ArrayBounds("int64", (_MOST,)),
    "image_sizes": ArrayBounds("int64", (_MOST, 2)),
    **{name: ArrayBounds("U4096", (_MOST,)) for name in _TEXTS},
}


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Logits of N photos over K classes, with each photo's label and origin.

    `logits` is float [N, K]; `labels` int [N] in 0..K-1; `image_sizes` int [N, 2] the original width and height in
    pixels. `classes` has K entries, every other tuple N entries ("" where unknown).

    Raises:
        DataError: the lengths or shapes disagree, a label is out of range, or a logit is not finite.
    """

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]
    paths: tuple[str, ...]
    classes: tuple[str, ...]
    species: tuple[str, ...]
    image_sizes: NDArray[np.int64]
    source: tuple[str, ...]

    def __post_init__(self) -> None:
        """Convert arrays to their dtypes and validate the fields."""
        object.__setattr__(self, "logits", np.asarray(self.logits, dtype=np.float64))
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.int64))
        object.__setattr__(self, "image_sizes", np.asarray(self.image_sizes, dtype=np.int64).reshape(-1, 2))
        for name in _TEXTS:
            object.__setattr__(self, name, tuple(str(text) for text in getattr(self, name)))
        _check(self)

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.labels)

    def probabilities(self, *, temperature: float = 1.0) -> NDArray[np.float64]:
        """Return the probabilities [N, K] after dividing the logits by a temperature above 0."""
        return softmax(self.logits / temperature)

    def predicted(self) -> NDArray[np.int64]:
        """Return the most probable class [N]; the first one of ties."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    def group_numbers(self) -> NDArray[np.int64]:
        """Return the group of each photo as int [N]: groups are numbered 0..F-1 in the order of their names."""
        return np.asarray(np.unique(np.array(self.groups), return_inverse=True)[1], dtype=np.int64)

    def take(self, chosen: ArrayLike) -> Self:
        """Return the photos at the given indices (or under a mask), in that order."""
        wanted = np.asarray(chosen)
        where = np.arange(len(self))[wanted if wanted.size else wanted.astype(np.int64)]
        pick = {name: tuple(getattr(self, name)[i] for i in where) for name in _TEXTS if name != "classes"}
        return type(self)(
            logits=self.logits[where],
            labels=self.labels[where],
            image_sizes=self.image_sizes[where],
            classes=self.classes,
            **pick,
        )

    def save(self, path: Path) -> None:
        """Write all fields to one npz file, atomically and without pickle."""
        texts = {name: np.array(getattr(self, name), dtype=np.str_) for name in _TEXTS}
        buffer = io.BytesIO()
        arrays = {"logits": self.logits, "labels": self.labels, "image_sizes": self.image_sizes, **texts}
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        atomic_write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file written by `save`.

        Raises:
            DataError: the file can't be read or has another format.
        """
        try:
            stored = read_arrays(path, _BOUNDS, max_bytes=_MAX_BYTES)
        except DataError as error:
            message = f"Expected scores written by petmood (npz) at '{path}', got an unreadable file: {error}"
            raise DataError(f"{message} Evaluate the run again to write them again.") from error
        kept: dict[str, Any] = {name: tuple(stored[name].tolist()) for name in _TEXTS}
        kept.update({name: stored[name] for name in _ARRAYS})
        return cls(**kept)


def from_rows(
    logits: ArrayLike, rows: Sequence[IndexRow], *, classes: Sequence[str], source: str | Sequence[str] = ""
) -> Predictions:
    """Join logits [N, K] with the index rows of the same N photos.

    `source` is the origin of the photos: one text for all, or one per photo.

    Raises:
        DataError: a row has a class that is not in `classes`.
    """
    return Predictions(
        logits=np.asarray(logits, dtype=np.float64).reshape(len(rows), len(classes)),
        labels=labels_of(rows, classes=classes),
        groups=tuple(row.group_id for row in rows),
        paths=tuple(row.path for row in rows),
        classes=tuple(classes),
        species=tuple(row.species for row in rows),
        image_sizes=np.array([(row.width, row.height) for row in rows], dtype=np.int64),
        source=(source,) * len(rows) if isinstance(source, str) else tuple(source),
    )


def _check(scored: Predictions) -> None:
    photos, known = len(scored.labels), len(scored.classes)
    if scored.logits.shape != (photos, known):
        got = scored.logits.shape
        raise DataError(f"Expected logits of shape ({photos}, {known}) for these labels and classes, got {got}.")
    for name in ("groups", "paths", "species", "source", "image_sizes"):
        if len(getattr(scored, name)) != photos:
            got_entries = len(getattr(scored, name))
            raise DataError(f"Expected {photos} entries in '{name}', one a photo, got {got_entries}.")
    if photos and not (scored.labels.min() >= 0 and scored.labels.max() < known):
        worst = int(scored.labels.min()) if scored.labels.min() < 0 else int(scored.labels.max())
        raise DataError(f"Expected labels from 0 to {known - 1}, one for each class, got {worst}.")
    if not np.isfinite(scored.logits).all():
        first = scored.paths[int(np.flatnonzero(~np.isfinite(scored.logits).all(axis=1))[0])]
        raise DataError(
            f"Expected finite logits, got inf or nan for '{first}'. The training diverged; lower optimizer.lr."
        )

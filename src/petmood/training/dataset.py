"""Which photos does a run learn from, and which is it judged by? Rows of the index, opened as banks of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.core.image import ImageSpec
from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.image_cache import MEMORY_LIMIT_MB, ImageCache, open_image_cache
from petmood.data.index import DataIndex, IndexRow, read_index
from petmood.data.split import check_no_group_leaks

__all__ = ["PhotoSet", "evaluation_rows", "labels_of", "open_index", "open_photo_set", "training_rows"]


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Some photos: their rows, their pictures and the numbers of their classes, in one order."""

    rows: tuple[IndexRow, ...]
    cache: ImageCache
    labels: NDArray[np.int64]

    def take(self, numbers: Sequence[int] | NDArray[np.int64]) -> "PhotoSet":
        """Return some of the photos, in the order of their numbers."""
        chosen = [int(n) for n in numbers]
        rows = tuple(self.rows[n] for n in chosen)
        pixels = self.cache.pixels[chosen]
        return PhotoSet(rows, ImageCache(pixels, tuple(row.path for row in rows)), self.labels[chosen])


def open_index(folder: Path, *, expected_hash: str | None = None) -> DataIndex:
    """Read a data set's index and refuse one whose groups straddle splits, or that is not the expected version.

    Raises:
        DataError: no index, a leak, or another hash.
    """
    index = read_index(folder)
    if expected_hash is not None and index.hash != expected_hash:
        raise DataError(
            f"{folder} holds data version {index.hash[:12]}, expected {expected_hash[:12]}. "
            "Fetch that version, or train anew without data.hash."
        )
    check_no_group_leaks(index.rows)
    return index


def training_rows(rows: Sequence[IndexRow], *, include_copies: bool) -> list[IndexRow]:
    """Return the training split's originals, and its copies if they are kept."""
    roles = {"original", "near_duplicate"} if include_copies else {"original"}
    return [row for row in rows if row.split == "train" and row.role in roles]


def evaluation_rows(rows: Sequence[IndexRow], split: str) -> list[IndexRow]:
    """Return a split's originals: copies are never evaluated on."""
    return [row for row in rows if row.split == split and row.role == "original"]


def labels_of(rows: Sequence[IndexRow]) -> NDArray[np.int64]:
    """Return the number of each row's class, its place in ``DEFAULT_CLASSES``."""
    return np.array([DEFAULT_CLASSES.index(row.label) for row in rows], dtype=np.int64)


def open_photo_set(
    folder: Path,
    rows: Sequence[IndexRow],
    *,
    image: ImageSpec,
    memory_mb: float = MEMORY_LIMIT_MB,
    track: ProgressBar = no_progress,
) -> PhotoSet:
    """Decode some photos of a data set."""
    paths = [row.path for row in rows]
    bank = open_image_cache(folder, paths, image, limit_mb=memory_mb, track=track)
    return PhotoSet(tuple(rows), bank, labels_of(rows))

"""Selection of training and evaluation photos from a dataset index, with their images in a cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.core.image import ImageSpec
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.classes import labels_of
from petmood.data.image_cache import MEMORY_LIMIT_MB, ImageCache, open_image_cache
from petmood.data.index import DataIndex, IndexRow, Role, Split, read_index
from petmood.data.split import check_no_group_leaks

__all__ = ["PhotoSet", "evaluation_rows", "open_index", "open_photo_set", "training_rows"]


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos of a dataset: their index rows, cached images and class indices, in the same order.

    ``labels`` are indices into ``classes``.
    """

    rows: tuple[IndexRow, ...]
    cache: ImageCache
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def take(self, numbers: Sequence[int] | NDArray[np.int64]) -> "PhotoSet":
        """Return the photos with these indices, in the given order."""
        chosen = [int(n) for n in numbers]
        rows = tuple(self.rows[n] for n in chosen)
        pixels = self.cache.pixels[chosen]
        return PhotoSet(rows, ImageCache(pixels, tuple(row.path for row in rows)), self.labels[chosen], self.classes)


def open_index(folder: Path, *, expected_hash: str | None = None) -> DataIndex:
    """Read the index of a dataset and check it for group leakage and, if given, for the expected version.

    Raises:
        DataError: no index, group leakage across splits, or a different hash than ``expected_hash``.
    """
    index = read_index(folder)
    if expected_hash is not None and index.hash != expected_hash:
        raise DataError(
            f"Expected data version {expected_hash[:12]} in {folder}, got {index.hash[:12]}. "
            "Fetch the expected version, or start a new training without data.hash."
        )
    check_no_group_leaks(index.rows)
    return index


def training_rows(rows: Sequence[IndexRow], *, include_copies: bool) -> list[IndexRow]:
    """Return the originals of the training split, and its near-duplicates if ``include_copies`` is set."""
    roles = {Role.ORIGINAL, Role.NEAR_DUPLICATE} if include_copies else {Role.ORIGINAL}
    return [row for row in rows if row.split == Split.TRAIN and row.role in roles]


def evaluation_rows(rows: Sequence[IndexRow], split: Split) -> list[IndexRow]:
    """Return the originals of a split; near-duplicates are never evaluated on."""
    return [row for row in rows if row.split == split and row.role == Role.ORIGINAL]


def open_photo_set(
    folder: Path,
    rows: Sequence[IndexRow],
    *,
    classes: Sequence[str],
    image: ImageSpec,
    memory_mb: float = MEMORY_LIMIT_MB,
    progress: ProgressBar = no_progress,
) -> PhotoSet:
    """Decode photos of a dataset into an image cache; labels become indices into ``classes``."""
    labels = labels_of(rows, classes=classes)
    paths = [row.path for row in rows]
    cache = open_image_cache(folder, paths, image, limit_mb=memory_mb, progress=progress)
    return PhotoSet(tuple(rows), cache, labels, tuple(classes))

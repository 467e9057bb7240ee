"""Which photos does a run learn from, and which is it judged by? Rows of the index, opened as banks of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.configs.schema import Config
from petmood.core.errors import DataError
from petmood.core.image import ImageSpec
from petmood.core.moods import MOODS
from petmood.core.progress import Track, silent
from petmood.data.bank import PhotoBank, open_bank
from petmood.data.index import DataIndex, IndexRow, read_index
from petmood.data.split import refuse_straddling

__all__ = ["Material", "labels_of", "open_index", "open_material", "rows_to_judge", "rows_to_learn"]


@dataclass(frozen=True, slots=True)
class Material:
    """Some photos: their rows, their pictures and the numbers of their moods, in one order."""

    rows: tuple[IndexRow, ...]
    bank: PhotoBank
    labels: NDArray[np.int64]

    def take(self, numbers: Sequence[int] | NDArray[np.int64]) -> "Material":
        """Return some of the photos, in the order of their numbers."""
        chosen = [int(n) for n in numbers]
        rows = tuple(self.rows[n] for n in chosen)
        pixels = self.bank.pixels[chosen]
        return Material(rows, PhotoBank(pixels, tuple(row.path for row in rows)), self.labels[chosen])


def open_index(folder: Path, *, expected_hash: str | None = None) -> DataIndex:
    """Read a data set's index and refuse one whose families straddle splits, or that is not the expected version.

    Raises:
        DataError: no index, a leak, or another hash.
    """
    index = read_index(folder)
    if expected_hash is not None and index.hash != expected_hash:
        raise DataError(
            f"{folder} holds data version {index.hash[:12]}, expected {expected_hash[:12]}. "
            "Fetch that version, or train anew without data.hash."
        )
    refuse_straddling(index.rows)
    return index


def rows_to_learn(rows: Sequence[IndexRow], *, keep_copies: bool) -> list[IndexRow]:
    """Return the training split's originals, and its copies if they are kept."""
    roles = {"original", "copy"} if keep_copies else {"original"}
    return [row for row in rows if row.split == "train" and row.role in roles]


def rows_to_judge(rows: Sequence[IndexRow], split: str) -> list[IndexRow]:
    """Return a split's originals: copies are never evaluated on."""
    return [row for row in rows if row.split == split and row.role == "original"]


def labels_of(rows: Sequence[IndexRow]) -> NDArray[np.int64]:
    """Return the number of each row's mood, its place in ``MOODS``."""
    return np.array([MOODS.index(row.mood) for row in rows], dtype=np.int64)


def open_material(
    folder: Path, rows: Sequence[IndexRow], *, config: Config, image: ImageSpec, track: Track = silent
) -> Material:
    """Decode some photos of a data set."""
    paths = [row.path for row in rows]
    bank = open_bank(folder, paths, image, limit_mb=config.data.memory_mb, track=track)
    return Material(tuple(rows), bank, labels_of(rows))

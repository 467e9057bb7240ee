"""Choice of the search for near-duplicates: exhaustive for few photos, in two stages for many."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import MissingDependency
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.near_duplicates import Relations, find_near_duplicates
from petmood.data.duplicates.two_stages import EmbedPhoto, find_in_two_stages

__all__ = ["TWO_STAGES_FROM", "ChosenSearch", "SearchKind"]

TWO_STAGES_FROM: Final = 20_000
"""Photos from which the search is in two stages: the exhaustive one takes some 3 GB of memory for them."""
EXHAUSTIVE_BYTES: Final = 150_000
"""Memory of a photo in the exhaustive search (docs/growth.md)."""


class SearchKind(StrEnum):
    """How near-duplicates are searched."""

    AUTO = "auto"
    """In two stages from ``TWO_STAGES_FROM`` photos."""
    EXHAUSTIVE = "exhaustive"
    """By the keypoints of all photos, in memory; it finds crops and photos within photos best."""
    TWO_STAGES = "two-stages"
    """By embeddings first; ``ChosenSearch.embedder`` opens what makes them."""


class ChosenSearch:
    """A search for near-duplicates, called as ``find_near_duplicates`` is.

    ``folder`` is where temporary files are written. ``embedder`` opens what embeds photos, when it is needed.
    """

    def __init__(
        self, kind: SearchKind, *, folder: Path, embedder: Callable[[], AbstractContextManager[EmbedPhoto]]
    ) -> None:
        """Take the settings; nothing is opened before photos are searched."""
        self._kind, self._folder, self._embedder = kind, folder, embedder

    def __call__(
        self, photos: Iterable[NDArray[np.uint8]], *, total: int | None = None, progress: ProgressBar = no_progress
    ) -> Relations:
        """Return the relations of photos.

        Raises:
            DataError: an array that is not an RGB photo.
            MissingDependency: a package that embeds photos is not installed; no photo was read.
            OutputError: the temporary files can't be written.
        """
        has_many = total is not None and total >= TWO_STAGES_FROM
        if self._kind == SearchKind.EXHAUSTIVE or (self._kind == SearchKind.AUTO and not has_many):
            return find_near_duplicates(photos, total=total, progress=progress)
        try:
            opened = self._embedder()
        except MissingDependency as error:
            raise MissingDependency(_without_embedder(error, total or 0)) from error
        with opened as embed:
            return find_in_two_stages(photos, embed=embed, folder=self._folder, total=total, progress=progress)


def _without_embedder(error: MissingDependency, total: int) -> str:
    return (
        f"{error} The search for near-duplicates among {total:,} photos in two stages needs it. Or choose the "
        f"exhaustive search with --search exhaustive, which takes some {total * EXHAUSTIVE_BYTES / 1e9:.1f} GB of "
        "memory and more time."
    )

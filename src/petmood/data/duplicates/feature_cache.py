"""Features of a dataset's photos, computed once and kept beside the photos, or in the user's cache.

An import keeps those that it compared the photos by. The file is in the folder of generated files, so that it is part
of no data version. Photos are found in it by their SHA-256. A file of another ``feature_store.FORMAT`` or ``RECIPE`` is
not used.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.core.files import atomic_write_bytes
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.feature_store import compact, pack_features, unpack_features
from petmood.data.duplicates.near_duplicates import PhotoFeatures, describe_photo
from petmood.data.generated import CACHE_NAME, find_generated, generated_path
from petmood.data.index import DataIndex, IndexRow
from petmood.data.photo_info import read_photo_info
from petmood.data.threads import ordered_map, reproducible_libraries

__all__ = ["CACHED_FEATURES", "features_of", "keep_features"]

logger = logging.getLogger(__name__)

CACHED_FEATURES: Final = f"{CACHE_NAME}/duplicates.npz"


def features_of(
    folder: Path, index: DataIndex, rows: Sequence[IndexRow], *, threads: int = 2, progress: ProgressBar = no_progress
) -> dict[str, PhotoFeatures]:
    """Return the compact features of photos of a dataset, by SHA-256; only new ones are computed.

    Raises:
        DataError: a photo can't be decoded, or is not the one of the index.
    """
    cached = _cached(folder, index)
    lacking = list({row.sha256: row for row in rows if row.sha256 not in cached}.values())
    if lacking:
        with reproducible_libraries():
            described = ordered_map(lambda row: _describe(folder, row), lacking, threads=threads)
            found = list(progress(described, total=len(lacking), what="extracting keypoints"))
        cached |= {row.sha256: features for row, features in zip(lacking, found, strict=True)}
        keep_features(folder, cached, shown=folder)
    return {row.sha256: cached[row.sha256] for row in rows}


def keep_features(folder: Path, features: Mapping[str, PhotoFeatures], *, shown: Path) -> None:
    """Replace the cache of a dataset's folder by these features, by SHA-256; if that fails, a warning names ``shown``.

    Nothing is raised, since the next export or promotion computes the features again.
    """
    try:
        atomic_write_bytes(generated_path(folder, CACHED_FEATURES), pack_features(features))
    except OSError as error:
        logger.warning("The cache of %s can't be written: %s. It is computed again next time.", shown, error)


def _cached(folder: Path, index: DataIndex) -> dict[str, PhotoFeatures]:
    """Return the cached features of photos in the index; none if there is no cache, or one that can't be used."""
    if (path := find_generated(folder, CACHED_FEATURES)) is None:
        return {}
    try:
        found = unpack_features(path, at_most=len(index))
    except DataError:
        return {}
    names = {row.sha256 for row in index}
    return {name: features for name, features in (found or {}).items() if name in names}


def _describe(folder: Path, row: IndexRow) -> PhotoFeatures:
    return compact(describe_photo(_pixels(folder, row)))


def _pixels(folder: Path, row: IndexRow) -> NDArray[np.uint8]:
    facts, pixels = read_photo_info(folder / row.path)
    if pixels is None:
        raise DataError(f"'{row.path}' of {folder} can't be used: {facts.problem}. Fetch the dataset again.")
    if facts.sha256 != row.sha256:
        raise DataError(f"'{row.path}' of {folder} differs from the photo in the index. Fetch the dataset again.")
    return pixels

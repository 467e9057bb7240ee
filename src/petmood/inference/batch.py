"""Search for photos in folders, and streamed prediction in small batches."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import DataError
from petmood.core.photo import PHOTO_SUFFIXES
from petmood.inference.base import Answer, Predictor

__all__ = ["PhotoResult", "find_photos", "predict_stream"]

BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """A photo's path with its prediction or error."""

    photo: Path
    answer: Answer


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """Return the given files and the photos below the given folders, each folder sorted.

    Hidden files and folders are skipped, unless they are given themselves.

    Raises:
        DataError: a path doesn't exist, or no photo was found.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"No such photo or folder: {path}.")
        found.extend(_below(path) if path.is_dir() else [path])
    if not found:
        kinds = ", ".join(sorted(PHOTO_SUFFIXES))
        raise DataError(f"No photos below {', '.join(map(str, paths))}. Looked for {kinds}.")
    return found


def predict_stream(predictor: Predictor, photos: Iterable[Path]) -> Iterator[PhotoResult]:
    """Yield the results of photos in order, batch by batch; memory use is that of one batch."""
    photos = iter(photos)
    while batch := list(itertools.islice(photos, BATCH)):
        yield from map(PhotoResult, batch, predictor.predict(batch))


def _below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in PHOTO_SUFFIXES and not _is_hidden(p, folder))


def _is_hidden(photo: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in photo.relative_to(folder).parts) or photo.is_dir()

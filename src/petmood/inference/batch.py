"""How are many photos answered? As a stream: found, answered in small batches, handed on in order."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import DataError
from petmood.inference.base import Answer, Predictor

__all__ = ["SUFFIXES", "PhotoResult", "find_photos", "predict_stream"]

SUFFIXES: Final = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif", ".heic", ".heif"}
"""Which files of a folder are looked at; a file that is named by itself is looked at whatever its name."""

BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One photo and what came back for it."""

    photo: Path
    answer: Answer


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """Return the files that are named, and the photos below the folders that are named, each folder sorted.

    Hidden files and folders are passed over, unless they are named themselves.

    Raises:
        DataError: a path doesn't exist, or there is no photo at all.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"No such photo or folder: {path}.")
        found.extend(_below(path) if path.is_dir() else [path])
    if not found:
        kinds = ", ".join(sorted(SUFFIXES))
        raise DataError(f"No photos below {', '.join(map(str, paths))}. Looked for {kinds}.")
    return found


def predict_stream(predictor: Predictor, photos: Iterable[Path]) -> Iterator[PhotoResult]:
    """Answer photos batch by batch, in their order; memory stays that of one batch."""
    photos = iter(photos)
    while batch := list(itertools.islice(photos, BATCH)):
        yield from map(PhotoResult, batch, predictor.predict(batch))


def _below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not _is_hidden(p, folder))


def _is_hidden(photo: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in photo.relative_to(folder).parts) or photo.is_dir()

"""Corrections in a prediction log that are not in the data of the last registered version."""

from dataclasses import dataclass

from sqlalchemy import Engine

from petmood.core.bundle import DATA_NAME
from petmood.core.bundle_files import read_limited
from petmood.data.index import parse_index
from petmood.monitoring.feedback.export import LabeledPhoto, exportable
from petmood.monitoring.kept_photos import PhotoReader
from petmood.registry.base import Version
from petmood.registry.cache import cached
from petmood.registry.registry import Registry

__all__ = ["NewCorrections", "find_new_corrections"]


@dataclass(frozen=True, slots=True)
class NewCorrections:
    """Kept photos with a corrected or reviewed label that the version ``since`` was not made with; None: no version."""

    photos: tuple[LabeledPhoto, ...]
    since: Version | None


def find_new_corrections(engine: Engine, photos: PhotoReader, registry: Registry) -> NewCorrections:
    """Compare the corrections that can be exported with the index in the bundle of the last version, by SHA-256.

    A version counts whether it was promoted or not. With one that has no index, all corrections are new.

    Raises:
        DataError: the index in the bundle is damaged.
        LogUnavailable: the database can't be used.
        RegistryError: the version can't be fetched.
    """
    last = next(reversed(registry.versions()), None)
    known = set[str]() if last is None else _photos_of(registry, last)
    found = exportable(engine, photos)
    new = tuple(photo for photo in found.photos if photo.is_correction and photo.sha256 not in known)
    return NewCorrections(new, last)


def _photos_of(registry: Registry, version: Version) -> set[str]:
    """Return the SHA-256 of the photos in the data that a version was made with."""
    bundle = cached(registry, version)
    if DATA_NAME not in bundle.manifest.files:
        return set()
    index = parse_index(read_limited(bundle.folder / DATA_NAME), name=f"{DATA_NAME} of version {version.number}")
    return {row.sha256 for row in index}

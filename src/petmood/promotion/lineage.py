"""Lineage of a prediction: from its bundle's SHA-256 to the version and the hashes of the training photos."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from petmood.core.bundle import DATA_NAME, Bundle
from petmood.core.bundle_files import read_limited
from petmood.core.errors import DataError, RegistryError
from petmood.data.index import IndexRow, Role, parse_index
from petmood.registry.base import AliasChange, Version
from petmood.registry.cache import cached
from petmood.registry.registry import Registry

__all__ = ["Lineage", "find_lineage"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """Version, aliases, alias changes and photos behind a prediction."""

    version: Version
    aliases: tuple[str, ...]
    changes: tuple[AliasChange, ...]
    photos: tuple[IndexRow, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of photos used, by split."""
        return Counter(photo.split for photo in self.photos if photo.role != Role.EXCLUDED)


def find_lineage(registry: Registry, key: str) -> Lineage:
    """Trace a version by the SHA-256 in every prediction, by its number or by its alias.

    Raises:
        RegistryError: no such version, or its bundle has no valid index of its photos.
    """
    version = registry.find(key)
    bundle = cached(registry, version)
    state, history = registry.state(), registry.history()
    about = tuple(change for change in history if version.number in (change.to, change.before))
    return Lineage(version, state.of(version.number), about, _photos(bundle))


def _photos(bundle: Bundle) -> tuple[IndexRow, ...]:
    path, manifest = bundle.folder / DATA_NAME, bundle.manifest
    if DATA_NAME not in manifest.files:
        raise RegistryError(
            f"The bundle {manifest.name} {manifest.version} was exported before bundles held {DATA_NAME}. "
            "Export its run again, and push that."
        )
    data = read_limited(path)
    if hashlib.sha256(data).hexdigest() != manifest.data_hash:
        raise RegistryError(f"{path} is not the data version {manifest.data_hash[:12]} of the manifest.")
    try:
        return parse_index(data, name=str(path)).rows
    except DataError as error:
        raise RegistryError(str(error)) from error

"""A bundle loaded for the promotion checks, with the index and the features of the photos that its model saw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from petmood.core.bundle import DATA_NAME, DUPLICATES_NAME, Bundle
from petmood.core.bundle_files import read_limited
from petmood.core.errors import BundleError, DataError
from petmood.data.duplicates.feature_store import unpack_features
from petmood.data.duplicates.near_duplicates import PhotoFeatures
from petmood.data.index import DataIndex, parse_index
from petmood.inference.load import BundlePredictor, load_bundle

__all__ = ["LoadedBundle", "load_for_comparison"]


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A verified and loaded bundle, and what is known about the photos that its model saw.

    ``learned`` is the index of its data (None if the bundle has none). ``features`` are by SHA-256 (None if the bundle
    has none, or those of another version of petmood): near-duplicates of the photos are found by them.
    """

    predictor: BundlePredictor
    learned: DataIndex | None
    features: Mapping[str, PhotoFeatures] | None = field(default=None, repr=False)

    @property
    def bundle(self) -> Bundle:
        """The bundle's folder and manifest."""
        return self.predictor.bundle

    @property
    def title(self) -> str:
        """The bundle's name and version."""
        return f"{self.bundle.manifest.name} {self.bundle.manifest.version}"


def load_for_comparison(folder: Path) -> LoadedBundle:
    """Verify a bundle against its hashes and golden outputs, and read the index and the features in it.

    Raises:
        BundleError: the bundle is not valid, its index is not the one that the manifest names, or its features are
            damaged.
    """
    try:
        predictor = load_bundle(folder)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder} can't be read: {error}. Copy or export the bundle again.") from error
    manifest = predictor.bundle.manifest
    if DATA_NAME not in manifest.files:
        return LoadedBundle(predictor, None)
    try:
        learned = parse_index(read_limited(folder / DATA_NAME), name=DATA_NAME)
    except DataError as error:
        raise BundleError(f"{folder}: {DATA_NAME} can't be read. {error} Export the run again.") from error
    if learned.hash != manifest.data_hash:
        raise BundleError(f"{folder}: {DATA_NAME} is not the index that the manifest names. Export the run again.")
    if DUPLICATES_NAME not in manifest.files:
        return LoadedBundle(predictor, learned)
    try:
        features = unpack_features(folder / DUPLICATES_NAME, at_most=len(learned))
    except DataError as error:
        raise BundleError(str(error)) from error
    return LoadedBundle(predictor, learned, features)

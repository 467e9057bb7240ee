"""Tests of corrections that came since the last registered version."""

from pathlib import Path

import pytest

from petmood.core.bundle import DATA_NAME, write
from petmood.data.index import DataIndex, IndexRow, Role, Split, index_text
from petmood.monitoring.feedback.records import REVIEWER
from petmood.monitoring.kept_photos import KeptPhotos
from petmood.pipelines.new_corrections import find_new_corrections
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.bundles import demo_files, demo_manifest
from tests.support.logged import kept_feedback, sqlite


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return an empty registry."""
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    return open_registry(str(tmp_path / "registry"))


def register(registry: Registry, folder: Path, *, knowing: tuple[str, ...] = (), version: str = "1") -> None:
    """Register a bundle whose data has photos with these hashes."""
    sizes = {"width": 64, "height": 48, "format": "JPEG"}
    rows = [
        IndexRow(f"photos/{number}.jpg", sha256, "sad", Split.TRAIN, f"g{number}", Role.ORIGINAL, **sizes)  # type: ignore[arg-type] # by name
        for number, sha256 in enumerate(knowing)
    ]
    index = DataIndex(tuple(rows))
    files = {**demo_files(), DATA_NAME: index_text(index).encode()}
    registry.push(write(folder, demo_manifest(version=version, data_hash=index.hash), files).folder, by="me")


def new_ids(registry: Registry, folder: Path) -> tuple[list[str], int | None]:
    """Return the requests of the new corrections, and the number of the version since which they are new."""
    engine = sqlite(folder)
    found = find_new_corrections(engine, KeptPhotos(folder / "log.db.photos"), registry)
    engine.dispose()
    return [one.key.request_id for one in found.photos], None if found.since is None else found.since.number


def test_corrected_and_reviewed_photos_count_and_confirmed_ones_do_not(registry: Registry, tmp_path: Path) -> None:
    kept_feedback(
        tmp_path, {0: ("a" * 64, None), 1: ("a" * 64, "angry"), 2: (REVIEWER, "happy"), 3: (REVIEWER, "angry")}
    )
    assert new_ids(registry, tmp_path) == (["request-1", "request-2", "request-3"], None)


def test_a_photo_in_the_data_of_the_last_version_is_not_new(registry: Registry, tmp_path: Path) -> None:
    hashes = kept_feedback(tmp_path, dict.fromkeys(range(3), (REVIEWER, "angry")))
    register(registry, tmp_path / "first", knowing=(hashes[0],))
    assert new_ids(registry, tmp_path) == (["request-1", "request-2"], 1)
    register(registry, tmp_path / "second", knowing=tuple(hashes.values()), version="2")
    assert new_ids(registry, tmp_path) == ([], 2)


def test_a_version_without_an_index_knows_no_photo(registry: Registry, tmp_path: Path) -> None:
    kept_feedback(tmp_path, {0: (REVIEWER, "angry")})
    registry.push(write(tmp_path / "old", demo_manifest(), demo_files()).folder, by="me")
    assert new_ids(registry, tmp_path) == (["request-0"], 1)

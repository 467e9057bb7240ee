"""Tests of the features of a dataset's photos: computed once, and never those of another photo."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates import feature_cache
from petmood.data.duplicates.feature_cache import CACHED_FEATURES, features_of
from petmood.data.duplicates.feature_store import compact, unpack_features
from petmood.data.duplicates.near_duplicates import PhotoFeatures, describe_photo
from petmood.data.index import DataIndex, read_index
from petmood.data.photo_info import read_photo_info
from petmood.data.threads import reproducible_libraries
from tests.support.progress import RecordedProgress
from tests.support.read_only import deny_writes
from tests.support.small_sets import write_small_set


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_small_set(tmp_path / "data", train=4, valid=2, test=2)


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every photo that is described."""
    calls: list[int] = []

    def counted(pixels: object) -> PhotoFeatures:
        calls.append(1)
        return describe_photo(pixels)  # type: ignore[arg-type] # handed on as it came

    monkeypatch.setattr(feature_cache, "describe_photo", counted)
    return calls


def test_photos_are_described_once(data: Path, described: list[int]) -> None:
    index = read_index(data)
    first = features_of(data, index, index.rows[:5])
    assert len(described) == 5
    again = features_of(data, index, index.rows)
    assert len(described) == 8
    assert {name: again[name].digest for name in first} == {name: one.digest for name, one in first.items()}
    assert list(again) == [row.sha256 for row in index]
    pixels = read_photo_info(data / index.rows[0].path)[1]
    assert pixels is not None
    with reproducible_libraries():
        assert again[index.rows[0].sha256].digest == compact(describe_photo(pixels)).digest


def test_a_damaged_cache_is_computed_again(data: Path, described: list[int]) -> None:
    index = read_index(data)
    (data / CACHED_FEATURES).parent.mkdir()
    (data / CACHED_FEATURES).write_bytes(b"PK rubbish")
    assert len(features_of(data, index, index.rows)) == 8
    features_of(data, index, index.rows)
    assert len(described) == 8


def test_photos_that_left_the_dataset_leave_the_cache(data: Path, described: list[int]) -> None:
    index = read_index(data)
    features_of(data, index, index.rows)
    fewer = DataIndex(index.rows[:3])
    features_of(data, fewer, fewer.rows)
    assert len(described) == 11, "more photos than the index has rows: not this dataset's cache"


def test_the_photos_of_a_read_only_dataset_are_described_once_too(
    data: Path, tmp_path: Path, described: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "user"))
    deny_writes(monkeypatch, data)
    index = read_index(data)
    for _ in range(2):
        assert len(features_of(data, index, index.rows)) == 8
    assert len(described) == 8
    assert not (data / CACHED_FEATURES).exists()
    assert len(list((tmp_path / "user").rglob("duplicates.npz"))) == 1


def test_a_cache_that_can_not_be_written_is_a_warning(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(feature_cache, "atomic_write_bytes", refuse)
    index = read_index(data)
    assert len(features_of(data, index, index.rows)) == 8
    assert not (data / CACHED_FEATURES).exists()
    said = f"The cache of {data} can't be written: [Errno 30] Read-only file system. It is computed again next time."
    assert caplog.messages == [said]


def test_a_photo_that_is_not_the_one_of_the_index_is_refused(data: Path) -> None:
    index = read_index(data)
    other = replace(index.rows[0], sha256="a" * 64)
    said = f"'{other.path}' of {data} differs from the photo in the index. Fetch the dataset again."
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        features_of(data, DataIndex((other, *index.rows[1:])), [other])
    (data / index.rows[1].path).write_bytes(b"nothing")
    begin = re.escape(f"'{index.rows[1].path}' of {data} can't be used: ")
    said = rf"^{begin}.+ Fetch the dataset again\.$"
    with pytest.raises(DataError, match=said):
        features_of(data, index, [index.rows[1]])
    (data / index.rows[2].path).unlink()
    with pytest.raises(DataError, match="can't be used: expected a readable file"):
        features_of(data, index, [index.rows[2]])


def test_the_progress_of_new_photos_is_reported_with_their_number(data: Path) -> None:
    index, progress = read_index(data), RecordedProgress()
    found = features_of(data, index, [*index.rows[:3], index.rows[0]], progress=progress)
    assert list(found) == [row.sha256 for row in index.rows[:3]]
    features_of(data, index, index.rows[:5], progress=progress)
    features_of(data, index, index.rows[:5], progress=progress)
    assert progress.loops == [(3, "extracting keypoints"), (2, "extracting keypoints")]


def test_the_cache_holds_all_photos_that_were_described(data: Path) -> None:
    index = read_index(data)
    features_of(data, index, index.rows[:3], threads=1)
    features_of(data, index, index.rows[5:], threads=3)
    stored = unpack_features(data / CACHED_FEATURES, at_most=len(index))
    assert stored is not None
    names = sorted(row.sha256 for row in [*index.rows[:3], *index.rows[5:]])
    assert list(stored) == names
    again = features_of(data, index, index.rows[:3])
    assert [again[row.sha256].digest for row in index.rows[:3]] == [stored[row.sha256].digest for row in index.rows[:3]]

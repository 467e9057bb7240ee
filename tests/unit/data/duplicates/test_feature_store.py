"""Tests of the file of photo features: what comes back, what is stored, and what is rejected before it is read."""

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from petmood.core.errors import DataError
from petmood.data.duplicates import feature_store
from petmood.data.duplicates.feature_store import (
    DESCRIPTOR_STEP,
    PER_PHOTO,
    STORED_KEYPOINTS,
    compact,
    pack_features,
    unpack_features,
)
from petmood.data.duplicates.near_duplicates import PhotoFeatures, describe_photo, find_relations
from tests.support.images import photo_like

FLAT = np.full((50, 70, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def features() -> dict[str, PhotoFeatures]:
    """Return the features of five photos and of a flat picture without keypoints, by name."""
    photos = [photo_like(160, 120, seed=number) for number in range(5)]
    return {f"{number:064x}": describe_photo(pixels) for number, pixels in enumerate([*photos, FLAT])}


@pytest.fixture(scope="module")
def packed(features: dict[str, PhotoFeatures], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "duplicates.npz"
    path.write_bytes(pack_features(features))
    return path


def test_what_is_read_is_what_is_compact(packed: Path, features: dict[str, PhotoFeatures]) -> None:
    found = unpack_features(packed, at_most=6)
    assert found is not None
    assert list(found) == sorted(features)
    for name, one in found.items():
        expected = compact(features[name])
        np.testing.assert_array_equal(one.keypoints.positions, expected.keypoints.positions)
        np.testing.assert_array_equal(one.keypoints.descriptors, expected.keypoints.descriptors)
        np.testing.assert_array_equal(one.thumb, expected.thumb)
        frame = (one.keypoints.width, one.keypoints.height)
        assert frame == (expected.keypoints.width, expected.keypoints.height)
        assert one.digest == expected.digest
    assert len(found[f"{5:064x}"].keypoints.positions) == 0


def test_positions_are_off_by_a_sixteenth_of_a_pixel_and_descriptors_by_half_a_step(
    features: dict[str, PhotoFeatures],
) -> None:
    for one in features.values():
        rounded = compact(one)
        kept = slice(0, STORED_KEYPOINTS)
        positions, descriptors = one.keypoints.positions[kept], one.keypoints.descriptors[kept]
        assert np.abs(rounded.keypoints.positions - positions).max(initial=0) <= 1 / 16
        steps = np.abs(rounded.keypoints.descriptors.astype(int) - descriptors)
        assert steps[descriptors < 248].max(initial=0) <= DESCRIPTOR_STEP // 2
        assert compact(rounded).digest == rounded.digest
        assert len(rounded.keypoints.positions) == min(len(one.keypoints.positions), STORED_KEYPOINTS)


def test_stored_features_find_the_same_photo_reduced(packed: Path) -> None:
    found = unpack_features(packed, at_most=6)
    assert found is not None
    smaller = compact(describe_photo(photo_like(160, 120, seed=3)[::2, ::2]))
    relations = find_relations([*found.values(), smaller])
    assert [(one.first, one.second) for one in relations] == [(3, 6)]


def test_every_field_of_the_features_is_stored() -> None:
    """A new field belongs in PER_PHOTO, or stored features lack it."""
    assert {field.name for field in fields(PhotoFeatures)} == {"keypoints", "digest", *PER_PHOTO}


def test_equal_features_are_equal_bytes(features: dict[str, PhotoFeatures]) -> None:
    backwards = dict(reversed(features.items()))
    assert pack_features(features) == pack_features(backwards)


def test_a_photo_takes_at_most_20_kb() -> None:
    photos = {f"{number:064x}": describe_photo(photo_like(320, 240, seed=number)) for number in range(12)}
    assert min(len(one.keypoints.positions) for one in photos.values()) >= 240
    assert len(pack_features(photos)) / len(photos) <= 20_000


def test_no_photo_is_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "none.npz").write_bytes(pack_features({}))
    assert unpack_features(tmp_path / "none.npz", at_most=0) == {}


@pytest.mark.parametrize("setting", ["FORMAT", "RECIPE"])
def test_features_of_another_version_are_not_compared(
    packed: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_store, setting, getattr(feature_store, setting) + 1)
    assert unpack_features(packed, at_most=6) is None


def test_more_photos_than_expected_are_refused_before_they_are_read(packed: Path) -> None:
    with pytest.raises(DataError, match=r"expected .* of at most \(5,.* got .* of \(6,"):
        unpack_features(packed, at_most=5)


def rewritten(packed: Path, to: Path, name: str, member: bytes) -> Path:
    """Copy the file with another content of one array."""
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.namelist():
            new.writestr(one, member if one == f"{name}.npy" else old.read(one))
    return to


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def header(shape: tuple[int, ...], dtype: str) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "member", "said"),
    [
        (
            "thumb",
            lambda: header((6, 640, 640), "|u1"),
            r"expected 'thumb' to be uint8 of at most \(6, 64, 64\), got uint8 of \(6, 640",
        ),
        ("thumb", lambda: header((6, 64, 64), "<f8"), "expected 'thumb' to be uint8"),
        ("thumb", lambda: header((6, 64, 64), "|u1"), "expected 'thumb' to have 24,704 bytes by its header, got 128"),
        ("counts", lambda: npy(np.full(6, 10**12)), "expected 0 to 250 keypoints per photo"),
        ("counts", lambda: npy(np.full(6, -1)), "expected 0 to 250 keypoints per photo"),
        ("counts", lambda: npy(np.array(6)), r"expected 'counts' to be int64 of at most \(6,\), got int64 of \(\)"),
        ("descriptors", lambda: npy(np.array([{"a": 1}], dtype=object)), "expected 'descriptors' to be uint8"),
        ("frames", lambda: npy(np.zeros((6, 2), np.float32)), "expected frames of 1 to 224 pixels"),
        (
            "frames",
            lambda: npy(np.asfortranarray(np.ones((5, 2), np.float32))),
            r"expected frames of \(6, 2\), got \(5, 2",
        ),
        ("thumb", lambda: npy(np.ones((6, 64, 63), np.uint8)), r"expected thumb of \(6, 64, 64\), got \(6, 64, 63\)"),
        ("sha256", lambda: b"\x93NUMPY\x02\x00", "expected arrays in version 1.0 of the npy format"),
        ("format", lambda: b"", "damaged"),
    ],
)
def test_arrays_of_another_kind_are_refused(
    packed: Path, tmp_path: Path, name: str, member: Callable[[], bytes], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        unpack_features(rewritten(packed, tmp_path / "other.npz", name, member()), at_most=6)


def test_a_small_file_that_unpacks_to_a_large_one_takes_no_memory(packed: Path, tmp_path: Path) -> None:
    bomb = rewritten(packed, tmp_path / "bomb.npz", "thumb", header((6, 64, 64), "|u1") + bytes(300_000_000))
    assert bomb.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError, match=r"to have 24,704 bytes by its header, got 300,000,128\. Export the run again"
        ):
            unpack_features(bomb, at_most=6)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("content", [b"", b"PK", b"not an archive at all" * 100])
def test_a_file_that_is_no_archive_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.npz is damaged: .*Export the run again\.$"):
        unpack_features(tmp_path / "broken.npz", at_most=6)

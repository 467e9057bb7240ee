"""Tests of the file of photo features: what comes back, what is stored, and what is rejected before it is read."""

import io
import re
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
from petmood.data.duplicates.keypoints import Keypoints
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
        (
            "counts",
            lambda: npy(np.full(6, 10**12)),
            "is damaged: expected 0 to 250 keypoints per photo, got 1000000000000 to 1000000000000. Export",
        ),
        (
            "counts",
            lambda: npy(np.full(6, -1)),
            "is damaged: expected 0 to 250 keypoints per photo, got -1 to -1. Export",
        ),
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


FIELDS = ("format", "recipe", "sha256", "counts", "frames", "thumb", "edges", "positions", "descriptors")


def stored_arrays(*, counts: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of photos with these numbers of keypoints, all at (1, 2) and with descriptors of 240."""
    photos, rows = len(counts), sum(counts)
    return {
        "format": np.array(2, np.int64),
        "recipe": np.array([224, 400, 250, 200, 512, 64, 16], np.int64),
        "sha256": np.arange(32 * photos, dtype=np.uint8).reshape(photos, 32),
        "counts": np.array(counts, np.int64),
        "frames": np.full((photos, 2), (224.0, 1.0), np.float32),
        "thumb": np.full((photos, 64, 64), 7, np.uint8),
        "edges": np.full((photos, 64, 64), 9, np.uint8),
        "positions": np.full((rows, 4), (1.0, 2.0, 3.0, 0.5), np.float16),
        "descriptors": np.full((rows, 128), 15, np.uint8),
    }


def saved(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return path


def test_the_file_holds_these_arrays_in_this_order_and_nothing_of_the_time(
    packed: Path, features: dict[str, PhotoFeatures]
) -> None:
    rows = sum(min(250, len(one.keypoints.positions)) for one in features.values())
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == [f"{name}.npy" for name in FIELDS]
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    with np.load(packed) as arrays:
        assert {name: (arrays[name].dtype.name, arrays[name].shape) for name in FIELDS} == {
            "format": ("int64", ()),
            "recipe": ("int64", (7,)),
            "sha256": ("uint8", (6, 32)),
            "counts": ("int64", (6,)),
            "frames": ("float32", (6, 2)),
            "thumb": ("uint8", (6, 64, 64)),
            "edges": ("uint8", (6, 64, 64)),
            "positions": ("float16", (rows, 4)),
            "descriptors": ("uint8", (rows, 128)),
        }
        assert int(arrays["format"]) == 2
        assert arrays["recipe"].tolist() == [224, 400, 250, 200, 512, 64, 16]
        assert arrays["sha256"][:, -1].tolist() == [0, 1, 2, 3, 4, 5]
        assert arrays["frames"].tolist() == [[224.0, 168.0]] * 5 + [[224.0, 160.0]]
        assert 1 <= arrays["descriptors"].max() <= 15


@pytest.mark.parametrize("counts", [(3, 1), (2, 2), (0, 0), (250,), (0, 250), ()])
def test_every_photo_gets_its_own_keypoints(tmp_path: Path, counts: tuple[int, ...]) -> None:
    arrays = stored_arrays(counts=counts)
    arrays["positions"][:, 0] = np.arange(sum(counts))
    found = unpack_features(saved(tmp_path / "own.npz", arrays), at_most=len(counts))
    assert found is not None
    assert list(found) == [bytes(range(32 * number, 32 * number + 32)).hex() for number in range(len(counts))]
    begin = 0
    for one, count in zip(found.values(), counts, strict=True):
        points = one.keypoints
        assert points.positions.tolist() == [[float(begin + row), 2.0, 3.0, 0.5] for row in range(count)]
        assert points.positions.dtype == np.float32
        assert points.descriptors.dtype == np.uint8
        assert points.descriptors.tolist() == [[240] * 128] * count
        assert (points.width, points.height) == (224.0, 1.0)
        assert (one.thumb == 7).all()
        assert (one.edges == 9).all()
        assert one.digest == points.digest() + one.thumb.tobytes()
        begin += count


def test_descriptors_are_rounded_to_the_nearest_of_16_steps_and_positions_to_half_precision() -> None:
    levels = [0, 7, 8, 23, 24, 247, 248, 255]
    descriptors = np.array([levels * 16], np.uint8)
    # Between 64 and 128 a half has steps of 1/16.
    points = Keypoints(np.array([[100.03, 100.04, 3.0, 0.5]], np.float32), descriptors, 224.0, 100.0)
    thumb = np.full((64, 64), 3, np.uint8)
    found = compact(PhotoFeatures(points, thumb, b"", thumb))
    assert found.keypoints.descriptors.tolist() == [[0, 0, 16, 16, 32, 240, 240, 240] * 16]
    assert found.keypoints.positions.tolist() == [[100.0, 100.0625, 3.0, 0.5]]
    assert found.keypoints.positions.dtype == np.float32
    assert (found.keypoints.width, found.keypoints.height) == (224.0, 100.0)
    assert found.digest == found.keypoints.digest() + thumb.tobytes()


def changed(name: str, place: int | tuple[int, int], value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name][place] = value

    return change


def without_last(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = arrays[name][:-1]

    return change


KEYPOINTS_WRONG = "expected finite positions, and descriptors of at most 15"
FRAMES_WRONG = "expected frames of 1 to 224 pixels"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (changed("counts", 0, 251), "expected 0 to 250 keypoints per photo, got 1 to 251"),
        (changed("counts", 1, -1), "expected 0 to 250 keypoints per photo, got -1 to 3"),
        (changed("counts", 0, 2), "expected positions of (3, 4), got (4, 4)"),
        (without_last("sha256"), "expected sha256 of (2, 32), got (1, 32)"),
        (without_last("frames"), "expected frames of (2, 2), got (1, 2)"),
        (without_last("edges"), "expected edges of (2, 64, 64), got (1, 64, 64)"),
        (without_last("counts"), "expected sha256 of (1, 32), got (2, 32)"),
        (without_last("positions"), "expected positions of (4, 4), got (3, 4)"),
        (without_last("descriptors"), "expected descriptors of (4, 128), got (3, 128)"),
        (changed("descriptors", (3, 127), 16), KEYPOINTS_WRONG),
        (changed("positions", (0, 0), np.nan), KEYPOINTS_WRONG),
        (changed("positions", (3, 3), np.inf), KEYPOINTS_WRONG),
        (changed("frames", (1, 0), 0.99), FRAMES_WRONG),
        (changed("frames", (0, 1), 224.1), FRAMES_WRONG),
        (changed("frames", (0, 0), np.nan), FRAMES_WRONG),
    ],
)
def test_arrays_that_contradict_one_another_are_refused_with_the_reason(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], problem: str
) -> None:
    arrays = stored_arrays(counts=(3, 1))
    change(arrays)
    path = saved(tmp_path / "wrong.npz", arrays)
    with pytest.raises(DataError, match=f"^{re.escape(f'{path} is damaged: {problem}. Export the run again.')}$"):
        unpack_features(path, at_most=3)


def test_a_file_is_at_most_a_megabyte_larger_than_its_photos(tmp_path: Path) -> None:
    """A photo has 32 + 8 + 8 bytes of names and frames, 2 x 4,096 of thumbnails, and 250 keypoints of 8 + 128."""
    path = tmp_path / "large.npz"
    path.write_bytes(bytes(1_043_241))
    said = f"{path}: expected a file of at most 1,043,240 bytes, got 1,043,241. Export the run again."
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        unpack_features(path, at_most=1)
    path.write_bytes(bytes(1_043_240))
    said = f"{path} is damaged: expected an npz file, a zip archive with a small directory. Export the run again."
    with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
        unpack_features(path, at_most=1)


@pytest.mark.parametrize(("more", "is_refused"), [(1_000_000, False), (1_042_500, True)])
def test_what_else_is_in_the_file_counts(tmp_path: Path, more: int, *, is_refused: bool) -> None:
    path = saved(tmp_path / "more.npz", stored_arrays(counts=(1,)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more", bytes(more - path.stat().st_size))
    size = path.stat().st_size
    if is_refused:
        assert 1_042_240 <= size <= 1_043_240
        said = f"{path}: expected a file of at most 1,042,240 bytes, got {size:,}. Export the run again."
        with pytest.raises(DataError, match=f"^{re.escape(said)}$"):
            unpack_features(path, at_most=1)
    else:
        assert unpack_features(path, at_most=1) is not None

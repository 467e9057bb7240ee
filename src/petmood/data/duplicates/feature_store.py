"""Features of photos as a compressed npz file: what near-duplicates are found by without the photos.

A photo is named by its SHA-256. Descriptors are stored in steps of ``DESCRIPTOR_STEP``; what was measured is in
docs/decisions/bundle.md. Types and shapes are read from the headers of the arrays and checked before any data is read,
and no pickle is loaded.
"""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.errors import DataError
from petmood.data.duplicates.correlation import THUMB_PX
from petmood.data.duplicates.keypoints import CONTRAST, DESCRIPTOR_BINS, FRAME_PX, KEYPOINTS, UNIT, Keypoints
from petmood.data.duplicates.near_duplicates import PhotoFeatures

__all__ = ["DESCRIPTOR_STEP", "FORMAT", "PER_PHOTO", "compact", "pack_features", "unpack_features"]

FORMAT: Final = 2
"""Version of the file. Raise it if the arrays change, or if the same photo gets other features than before."""
DESCRIPTOR_STEP: Final = 16
"""Descriptors are rounded to multiples of this, which makes the file half as large."""
STORED_KEYPOINTS: Final = 250
"""Strongest keypoints of a photo that are stored: all of them would take 26 kB."""
RECIPE: Final = np.array(
    [FRAME_PX, KEYPOINTS, STORED_KEYPOINTS, round(1e4 * CONTRAST), round(UNIT), THUMB_PX, DESCRIPTOR_STEP], np.int64
)
"""The settings that features depend on. Features made with other settings can't be compared."""

RECIPE_BYTES: Final = 1_000
VERSION_BOUNDS: Final = {"format": ArrayBounds("int64", ()), "recipe": ArrayBounds("int64", (100,))}

Arrays = dict[str, NDArray[Any]]
Fields = Mapping[str, tuple[type[np.generic], tuple[int, ...]]]

PER_PHOTO: Final[Fields] = {"thumb": (np.uint8, (THUMB_PX, THUMB_PX)), "edges": (np.uint8, (THUMB_PX, THUMB_PX))}
"""Fields of ``PhotoFeatures`` that are an array of fixed shape: type and shape. A further field is a line here."""
PER_KEYPOINT: Final[Fields] = {"positions": (np.float16, (4,)), "descriptors": (np.uint8, (DESCRIPTOR_BINS,))}
"""Fields of ``Keypoints`` that have a row of fixed shape for every keypoint."""
NAMES_AND_FRAMES: Final[Fields] = {"sha256": (np.uint8, (32,)), "counts": (np.int64, ()), "frames": (np.float32, (2,))}


def compact(features: PhotoFeatures) -> PhotoFeatures:
    """Return features in the precision of the file; stored features are compared with compact ones alone."""
    points, most = features.keypoints, 255 // DESCRIPTOR_STEP
    strongest = points.descriptors[:STORED_KEYPOINTS].astype(np.int16)
    steps = np.minimum((strongest + DESCRIPTOR_STEP // 2) // DESCRIPTOR_STEP, most)
    rounded = Keypoints(
        points.positions[:STORED_KEYPOINTS].astype(np.float16).astype(np.float32),
        (steps * DESCRIPTOR_STEP).astype(np.uint8),
        points.width,
        points.height,
    )
    return replace(features, keypoints=rounded, digest=rounded.digest() + features.thumb.tobytes())


def pack_features(features: Mapping[str, PhotoFeatures]) -> bytes:
    """Return features by the photo's hex SHA-256 as the bytes of an npz file; equal features give equal bytes."""
    names = sorted(features)
    photos = [compact(features[name]) for name in names]
    points = [one.keypoints for one in photos]
    arrays: Arrays = {
        "format": np.array(FORMAT, np.int64),
        "recipe": RECIPE,
        "sha256": _stacked(
            [np.frombuffer(bytes.fromhex(name), np.uint8) for name in names], NAMES_AND_FRAMES["sha256"]
        ),
        "counts": np.array([len(one.positions) for one in points], np.int64),
        "frames": _stacked([np.array([one.width, one.height]) for one in points], NAMES_AND_FRAMES["frames"]),
    }
    arrays |= {name: _stacked([getattr(one, name) for one in photos], kind) for name, kind in PER_PHOTO.items()}
    for name, (dtype, shape) in PER_KEYPOINT.items():
        arrays[name] = np.concatenate(
            [np.zeros((0, *shape), dtype), *(getattr(one, name) for one in points)], dtype=dtype, casting="same_kind"
        )
    arrays["descriptors"] //= np.uint8(DESCRIPTOR_STEP)
    return _npz(arrays)


def unpack_features(path: Path, *, at_most: int) -> dict[str, PhotoFeatures] | None:
    """Read the features of at most this many photos, by hex SHA-256; None if another version of petmood wrote them.

    Raises:
        DataError: the file is damaged, or holds more photos than expected.
    """
    rows = at_most * STORED_KEYPOINTS
    bounds = {name: _bounds(at_most, kind) for name, kind in {**NAMES_AND_FRAMES, **PER_PHOTO}.items()}
    bounds |= {name: _bounds(rows, kind) for name, kind in PER_KEYPOINT.items()}
    most = sum(math.prod(one.max_shape) * np.dtype(one.dtype).itemsize for one in bounds.values())
    try:
        head = read_arrays(path, VERSION_BOUNDS, max_bytes=most + RECIPE_BYTES)
        if int(head["format"]) != FORMAT or not np.array_equal(head["recipe"], RECIPE):
            return None
        arrays = read_arrays(path, bounds, max_bytes=most)
    except DataError as error:
        raise DataError(f"{error} Export the run again.") from error
    if problem := _problem(arrays):
        raise DataError(f"{path} is damaged: {problem}. Export the run again.")
    ends = np.cumsum(arrays["counts"])
    return {
        name.tobytes().hex(): _features(arrays, number, slice(int(end - count), int(end)))
        for number, (name, count, end) in enumerate(zip(arrays["sha256"], arrays["counts"], ends, strict=True))
    }


def _features(arrays: Arrays, number: int, rows: slice) -> PhotoFeatures:
    width, height = arrays["frames"][number].tolist()
    descriptors = arrays["descriptors"][rows] * np.uint8(DESCRIPTOR_STEP)
    points = Keypoints(arrays["positions"][rows].astype(np.float32), descriptors, width, height)
    further = {name: arrays[name][number] for name in PER_PHOTO}
    return PhotoFeatures(points, **further, digest=points.digest() + further["thumb"].tobytes())


def _stacked(rows: Sequence[NDArray[Any]], kind: tuple[type[np.generic], tuple[int, ...]]) -> NDArray[Any]:
    dtype, shape = kind
    return np.asarray(rows, dtype).reshape(len(rows), *shape)


def _npz(arrays: Arrays) -> bytes:
    """Return arrays as a compressed npz file without times, so that its hash depends on the arrays alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _bounds(rows: int, kind: tuple[type[np.generic], tuple[int, ...]]) -> ArrayBounds:
    dtype, shape = kind
    return ArrayBounds(np.dtype(dtype).name, (rows, *shape))


def _problem(arrays: Arrays) -> str:
    """Return what is inconsistent in arrays that are each within their bounds; empty if nothing is."""
    counts = arrays["counts"]
    if len(counts) and not 0 <= counts.min() <= counts.max() <= STORED_KEYPOINTS:
        return f"expected 0 to {STORED_KEYPOINTS} keypoints per photo, got {counts.min()} to {counts.max()}"
    for fields, rows in ((NAMES_AND_FRAMES, len(counts)), (PER_PHOTO, len(counts)), (PER_KEYPOINT, int(counts.sum()))):
        for name, (_, shape) in fields.items():
            if arrays[name].shape != (rows, *shape):
                return f"expected {name} of {(rows, *shape)}, got {arrays[name].shape}"
    if arrays["descriptors"].max(initial=0) > 255 // DESCRIPTOR_STEP or not np.isfinite(arrays["positions"]).all():
        return f"expected finite positions, and descriptors of at most {255 // DESCRIPTOR_STEP}"
    if not ((arrays["frames"] >= 1) & (arrays["frames"] <= FRAME_PX)).all():
        return f"expected frames of 1 to {FRAME_PX} pixels"
    return ""

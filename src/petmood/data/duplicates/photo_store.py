"""Features and embeddings of many photos in temporary files; in memory a photo takes some 50 bytes.

The files have no name, so that nothing is left of them after a kill.
"""

import shutil
import tempfile
from array import array
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Final, Self, overload

import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import OutputError
from petmood.data.duplicates.comparison import PhotoFeatures
from petmood.data.duplicates.correlation import THUMB_PX
from petmood.data.duplicates.keypoints import DESCRIPTOR_BINS, KEYPOINTS, Keypoints

__all__ = ["PhotoStore", "PhotosByNumber"]

DIGEST_BYTES: Final = 16
_THUMB: Final = THUMB_PX * THUMB_PX
_POSITION: Final = 16
_KEYPOINT: Final = _POSITION + DESCRIPTOR_BINS
MOST_BYTES: Final = KEYPOINTS * _KEYPOINT + 2 * _THUMB
"""Bytes of the features of a photo at most."""

Floats = NDArray[np.float32]


class PhotoStore:
    """Photos by number, in the order in which they were added; reading is safe from several threads.

    Raises:
        OutputError: the folder can't be written, or is full.
    """

    def __init__(self, *, folder: Path, width: int, expected: int = 0) -> None:
        """Open files in ``folder`` for embeddings float [2, ``width``]; ``expected`` photos must find room there."""
        needed = expected * (MOST_BYTES + 4 * width)
        self._folder, self._width, self._lock = folder, width, Lock()
        try:
            free = shutil.disk_usage(folder).free
            if free < needed:
                raise OutputError(
                    f"The search of near-duplicates among {expected:,} photos needs {needed / 1e9:.1f} GB for its "
                    f"temporary files in '{folder}', which has {free / 1e9:.1f} GB free. Make room, or choose a folder "
                    "on another disk with --output."
                )
            with ExitStack() as opened:
                self._features = opened.enter_context(tempfile.TemporaryFile(dir=folder))
                self._embeddings = opened.enter_context(tempfile.TemporaryFile(dir=folder))
                self._opened = opened.pop_all()
        except OSError as error:
            raise self._unwritable(error) from error
        self._starts, self._counts, self._frames = array("q", [0]), array("H"), array("f")
        self._digests, self._embedding_hashes = bytearray(), array("Q")

    def __enter__(self) -> Self:
        """Return the store; its files are removed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the files."""
        with suppress(OSError):  # of what is still in a buffer on a full disk, and thrown away anyway
            self._opened.close()

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self._counts)

    def add(self, features: PhotoFeatures, embeddings: Floats) -> None:
        """Append a photo with the embeddings [2, width] of itself and of its mirror image; kept as float16."""
        points = features.keypoints
        parts = (points.positions, points.descriptors, features.thumb, features.edges)
        record, vectors = b"".join(part.tobytes() for part in parts), embeddings.astype(np.float16).tobytes()
        try:
            self._features.write(record)
            self._embeddings.write(vectors)
        except OSError as error:
            raise self._unwritable(error) from error
        self._starts.append(self._starts[-1] + len(record))
        self._counts.append(len(points.positions))
        self._frames.extend((points.width, points.height))
        self._digests += blake2b(features.digest, digest_size=DIGEST_BYTES).digest()
        self._embedding_hashes.append(int.from_bytes(blake2b(vectors, digest_size=8).digest()))

    def __getitem__(self, number: int) -> PhotoFeatures:
        """Return the features of a photo; the digest is a hash of the one that was added."""
        start, end = self._starts[number], self._starts[number + 1]
        data, count = self._read(start, end - start), self._counts[number]
        descriptors, thumbs = count * _POSITION, count * _KEYPOINT
        thumb, edges = np.frombuffer(data, np.uint8, offset=thumbs).reshape(2, THUMB_PX, THUMB_PX)
        points = Keypoints(
            np.frombuffer(data, np.float32, count=4 * count).reshape(count, 4),
            np.frombuffer(data, np.uint8, count=count * DESCRIPTOR_BINS, offset=descriptors).reshape(
                count, DESCRIPTOR_BINS
            ),
            self._frames[2 * number],
            self._frames[2 * number + 1],
        )
        return PhotoFeatures(
            points, thumb, bytes(self._digests[DIGEST_BYTES * number : DIGEST_BYTES * (number + 1)]), edges
        )

    def keypoint_count(self, number: int) -> int:
        """Return how many keypoints a photo has."""
        return self._counts[number]

    def embeddings(self, numbers: Sequence[int]) -> Floats:
        """Return the embeddings of photos, float32 [N, 2, width]."""
        size = 4 * self._width
        with self._lock:
            data = b"".join(self._read_at(self._embeddings, size * number, size) for number in numbers)
        return np.frombuffer(data, np.float16).reshape(len(numbers), 2, self._width).astype(np.float32)

    def by_content(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the first photo of each content, sorted by content, and pairs of such a photo and an equal one.

        Equal features may have unequal embeddings, as those of a photo and its gray copy. The smallest hash of the
        embeddings is then the first, in any order of the photos.
        It is called after the last photo was added.
        """
        try:
            self._features.flush()
            self._embeddings.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        halves = np.frombuffer(self._digests, ">u8").reshape(-1, 2).copy()
        hashes = np.frombuffer(self._embedding_hashes, np.uint64).copy()
        order = np.lexsort((hashes, halves[:, 1], halves[:, 0]))
        ordered = halves[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        firsts = order[is_first]
        of_each = firsts[np.cumsum(is_first) - 1]
        equal = np.column_stack([of_each[~is_first], order[~is_first]])
        return firsts.tolist(), [(int(first), int(other)) for first, other in equal]

    def _read(self, start: int, size: int) -> bytes:
        with self._lock:
            return self._read_at(self._features, start, size)

    @staticmethod
    def _read_at(file: IO[bytes], start: int, size: int) -> bytes:
        file.seek(start)
        return file.read(size)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"The temporary files of the search of near-duplicates can't be written in '{self._folder}': {error}. "
            "Choose a folder that can be written with --output."
        )


class PhotosByNumber(Sequence[PhotoFeatures]):
    """Some photos of a store or a sequence, each read when it is asked for."""

    def __init__(self, photos: "PhotoStore | Sequence[PhotoFeatures]", numbers: Sequence[int]) -> None:
        """Take the photos, and the numbers of those that are asked for by position."""
        self._photos, self._numbers = photos, numbers

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._numbers)

    @overload
    def __getitem__(self, key: int) -> PhotoFeatures: ...
    @overload
    def __getitem__(self, key: slice) -> "PhotosByNumber": ...
    def __getitem__(self, key: int | slice) -> "PhotoFeatures | PhotosByNumber":
        """Read a photo; a slice reads nothing."""
        if isinstance(key, slice):
            return PhotosByNumber(self._photos, self._numbers[key])
        return self._photos[self._numbers[key]]

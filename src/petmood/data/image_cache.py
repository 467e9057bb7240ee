"""Cache of decoded training images: each photo is decoded once and kept as uint8, in memory or on disk."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EINVAL, EOPNOTSUPP
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.image import ImageSpec, load
from petmood.core.partials import partial_file, remove_dead_partials
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.generated import CACHE_NAME, find_generated, generated_path

__all__ = ["MEMORY_LIMIT_MB", "ImageCache", "open_image_cache"]

MEMORY_LIMIT_MB: Final = 2_000
WITHOUT_ALLOCATION: Final = frozenset({EINVAL, EOPNOTSUPP})
"""Error codes of file systems that can't reserve space."""


@dataclass(frozen=True, slots=True)
class ImageCache:
    """Preprocessed images uint8 [N, S, S, 3], in memory or memory-mapped, in the order of ``paths``."""

    pixels: NDArray[np.uint8]
    paths: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)


def open_image_cache(
    folder: Path,
    paths: Sequence[str],
    spec: ImageSpec,
    *,
    limit_mb: float = MEMORY_LIMIT_MB,
    threads: int = 2,
    progress: ProgressBar = no_progress,
) -> ImageCache:
    """Decode and preprocess photos (paths relative to ``folder``) exactly as serving does.

    Above ``limit_mb`` megabytes the images go to a file in ``folder/.cache``, or in the user's cache if the folder is
    read-only. The next call with the same photos and spec reuses that file.

    Raises:
        PhotoError: a photo can't be decoded.
        OSError: the disk has no space for the file; this is known before the first photo is decoded.
    """
    shape = (len(paths), spec.side_px, spec.side_px, 3)
    if np.prod(shape, dtype=np.int64) <= limit_mb * 1e6:
        pixels = np.empty(shape, dtype=np.uint8)
        _fill(pixels, folder, paths, spec, threads=threads, progress=progress)
        return ImageCache(pixels, tuple(paths))
    name = f"{CACHE_NAME}/{_key(folder, paths, spec)}.npy"
    if (cached := find_generated(folder, name)) is None:
        cached = generated_path(folder, name)
        with _new_array(cached, shape) as pixels:
            _fill(pixels, folder, paths, spec, threads=threads, progress=progress)
    return ImageCache(np.load(cached, mmap_mode="r", allow_pickle=False), tuple(paths))


def _fill(
    pixels: NDArray[np.uint8],
    folder: Path,
    paths: Sequence[str],
    spec: ImageSpec,
    *,
    threads: int,
    progress: ProgressBar,
) -> None:
    with ThreadPoolExecutor(threads) as pool:
        prepared = pool.map(lambda path: load(folder / path, spec).pixels, paths)
        for k, image in enumerate(progress(prepared, total=len(paths), what="decoding photos")):
            pixels[k] = image


@contextmanager
def _new_array(path: Path, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_dead_partials(path.parent)
    with partial_file(path) as partial:
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        _allocate(partial)
        yield array
        array.flush()
        partial.replace(path)


def _allocate(path: Path) -> None:
    """Reserve the disk space of a sparse file: writing to a mapped file on a full disk would end the process."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno not in WITHOUT_ALLOCATION:
                raise OSError(error.errno, error.strerror, str(path)) from error


def _key(folder: Path, paths: Sequence[str], spec: ImageSpec) -> str:
    digest = hashlib.sha256(spec.model_dump_json().encode())
    for path in paths:
        status = (folder / path).stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]

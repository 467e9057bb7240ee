"""Cache of decoded training images: each photo is decoded once and kept as uint8, in memory or on disk."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.image import ImageSpec, load
from petmood.core.progress import ProgressBar, no_progress

__all__ = ["MEMORY_LIMIT_MB", "ImageCache", "open_image_cache"]

MEMORY_LIMIT_MB: Final = 2_000
ABANDONED_S: Final = 3600


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

    Above ``limit_mb`` megabytes the images go to a file in ``folder/.cache``. The next call with the same photos and
    spec reuses that file.

    Raises:
        PhotoError: a photo can't be decoded.
    """
    shape = (len(paths), spec.side_px, spec.side_px, 3)
    if np.prod(shape, dtype=np.int64) <= limit_mb * 1e6:
        pixels = np.empty(shape, dtype=np.uint8)
        _fill(pixels, folder, paths, spec, threads=threads, progress=progress)
        return ImageCache(pixels, tuple(paths))
    cached = folder / ".cache" / f"{_key(folder, paths, spec)}.npy"
    if not cached.exists():
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
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        yield array
        array.flush()
        partial.replace(path)
    finally:
        for leftover in path.parent.glob("*.partial"):  # our own, or abandoned by a killed process
            if leftover == partial or time.time() - leftover.stat().st_mtime > ABANDONED_S:
                leftover.unlink(missing_ok=True)


def _key(folder: Path, paths: Sequence[str], spec: ImageSpec) -> str:
    digest = hashlib.sha256(spec.model_dump_json().encode())
    for path in paths:
        status = (folder / path).stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]

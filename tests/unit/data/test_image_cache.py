"""Tests of the image cache: equality with serving's preprocessing, in memory and on disk, and interrupted writes."""

import errno
import hashlib
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from petmood.core.errors import PhotoError
from petmood.core.image import ImageSpec, load
from petmood.data.image_cache import ImageCache, open_image_cache
from petmood.inference.base import try_prepare
from tests.support.images import exif, jpeg, photo_like, png, turned
from tests.support.progress import RecordedProgress
from tests.support.read_only import deny_writes

SPEC = ImageSpec(side_px=24)
ON_DISK = 0.001

HALTED = """
import sys, threading
from pathlib import Path
from petmood.core.image import ImageSpec
from petmood.data import image_cache
def two_of_six(path, spec, real=image_cache.load):
    if path.name == "2.jpg":
        print("two are decoded", flush=True)
        threading.Event().wait()
    return real(path, spec)
image_cache.load = two_of_six
paths = [f"{n}.jpg" for n in range(6)]
image_cache.open_image_cache(Path(sys.argv[1]), paths, ImageSpec(side_px=24), limit_mb=0.001, threads=1)
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of six photos of several sizes."""
    for number in range(6):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(photo_like(60 + 9 * number, 50, seed=number)))
    return tmp_path


PATHS = tuple(f"{number}.jpg" for number in range(6))


def halted(folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process that fills the cache, and wait until it has decoded two photos of six."""
    process = subprocess.Popen([sys.executable, "-c", HALTED, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"two are decoded\n"
    return process


def cached(folder: Path) -> list[Path]:
    """Return the files in the folder's cache."""
    return sorted((folder / ".cache").glob("*"))


def test_images_lie_in_the_order_of_their_paths(photos: Path) -> None:
    cache = open_image_cache(photos, PATHS[::-1], SPEC, threads=3)
    assert len(cache) == 6
    assert cache.paths == PATHS[::-1]
    assert cache.pixels.shape == (6, 24, 24, 3)
    assert cache.pixels.dtype == np.uint8
    for path, pixels in zip(cache.paths, cache.pixels, strict=True):
        assert np.array_equal(pixels, load(photos / path, SPEC).pixels)
    assert cached(photos) == []


@pytest.mark.parametrize("limit_mb", [100, ON_DISK], ids=["in memory", "on disk"])
@pytest.mark.parametrize("resize", ["center_crop", "squash", "letterbox"])
def test_training_and_serving_see_the_same_pixels_of_a_file(tmp_path: Path, limit_mb: float, resize: str) -> None:
    spec = SPEC.model_copy(update={"resize": resize})
    pixels = photo_like(300, 200)
    files = {
        "large.jpg": jpeg(pixels),
        "turned.jpg": jpeg(turned(pixels, 6), exif=exif(6)),
        "clear.png": png(np.dstack([pixels, pixels[..., :1]])),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    cache = open_image_cache(tmp_path, tuple(files), spec, limit_mb=limit_mb)
    for trained, data in zip(cache.pixels, files.values(), strict=True):
        served = try_prepare(data, spec)
        assert not isinstance(served, PhotoError)
        assert np.array_equal(trained, served.pixels)


def test_above_the_limit_images_are_memory_mapped_and_equal(photos: Path) -> None:
    in_memory, mapped = open_image_cache(photos, PATHS, SPEC), open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    assert isinstance(mapped.pixels, np.memmap)
    assert not isinstance(in_memory.pixels, np.memmap)
    assert np.array_equal(in_memory.pixels, mapped.pixels)
    assert not mapped.pixels.flags.writeable


def test_the_limit_is_in_megabytes_of_pixels(photos: Path) -> None:
    exactly = 6 * 24 * 24 * 3 / 1e6
    open_image_cache(photos, PATHS, SPEC, limit_mb=exactly)
    assert cached(photos) == []
    open_image_cache(photos, PATHS, SPEC, limit_mb=exactly - 1e-6)
    assert len(cached(photos)) == 1


def test_a_mapped_file_is_found_again_without_decoding(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = np.array(open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK).pixels)
    monkeypatch.setattr("petmood.data.image_cache.load", None)
    again = open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    assert isinstance(again.pixels, np.memmap), "no pixel is read before it is asked for"
    assert np.array_equal(again.pixels, first)


def test_another_spec_other_photos_or_a_changed_photo_are_decoded_anew(photos: Path) -> None:
    def count() -> int:
        return len(cached(photos))

    open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    open_image_cache(photos, PATHS, SPEC.model_copy(update={"resize": "letterbox"}), limit_mb=ON_DISK)
    assert count() == 2
    open_image_cache(photos, PATHS[:5], SPEC, limit_mb=ON_DISK)
    assert count() == 3
    (photos / "0.jpg").write_bytes(jpeg(photo_like(80, 80, seed=77)))
    changed = open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    assert count() == 4
    assert np.array_equal(changed.pixels[0], load(photos / "0.jpg", SPEC).pixels)


@pytest.mark.parametrize("limit_mb", [100, ON_DISK])
def test_a_photo_that_can_t_be_decoded_is_an_error_that_leaves_no_file(photos: Path, limit_mb: float) -> None:
    (photos / "3.jpg").write_bytes(b"no photo")
    with pytest.raises(PhotoError):
        open_image_cache(photos, PATHS, SPEC, limit_mb=limit_mb)
    assert cached(photos) == []


@pytest.mark.posix
@pytest.mark.spawns
def test_killed_while_it_writes_the_next_call_makes_the_file_anew(photos: Path) -> None:
    process = halted(photos)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (leftover,) = cached(photos)
    assert leftover.suffix == ".partial"
    (photos / "0.jpg").write_bytes(jpeg(photo_like(80, 80, seed=77)))  # the file of the killed process has another name
    cache = open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    assert np.array_equal(cache.pixels, open_image_cache(photos, PATHS, SPEC).pixels)
    assert [path.suffix for path in cached(photos)] == [".npy"]


@pytest.mark.spawns
def test_a_file_that_another_process_is_writing_is_left_to_it_however_old(photos: Path) -> None:
    process = halted(photos)
    (partial,) = cached(photos)
    os.utime(partial, (0, 0))
    open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    assert partial in cached(photos)
    process.kill()
    process.communicate()


def test_a_full_disk_is_known_before_the_first_photo(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped file without its space would end the process by SIGBUS at some photo."""

    def full(_handle: int, offset: int, length: int) -> None:
        assert (offset, length) == (0, 128 + 6 * 24 * 24 * 3)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr("petmood.data.image_cache.load", None)
    with pytest.raises(OSError, match=r"No space left on device: .*\.npy") as caught:
        open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    assert caught.value.errno == errno.ENOSPC
    assert cached(photos) == []


def test_a_file_system_that_can_not_reserve_space_is_used_all_the_same(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(_handle: int, _offset: int, _length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    assert len(open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)) == 6
    monkeypatch.delattr(os, "posix_fallocate")
    assert len(open_image_cache(photos, PATHS[:5], SPEC, limit_mb=ON_DISK)) == 5


def test_the_images_of_a_read_only_folder_go_to_the_users_cache_and_are_found_there(
    photos: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("PETMOOD_CACHE", str(elsewhere))
    deny_writes(monkeypatch, photos)
    first = np.array(open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK).pixels)
    assert not (photos / ".cache").exists()
    assert len(list(elsewhere.rglob("*.npy"))) == 1
    monkeypatch.setattr("petmood.data.image_cache.load", None)
    assert np.array_equal(open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK).pixels, first)


def test_decoding_is_shown_photo_by_photo(photos: Path) -> None:
    seen: list[object] = []

    def progress(items: Iterable[Any], *, total: int | None = None, what: str = "") -> Iterator[Any]:
        seen.append((total, what))
        for item in items:
            seen.append(item.shape)
            yield item

    open_image_cache(photos, PATHS, SPEC, progress=progress)
    assert seen == [(6, "decoding photos"), *[(24, 24, 3)] * 6]


def test_an_empty_cache_is_empty(tmp_path: Path) -> None:
    cache = open_image_cache(tmp_path, (), SPEC)
    assert isinstance(cache, ImageCache)
    assert (len(cache), cache.pixels.shape) == (0, (0, 24, 24, 3))


def test_the_file_of_a_cache_is_named_after_the_spec_and_every_photo(photos: Path) -> None:
    open_image_cache(photos, PATHS[:2], SPEC, limit_mb=0)
    facts = [(path, (photos / path).stat()) for path in PATHS[:2]]
    listed = "".join(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n" for path, status in facts)
    name = hashlib.sha256((SPEC.model_dump_json() + listed).encode()).hexdigest()[:32]
    assert [path.name for path in cached(photos)] == [f"{name}.npy"]


def test_up_to_two_gigabytes_are_kept_in_memory_and_two_threads_decode_by_default() -> None:
    defaults = inspect.signature(open_image_cache).parameters
    assert (defaults["limit_mb"].default, defaults["threads"].default) == (2_000, 2)


def test_other_errors_of_the_disk_name_the_file(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_handle: int, _offset: int, _length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "posix_fallocate", failing)
    with pytest.raises(OSError, match=r"Input/output error") as caught:
        open_image_cache(photos, PATHS, SPEC, limit_mb=ON_DISK)
    assert (caught.value.errno, caught.value.strerror) == (errno.EIO, "Input/output error")
    assert Path(caught.value.filename).parent == photos / ".cache"


def test_on_disk_decoding_is_shown_and_runs_on_the_threads_asked_for(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[int] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            pools.append(threads)
            super().__init__(threads)

    monkeypatch.setattr("petmood.data.image_cache.ThreadPoolExecutor", Pool)
    progress = RecordedProgress()
    for limit_mb in (100, ON_DISK):
        open_image_cache(photos, PATHS, SPEC, limit_mb=limit_mb, threads=3, progress=progress)
    assert progress.loops == [(6, "decoding photos")] * 2
    assert pools == [3, 3]

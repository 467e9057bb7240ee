"""Photos that a service keeps beside its prediction log for a number of days, if that is set."""

import contextlib
import hashlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy.engine import URL

from petmood.core.errors import ConfigError
from petmood.core.files import atomic_write_text
from petmood.core.open_flags import BINARY
from petmood.monitoring.metric_names import PhotoResult
from petmood.monitoring.prediction_log.rows import PhotoKey

__all__ = ["CountPhotos", "KeptPhotos", "PhotoKeeper", "PhotoReader", "open_keeper", "photos_folder"]

logger = logging.getLogger(__name__)

NAME: Final = re.compile(r"(\d{1,4})-([A-Za-z0-9._-]{1,64})\.photo")
DRAFT: Final = ".new"
FILE: Final = re.compile(rf"{NAME.pattern}(\.\d+{re.escape(DRAFT)})?")
"""Names of photos, and with a third group those of photos that a process was writing when it was killed."""
DAYS_FILE: Final = "keep-days.txt"
HELD_BYTES: Final = 64_000_000
"""Bytes of photos that may wait to be written; one more is answered and logged, but not kept."""
DAY_S: Final = 86_400

CountPhotos = Callable[[PhotoResult, int], None]


class PhotoReader(Protocol):
    """What reads kept photos: a folder of them, or all folders of a log (petmood.monitoring.photo_folders)."""

    def read(self, key: PhotoKey, *, sha256: str | None = None) -> bytes | None:
        """Return the bytes of a photo, or None if it is not kept; ``sha256`` is that of its row."""

    def dated(self) -> Sequence[tuple[float, PhotoKey]]:
        """Return the time at which each photo was written, in seconds since 1970, and its key, in no order."""


class KeptPhotos:
    """Folder of photos as they were uploaded, each named by its request and position, readable by its owner alone.

    The age at which photos are deleted is in the folder as well. So a service that is started again without keeping
    photos, or with another folder, still deletes the old ones (petmood.monitoring.photo_retention).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, *, days: float) -> None:
        """Make the folder and set the age in days at which its photos are deleted.

        Raises:
            ConfigError: the folder can't be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            atomic_write_text(self.folder / DAYS_FILE, f"{days!r}\n")
        except OSError as error:
            raise ConfigError(f"The folder {self.folder} for photos can't be written: {error}") from error

    def path(self, key: PhotoKey) -> Path:
        """Return the path of a photo, whether it is there or not."""
        return self.folder / f"{key.position}-{key.request_id}.photo"

    @staticmethod
    def is_name(request_id: str, position: int) -> bool:
        """Return whether a photo can have this request and position: no other text becomes part of a path."""
        return NAME.fullmatch(f"{position}-{request_id}.photo") is not None

    def dated(self) -> list[tuple[float, PhotoKey]]:
        """Return the time at which each photo was written, in seconds since 1970, and its key, in no order.

        Photos that are too old are left out, as in ``read``.
        """
        oldest = self._oldest_s()
        photos = [(path, name) for path, name in self._files() if name[3] is None]
        found = [(_written_at(path), PhotoKey(name[2], int(name[1]))) for path, name in photos]
        return [one for one in found if one[0] >= oldest]

    def write(self, key: PhotoKey, photo: bytes) -> None:
        """Write a photo; one that is there already stays, as its row in the log does.

        Raises:
            OSError: the photo can't be written.
        """
        path = self.path(key)
        if path.exists():
            return
        draft = path.with_name(f"{path.name}.{os.getpid()}{DRAFT}")
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(photo)
            draft.rename(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def read(self, key: PhotoKey, *, sha256: str | None = None) -> bytes | None:
        """Return the bytes of a photo, or None if it is not kept, or older than it was to be kept.

        No service may run that deletes the latter. ``sha256`` is that of the photo of the row: a later photo with the
        same request id is another one. "" means that the row has no photo. None means that an earlier version wrote the
        row, and that any photo is its own.
        """
        if sha256 == "":
            return None
        if _written_at(self.path(key)) < self._oldest_s():
            return None
        try:
            content = self.path(key).read_bytes()
        except FileNotFoundError:
            return None
        return content if sha256 is None or hashlib.sha256(content).hexdigest() == sha256 else None

    def delete_requests(self, request_ids: Iterable[str]) -> int:
        """Delete the photos of requests, half-written ones too; return their number."""
        wanted = set(request_ids)
        return sum(_delete(path) for path, name in self._files() if name[2] in wanted)

    def delete_older(self, days: float, *, now_s: float | None = None) -> int:
        """Delete the photos that are older than some days, and stale files of killed processes; return the number.

        ``now_s`` is the time in seconds since 1970 that ages are computed by; by default that of the clock.
        """
        before = (time.time() if now_s is None else now_s) - DAY_S * days
        return sum(_delete(path) for path, _ in self._files() if _written_at(path) < before)

    def delete_expired(self, *, most_days: float | None = None, now_s: float | None = None) -> int:
        """Delete the photos of the age that ``create`` set, or of ``most_days`` if that is less; return their number.

        A folder without an age keeps its photos. ``now_s`` is as above.

        Raises:
            OSError: the folder can't be read or changed.
            ValueError: its age is no number.
        """
        try:
            days = float((self.folder / DAYS_FILE).read_text("utf-8"))
        except FileNotFoundError:
            return 0
        return self.delete_older(days if most_days is None else min(days, most_days), now_s=now_s)

    def _oldest_s(self) -> float:
        """Return the time in seconds since 1970 before which photos are too old; 0 for a folder without an age."""
        with contextlib.suppress(OSError, ValueError):
            return time.time() - DAY_S * float((self.folder / DAYS_FILE).read_text("utf-8"))
        return 0.0

    def _files(self) -> Iterator[tuple[Path, re.Match[str]]]:
        """Yield the photos and the half-written ones with their names, parsed by ``FILE``."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                found = FILE.fullmatch(entry.name)
                if found is not None:
                    yield Path(entry.path), found


class PhotoKeeper:
    """Takes photos from requests, up to a number of bytes, and writes them from one thread; never raises."""

    def __init__(self, photos: KeptPhotos, *, count: CountPhotos, held_bytes: int = HELD_BYTES) -> None:
        self._photos, self._count, self._most = photos, count, held_bytes
        self._lock, self._held, self._fails = threading.Lock(), 0, False

    @property
    def folder(self) -> Path:
        """The folder in which photos are kept, as an absolute path."""
        return self._photos.folder.resolve()

    def admit(self, photo: bytes) -> bytes | None:
        """Return a photo that ``write`` must be called with later, or None if it isn't kept."""
        with self._lock:
            is_admitted = self._held + len(photo) <= self._most
            self._held += len(photo) if is_admitted else 0
        if not is_admitted:
            self._count(PhotoResult.DROPPED, 1)
        return photo if is_admitted else None

    def write(self, key: PhotoKey, photo: bytes) -> None:
        """Write an admitted photo; a failure is logged, once until a photo can be written again."""
        try:
            self._photos.write(key, photo)
        except OSError as error:
            if not self._fails:
                logger.error("prediction log: photos can't be kept: %s", error)  # noqa: TRY400 - no traceback of a full disk
            self._fails = True
            self._count(PhotoResult.DROPPED, 1)
        else:
            self._fails = False
            self._count(PhotoResult.KEPT, 1)
        finally:
            with self._lock:
                self._held -= len(photo)


def photos_folder(url: URL, folder: str | None = None) -> Path | None:
    """Return the folder for photos of a log: the given one, or that beside an SQLite file; None for PostgreSQL."""
    if folder:
        return Path(folder)
    return Path(f"{url.database}.photos") if url.drivername == "sqlite" else None


def open_keeper(url: URL, *, days: float, folder: str | None = None, count: CountPhotos) -> PhotoKeeper:
    """Return the keeper of a log's photos; ``days`` is the age in days at which they are deleted.

    Raises:
        ConfigError: the folder can't be written, or is unknown, since the log is in PostgreSQL.
    """
    found = photos_folder(url, folder)
    if found is None:
        raise ConfigError(
            "Expected a folder for the photos, since the prediction log is in PostgreSQL. "
            "Set PETMOOD_KEEP_PHOTOS_FOLDER."
        )
    photos = KeptPhotos(found)
    photos.create(days=days)
    return PhotoKeeper(photos, count=count)


def _delete(path: Path) -> bool:
    """Delete a file; return whether it was there, as another process may delete it at the same time."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def _written_at(path: Path) -> float:
    """Return the time in seconds since 1970 at which a file was written; infinity if it was deleted meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")

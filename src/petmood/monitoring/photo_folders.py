"""Folders in which services keep photos, remembered in the prediction log, so that its photos are found there."""

import time
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from petmood.monitoring.kept_photos import KeptPhotos
from petmood.monitoring.prediction_log.database import reaching, reading
from petmood.monitoring.prediction_log.rows import PhotoKey
from petmood.monitoring.prediction_log.tables import PHOTO_FOLDERS

__all__ = ["PhotosOfLog", "is_here", "remember_photo_folder", "remembered_photo_folders"]


class PhotosOfLog:
    """Photos kept with a log, in several folders: a service that gets another folder leaves its earlier photos.

    ``here`` are the folders that are on this machine, in the order given, and ``elsewhere`` the others.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        known = [*dict.fromkeys(folders)]
        self.here = tuple(dict.fromkeys(one.resolve() for one in known if is_here(one)))
        self.elsewhere = tuple(one for one in known if not is_here(one))
        self._photos = [KeptPhotos(one) for one in self.here]

    def read(self, key: PhotoKey, *, sha256: str | None = None) -> bytes | None:
        """Return the bytes of a photo from the first folder that has it, or None if it is in none of them.

        ``sha256`` is that of its row, as in ``KeptPhotos.read``.

        Raises:
            OSError: it is in no folder that can be read, and one can't be read.
        """
        unread: OSError | None = None
        for photos in self._photos:
            try:
                found = photos.read(key, sha256=sha256)
            except OSError as error:
                unread = error
            else:
                if found is not None:
                    return found
        if unread is not None:
            raise unread
        return None

    def dated(self) -> list[tuple[float, PhotoKey]]:
        """Return the time at which each photo was written, in seconds since 1970, and its key, in no order.

        Raises:
            OSError: a folder can't be read.
        """
        return [one for photos in self._photos for one in photos.dated()]


def remember_photo_folder(engine: Engine, folder: Path) -> None:
    """Write that a service keeps its photos in a folder, from now on.

    Raises:
        LogUnavailable: the database can't be used.
    """
    dialect = {"postgresql": postgresql, "sqlite": sqlite}[engine.dialect.name]
    used = {"used_us": time.time_ns() // 1000}
    insert = dialect.insert(PHOTO_FOLDERS).values({"folder": str(folder)} | used)
    with reaching(engine), engine.begin() as connection:
        connection.execute(insert.on_conflict_do_update(index_elements=["folder"], set_=used))


def remembered_photo_folders(engine: Engine) -> list[Path]:
    """Return the folders in which services of a log have kept photos, the last first; some may be of other machines.

    Raises:
        LogUnavailable: the database can't be used.
    """
    query = select(PHOTO_FOLDERS.c.folder).order_by(PHOTO_FOLDERS.c.used_us.desc(), PHOTO_FOLDERS.c.folder)
    with reading(engine) as connection:
        return [Path(folder) for folder in connection.execute(query).scalars()]


def is_here(folder: Path) -> bool:
    """Return whether a folder is on this machine, and can be reached."""
    try:
        return folder.is_dir()
    except OSError:  # a folder above it can't be searched
        return False

"""Folders in which services keep photos, remembered in the prediction log, so that a deletion finds them."""

import time
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from petmood.monitoring.prediction_log.database import reaching, reading
from petmood.monitoring.prediction_log.tables import PHOTO_FOLDERS

__all__ = ["remember_photo_folder", "remembered_photo_folders"]


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

"""Option for the folder of kept photos, of commands that delete or export them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from petmood.monitoring.kept_photos import KeptPhotos

__all__ = ["delete_photos", "kept_photos", "photos_option"]

photos_option: Callable[..., Any] = click.option(
    "--photos",
    envvar="PETMOOD_KEEP_PHOTOS_FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of kept photos. Default: $PETMOOD_KEEP_PHOTOS_FOLDER, or that in the log.",
)
"""Adds ``photos``, the folder that a user names, to a command."""


def kept_photos(engine: "Engine", folder: Path | None) -> "KeptPhotos | None":
    """Return the photos kept with a log: in the given folder, else in the first that is here of those it may be.

    None if no folder is known.
    """
    from petmood.monitoring.kept_photos import KeptPhotos

    if folder is not None:
        return KeptPhotos(folder)
    known = _known_folders(engine)
    found = next((one for one in known if one.is_dir()), next(iter(known), None))
    return None if found is None else KeptPhotos(found)


def delete_photos(engine: "Engine", folder: Path | None, delete: Callable[["KeptPhotos"], int]) -> str:
    """Delete kept photos in all known folders; return what to print after the number of predictions, if there were any.

    A line on stderr names a folder that is not here, unless the user has named one.
    """
    from petmood.monitoring.kept_photos import KeptPhotos
    from petmood.monitoring.photo_folders import remembered_photo_folders

    known = _known_folders(engine)
    folders = dict.fromkeys(one.resolve() for one in (*(() if folder is None else (folder,)), *known))
    deleted = sum(delete(KeptPhotos(one)) for one in folders)
    if folder is None:
        missing = [str(one) for one in remembered_photo_folders(engine) if not one.is_dir()]
        if missing or not known:
            where = f" in {', '.join(missing)}, which is not here" if missing else ""
            click.echo(f"Photos, if there are any{where}, were not deleted: name their folder with --photos.", err=True)
    return f", {deleted:,} photos deleted" if deleted else ""


def _known_folders(engine: "Engine") -> list[Path]:
    """Return the folders that the log names, the last one first, and that beside its file."""
    from petmood.monitoring.kept_photos import photos_folder
    from petmood.monitoring.photo_folders import remembered_photo_folders

    beside = photos_folder(engine.url)
    return [*remembered_photo_folders(engine), *(() if beside is None else (beside,))]

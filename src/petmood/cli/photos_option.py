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
    help="Folder of kept photos. Default: $PETMOOD_KEEP_PHOTOS_FOLDER, or that beside the file of the log.",
)
"""Adds ``photos``, the folder that a user names, to a command."""


def kept_photos(engine: "Engine", folder: Path | None) -> "KeptPhotos | None":
    """Return the photos kept beside a log, or None if their folder is unknown: the log is in PostgreSQL."""
    from petmood.monitoring.kept_photos import KeptPhotos, photos_folder

    found = photos_folder(engine.url, None if folder is None else str(folder))
    return None if found is None else KeptPhotos(found)


def delete_photos(engine: "Engine", folder: Path | None, delete: Callable[["KeptPhotos"], int]) -> str:
    """Delete kept photos; return what to print after the number of predictions, which is nothing without any."""
    found = kept_photos(engine, folder)
    if found is None:
        click.echo("Photos, if the service keeps any, were not deleted: name their folder with --photos.", err=True)
        return ""
    deleted = delete(found)
    return f", {deleted:,} photos deleted" if deleted else ""

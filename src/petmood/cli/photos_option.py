"""Option for the folder of kept photos, of commands that delete or export them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from petmood.monitoring.kept_photos import KeptPhotos
    from petmood.monitoring.photo_folders import PhotosOfLog

__all__ = ["delete_photos", "kept_photos", "photos_option"]

photos_option: Callable[..., Any] = click.option(
    "--photos",
    envvar="PETMOOD_KEEP_PHOTOS_FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of kept photos. Default: $PETMOOD_KEEP_PHOTOS_FOLDER. Folders in the log count, too.",
)
"""Adds ``photos``, the folder that a user names, to a command."""


def kept_photos(engine: "Engine", folder: Path | None) -> "PhotosOfLog":
    """Return the photos kept with a log: in the given folder, in those that the log names, and beside its file."""
    from petmood.monitoring.photo_folders import PhotosOfLog, is_here, remembered_photo_folders

    named = [] if folder is None else [folder]
    return PhotosOfLog([*named, *remembered_photo_folders(engine), *filter(is_here, _beside(engine))])


def delete_photos(
    engine: "Engine", folder: Path | None, delete: Callable[["KeptPhotos"], int], *, everywhere: bool = True
) -> str:
    """Delete kept photos; return what to print after the number of predictions, if there were any.

    ``everywhere``: in all folders that the log names, too. Otherwise in the given folder, or that beside the log's
    file: a copy of a log names the folders of the original. A line on stderr names each folder that can't be used, and
    says if no folder is known.
    """
    from petmood.monitoring.kept_photos import KeptPhotos
    from petmood.monitoring.photo_folders import is_here, remembered_photo_folders

    named = [] if folder is None else [folder]
    remembered = remembered_photo_folders(engine) if everywhere else []
    wanted = [*named, *remembered, *_beside(engine)] if everywhere else named or _beside(engine)
    left = [f"{one}, which is not here" for one in dict.fromkeys((*named, *remembered)) if not is_here(one)]
    deleted = 0
    for one in dict.fromkeys(one.resolve() for one in wanted):
        try:
            deleted += delete(KeptPhotos(one))
        except OSError as error:
            left.append(f"{one} ({error.strerror})")
    if left or not wanted:
        where = f" in {' and '.join(left)}" if left else ""
        click.echo(f"Photos, if there are any{where}, were not deleted: name their folder with --photos.", err=True)
    return f", {deleted:,} photos deleted" if deleted else ""


def _beside(engine: "Engine") -> list[Path]:
    """Return the folder beside the log's file, if the log is a file."""
    from petmood.monitoring.kept_photos import photos_folder

    found = photos_folder(engine.url)
    return [] if found is None else [found]

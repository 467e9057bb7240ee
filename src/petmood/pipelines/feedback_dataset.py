"""Photos of a dataset beside those of exported feedback, so that one import makes the next data version."""

import csv
import io
import os
import shutil
from pathlib import Path
from typing import Final

from petmood.core.errors import DataError
from petmood.core.files import atomic_write_text
from petmood.data.index import PHOTOS, Role, read_index
from petmood.monitoring.feedback.export import TABLE_NAME

__all__ = ["FOLDER", "add_dataset"]

FOLDER: Final = "dataset"
"""Folder of the dataset's photos in that of the export."""


def add_dataset(export: Path, dataset: Path) -> int:
    """Add the photos of a dataset to a folder of exported feedback and to its table; return their number.

    They keep their labels, splits and species, so held-out photos stay held out. A new photo that is a near-duplicate
    of one of them gets its split at the import. Excluded photos are left out. Files are linked where the disk allows
    it, else copied.

    Raises:
        DataError: no dataset, or a photo of it is missing.
        OSError: the folder can't be written.
    """
    table = export / TABLE_NAME
    header, *rows = csv.reader(io.StringIO(table.read_text("utf-8")))
    columns = [*header, *(name for name in ("split", "species") if name not in header)]
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    added = 0
    for row in read_index(dataset):
        if row.role == Role.EXCLUDED:
            continue
        name = f"{FOLDER}/{row.path.removeprefix(f'{PHOTOS}/')}"
        _link(dataset / row.path, export / name)
        cells.append({"photo": name, "label": row.label, "split": row.split, "species": row.species})
        added += 1
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    atomic_write_text(table, text.getvalue())
    return added


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise DataError(f"Expected the photo {source} of the dataset, found none. Import the dataset again.") from None
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)

"""Photos of a dataset beside those of exported feedback, so that one import makes the next data version."""

import csv
import io
import os
import shutil
from pathlib import Path
from typing import Final

from petmood.core.errors import DataError
from petmood.core.files import atomic_write_text, sha256_of
from petmood.data.index import PHOTOS, Role, Split, read_index
from petmood.monitoring.feedback.export import TABLE_NAME

__all__ = ["FOLDER", "add_dataset"]

FOLDER: Final = "dataset"
"""Folder of the dataset's photos in that of the export."""


def add_dataset(export: Path, dataset: Path) -> int:
    """Add the photos of a dataset to a folder of exported feedback and to its table; return their number.

    They keep their labels, splits and species, so held-out photos stay held out. Excluded photos are left out. Files
    are linked where the disk allows it, else copied.

    Photos with feedback are for training, unless a reviewer got them at random. The present model is wrong on most
    photos that were corrected or chosen as uncertain, so a test on them would favor any other model. One with the bytes
    of a photo of the dataset is left out, as that has a label.

    Raises:
        DataError: no dataset, or a photo of it is missing.
        OSError: the folder can't be written.
    """
    table = export / TABLE_NAME
    header, *rows = csv.reader(io.StringIO(table.read_text("utf-8")))
    columns = [*header, *(name for name in ("split", "species") if name not in header)]
    index = [row for row in read_index(dataset) if row.role != Role.EXCLUDED]
    known, cells = {row.sha256 for row in index}, list[dict[str, str]]()
    for values in rows:
        photo = dict(zip(header, values, strict=True))
        if sha256_of(export / photo["photo"]) not in known:
            cells.append(photo | {"split": "" if photo["chosen"] == "random" else Split.TRAIN})
    for row in index:
        name = f"{FOLDER}/{row.path.removeprefix(f'{PHOTOS}/')}"
        _link(dataset / row.path, export / name)
        cells.append({"photo": name, "label": row.label, "split": row.split, "species": row.species})
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    atomic_write_text(table, text.getvalue())
    return len(index)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise DataError(f"Expected the photo {source} of the dataset, found none. Import the dataset again.") from None
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)

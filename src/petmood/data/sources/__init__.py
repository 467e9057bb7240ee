"""Photo sources; importing this package registers all of them."""

from petmood.data.sources import csv_file, demo, folder, kaggle
from petmood.data.sources.base import Source, SourcePhoto, TableOptions, open_source, source, source_names

__all__ = [
    "Source",
    "SourcePhoto",
    "TableOptions",
    "csv_file",
    "demo",
    "folder",
    "kaggle",
    "open_source",
    "source",
    "source_names",
]

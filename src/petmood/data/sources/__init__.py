"""Where do photos come from? Each module beside this one declares a source; importing the package knows them all."""

from petmood.data.sources import csv_file, demo, folder, kaggle
from petmood.data.sources.base import Source, SourcePhoto, open_source, source, source_names

__all__ = ["Source", "SourcePhoto", "csv_file", "demo", "folder", "kaggle", "open_source", "source", "source_names"]

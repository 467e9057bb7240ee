"""Kind of a dataset's images: photographs, or the drawings of the demo."""

import json
from pathlib import Path
from typing import Final, Literal

from petmood.data.import_target import IMPORT_NAME

__all__ = ["DataKind", "data_kind"]

DataKind = Literal["photographs", "drawings"]

KINDS: Final[dict[str, DataKind]] = {"demo": "drawings", "kaggle": "photographs"}
"""Kinds by the source of the import; a person's folder may hold anything."""


def data_kind(dataset: Path) -> DataKind | None:
    """Return the kind of a dataset's images, or None if its source is unknown or may hold either kind."""
    path = dataset / IMPORT_NAME
    if not path.is_file():
        return None
    try:
        facts = json.loads(path.read_bytes())
    except ValueError:
        return None
    return KINDS.get(str(facts.get("source"))) if isinstance(facts, dict) else None

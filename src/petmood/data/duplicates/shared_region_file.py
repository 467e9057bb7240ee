"""Regions that many unrelated photos share, such as a caption: shared_regions.json of a dataset."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from petmood.core.errors import DataError

__all__ = ["SHARED_REGIONS_NAME", "SharedPhotos", "read_shared_regions", "shared_regions_text"]

SHARED_REGIONS_NAME: Final = "shared_regions.json"


@dataclass(frozen=True, slots=True)
class SharedPhotos:
    """Photos, by path, that show the same content in a region; ``region`` names it, such as "the top 20%"."""

    region: str
    paths: tuple[str, ...]


def shared_regions_text(regions: Iterable[SharedPhotos]) -> str:
    """Return regions as JSON text with an LF at the end, the one of most photos first."""
    ranked = sorted(regions, key=lambda one: (-len(one.paths), one.region, one.paths))
    return json.dumps([asdict(one) for one in ranked], indent=1, ensure_ascii=False) + "\n"


def read_shared_regions(folder: Path) -> tuple[SharedPhotos, ...]:
    """Read shared_regions.json of a dataset; a missing file gives (). Raises DataError for any other content."""
    path = folder / SHARED_REGIONS_NAME
    if not path.is_file():
        return ()
    try:
        return tuple(_checked(one) for one in json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"'{path.name}' isn't a list of shared regions. Import the photos again.") from error


def _checked(one: object) -> SharedPhotos:
    if not isinstance(one, dict) or not isinstance(one["region"], str):
        raise TypeError
    paths = one["paths"]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise TypeError
    return SharedPhotos(one["region"], tuple(paths))

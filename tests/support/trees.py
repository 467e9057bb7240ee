"""Small datasets for import tests: class folders of small PNGs, and a detector of exact mirror images."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.progress import ProgressBar, no_progress
from petmood.data.duplicates.near_duplicates import Relation
from petmood.data.duplicates.relations import RelationKind
from petmood.data.importer import ImportOptions, ImportReport, import_photos
from petmood.data.sources.folder import FolderSource
from tests.support.images import photo_like, png

SIDE_PX = 32


def photo_bytes(seed: int, *, mirrored: bool = False) -> bytes:
    """Return a small PNG of its own for each seed."""
    pixels = photo_like(SIDE_PX, SIDE_PX, seed=seed)
    return png(np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels)


def put(root: Path, name: str, data: bytes) -> None:
    """Write a file below a folder that may not be there yet."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)


def tree(root: Path, *, each: int = 4, splits: Sequence[str] = ("",), first_seed: int = 0) -> Path:
    """Write class folders with `each` distinct photos a class and split."""
    seed = first_seed
    for split in splits:
        for label in DEFAULT_CLASSES:
            for k in range(each):
                put(root, f"{split}/{label}/{k}.png".lstrip("/"), photo_bytes(seed))
                seed += 1
    return root


def mirror_finder(
    photos: Iterable[NDArray[np.uint8]], *, total: int | None = None, progress: ProgressBar = no_progress
) -> list[Relation]:
    """Find photos that are exact mirror images of an earlier one."""
    seen: dict[bytes, int] = {}
    relations = []
    for number, pixels in enumerate(progress(photos, total=total, what="looking for mirror images")):
        twin = seen.get(pixels[:, ::-1].tobytes())
        if twin is not None:
            relations.append(
                Relation(twin, number, kind=RelationKind.NEAR_DUPLICATE, inliers=60, mirrored=True, scale=1.0)
            )
        seen.setdefault(pixels.tobytes(), number)
    return relations


def bring_in(root: Path, *, to: Path, skip_bad: bool | None = None, drop_leaking: bool = False) -> ImportReport:
    """Import class folders with the finder of mirror images."""
    options = ImportOptions(skip_bad=skip_bad, drop_leaking=drop_leaking)
    return import_photos(FolderSource(root), to=to, options=options, find_near_duplicates=mirror_finder)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by relative name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

"""Recall per alteration of a photo, and unrelated photos that are merged by one thing that all have.

python -m benchmarks.families_tables [PHOTOS] [--pairs 60] [--shared 120] [--only NAME ...]

Names of files are used only to take unrelated photos: neither copies that PHOTOS brings (``aug-N-NAME``) nor second
photos of an animal (benchmarks/known_animals.py) are taken. The search itself leaves nothing out: what it relates among
these photos is wrong in every row, and is counted before anything is altered (``related_unaltered``).
Without PHOTOS (or PETMOOD_PHOTOS) the photos are
generated.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.alterations import COPIES, SHARED, Alteration, altered, shared_by_all
from benchmarks.common import report
from benchmarks.families_scale import draw
from benchmarks.known_animals import first_of_each_animal
from petmood.data.duplicates.near_duplicates import (
    PhotoFeatures,
    describe_photo,
    find_relations,
    group_ids,
)
from petmood.data.duplicates.relations import RelationKind
from petmood.data.threads import ordered_map, reproducible_libraries

__all__ = ["main", "measure_photos", "measure_tables"]

PAIRS: Final = 300
SHARED_PHOTOS: Final = 120
MERGED: Final = 2
"""Largest number of unrelated photos that may be merged."""

Pixels = NDArray[np.uint8]


def describe(photos: Sequence[Pixels]) -> list[PhotoFeatures]:
    """Return the features of photos, computed by two threads."""
    with reproducible_libraries():
        return list(ordered_map(describe_photo, photos, threads=2))


def read_originals(folder: Path, *, most: int) -> list[Pixels]:
    """Decode up to ``most`` photos that are unrelated by a person's notes, in a fixed random order."""
    paths = first_of_each_animal(list(folder.rglob("*.jpg")))
    order = np.random.default_rng(0).permutation(len(paths))
    photos = []
    for number in order[:most]:
        with Image.open(paths[number]) as image:
            photos.append(np.asarray(image.convert("RGB")))
    return photos


def measure_copies(
    one: Alteration, photos: Sequence[Pixels], features: Sequence[PhotoFeatures], *, pairs: int
) -> dict[str, Any]:
    """Compare all photos and ``pairs`` altered ones, which follow them."""
    made = [altered(one, photos, number) for number in range(pairs)]
    relations = find_relations([*features, *describe([pixels for pixels, _ in made])])
    shows = [*(frozenset([number]) for number in range(len(photos))), *(shown for _, shown in made)]
    found = {(link.first, link.second) for link in relations}
    copies = {(link.first, link.second) for link in relations if link.kind == RelationKind.NEAR_DUPLICATE}
    wrong = [link for link in relations if not shows[link.first] & shows[link.second]]
    groups = group_ids(len(shows), relations)
    true = [(number, len(photos) + number) for number in range(pairs)]
    return {
        "pairs": pairs,
        "recall": round(sum(pair in found for pair in true) / pairs, 4),
        "recall_in_group": round(sum(groups[a] == groups[b] for a, b in true) / pairs, 4),
        "copies": round(sum(pair in copies for pair in true) / pairs, 4),
        "wrong_pairs": len(wrong),
        "wrong_copies": sum(link.kind == RelationKind.NEAR_DUPLICATE for link in wrong),
        "largest_group": max(Counter(groups).values()),
    }


def measure_shared(one: Alteration, photos: Sequence[Pixels]) -> dict[str, Any]:
    """Compare unrelated photos that all have one thing."""
    relations = find_relations(describe(shared_by_all(one, photos)))
    groups = group_ids(len(photos), relations)
    return {
        "photos": len(photos),
        "groups": len(set(groups)),
        "merged": len(photos) - len(set(groups)),
        "largest_group": max(Counter(groups).values()),
        "wrong_pairs": len(relations),
        "wrong_copies": sum(link.kind == RelationKind.NEAR_DUPLICATE for link in relations),
    }


def measure_tables(photos: Sequence[Pixels], *, pairs: int, shared: int, what: str, only: Sequence[str] = ()) -> None:
    """Report both tables; ``only`` names the rows to measure, none means all."""
    features = describe(photos)
    alone = find_relations(features)
    pairs, shared = min(pairs, len(photos)), min(shared, len(photos))
    copies, together = {}, {}
    for one in COPIES:
        if not only or one.name in only:
            copies[one.name] = measure_copies(one, photos[: max(pairs, 4)], features[: max(pairs, 4)], pairs=pairs)
            print(f"{one.name}: {copies[one.name]}", file=sys.stderr, flush=True)
    for one in SHARED:
        if not only or one.name in only:
            together[one.name] = measure_shared(one, photos[:shared])
            print(f"the same on all: {one.name}: {together[one.name]}", file=sys.stderr, flush=True)
    asked = {one.name: one.recall for one in COPIES}
    missed = [name for name, row in copies.items() if row["recall_in_group"] < asked[name]]
    wrong = [name for name, row in copies.items() if row["wrong_pairs"]]
    report(
        f"groups: alterations of {what}, rows that miss",
        ratio=len({*missed, *wrong}),
        target=0.0,
        details={"related_unaltered": len(alone), "recall_missed": missed, "with_wrong_pairs": wrong, "rows": copies},
    )
    merged = [name for name, row in together.items() if row["merged"] > MERGED]
    report(
        f"groups: one thing on {shared} unrelated {what}, rows with over {MERGED} merged",
        ratio=len(merged),
        target=0.0,
        details={"merged": merged, "rows": together},
    )


def main() -> None:
    """Measure the given folder, or generated photos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", default=os.environ.get("PETMOOD_PHOTOS"), type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--shared", type=int, default=SHARED_PHOTOS)
    parser.add_argument("--only", nargs="*", default=())
    given = parser.parse_args()
    measure_photos(given.photos, pairs=given.pairs, shared=given.shared, only=given.only)


def measure_photos(
    folder: Path | None, *, pairs: int = PAIRS, shared: int = SHARED_PHOTOS, only: Sequence[str] = ()
) -> None:
    """Report both tables for the photos of a folder, or for generated ones."""
    most = max(pairs, shared)
    photos = read_originals(folder, most=most) if folder else [draw(number, seed=3) for number in range(most)]
    what = "real photos" if folder else "generated photos"
    measure_tables(photos, pairs=pairs, shared=shared, what=what, only=only)


if __name__ == "__main__":
    main()

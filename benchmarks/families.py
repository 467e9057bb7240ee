"""Recall, precision and time of grouping near-duplicates from pixels alone. Target: 60 s on two cores.

python -m benchmarks.families [PHOTOS]     or     PETMOOD_PHOTOS=PHOTOS python -m benchmarks.families

PHOTOS is the dataset's `train` folder, with class folders in it. The ground truth comes from the names: `aug-7-012.jpg`
is a near-duplicate of `012.jpg` in the same class folder. Animals that were photographed more than once are added:
those of benchmarks/known_animals.py. Without PHOTOS the photos
are generated, see families_scale. The tables of alterations follow, see families_tables.
"""

import os
import re
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import report
from benchmarks.families_scale import write_photos
from benchmarks.families_tables import measure_photos
from benchmarks.known_animals import NOTED, SEEN
from petmood.data.duplicates.near_duplicates import Relation, find_near_duplicates, group_ids
from petmood.data.duplicates.originals import Member, choose_originals
from petmood.data.duplicates.relations import RelationKind

__all__ = ["main"]

LIMIT_S: Final = 60.0
T = TypeVar("T")
Pairs = set[tuple[int, int]]


class Clock:
    """Pass items through like a progress bar, and record when each step began."""

    def __init__(self) -> None:
        self.began: list[tuple[str, float, float]] = []

    def __call__(self, items: Iterable[T], *, total: int | None = None, what: str = "") -> Iterator[T]:  # noqa: ARG002 - the signature of ProgressBar
        """Yield the items; the first one asked for starts the step called ``what``."""
        self.began.append((what, time.perf_counter(), time.process_time()))
        yield from items

    def steps(self) -> dict[str, dict[str, float]]:
        """Return the wall and CPU seconds of each step, up to the next one or now."""
        ends = [*self.began[1:], ("", time.perf_counter(), time.process_time())]
        return {
            what: {"wall_s": round(end[1] - wall, 1), "cpu_s": round(end[2] - cpu, 1)}
            for (what, wall, cpu), end in zip(self.began, ends, strict=True)
        }


def name_of(path: Path) -> str:
    """Return CLASS/ORIGINAL.jpg, the same for an original and its near-duplicates."""
    return f"{path.parent.name}/{re.sub(r'^aug-[0-9]+-', '', path.name)}"


def read(paths: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    """Decode the photos one by one."""
    for path in paths:
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"))


def pairs_of(names: Sequence[object], groups: Sequence[Sequence[str]] = ()) -> Pairs:
    """Return all pairs of positions with the same name; names in one of the ``groups`` count as equal."""
    joined = [*names, *(name for group in groups for name in group)]
    number_of = {name: number for number, name in enumerate(dict.fromkeys(joined))}
    links = [(number_of[group[0]], number_of[name]) for group in groups for name in group[1:]]
    label = group_ids(
        len(number_of),
        [Relation(min(a, b), max(a, b), RelationKind.NEAR_DUPLICATE, 9, mirrored=False, scale=1.0) for a, b in links],
    )
    members = defaultdict(list)
    for number, name in enumerate(names):
        members[label[number_of[name]]].append(number)
    return {pair for group in members.values() for pair in combinations(group, 2)}


def share(part: Pairs, whole: Pairs) -> float:
    """Return the fraction of the pairs in ``whole`` that are in ``part``."""
    return round(len(part & whole) / len(whole), 5) if whole else 1.0


def originals_named(paths: Sequence[Path], relations: Sequence[Relation], *, names: bool) -> float:
    """Return the fraction of true originals that are kept; without ``names``, ties are broken by chance."""
    order = np.random.default_rng(0).permutation(len(paths)).tolist()
    position_of = {number: position for position, number in enumerate(order)}
    moved = []
    for one in relations:
        a, b = position_of[one.first], position_of[one.second]
        inside = (one.first_inside, one.second_inside) if a < b else (one.second_inside, one.first_inside)
        moved.append(Relation(min(a, b), max(a, b), one.kind, one.inliers, one.mirrored, one.scale, 1.0, *inside))
    members = [Member(224, 224, paths[number].name if names else "") for number in order]
    chosen = [position for position, original in enumerate(choose_originals(members, moved)) if position == original]
    true = {number for number, path in enumerate(paths) if not path.name.startswith("aug-")}
    return round(len({order[position] for position in chosen} & true) / len(true), 4)


def compare(paths: Sequence[Path], relations: Sequence[Relation]) -> dict[str, Any]:
    """Compare the detected groups with the ground truth."""
    names = [name_of(path) for path in paths]
    copies, noted, true = pairs_of(names), pairs_of(names, NOTED), pairs_of(names, NOTED + SEEN)
    found = pairs_of(group_ids(len(paths), relations))
    found_copies = {(one.first, one.second) for one in relations if one.kind == RelationKind.NEAR_DUPLICATE}
    wrong = Counter(" + ".join(sorted((names[a], names[b]))) for a, b in found - true)
    missed = Counter(" + ".join(sorted((names[a], names[b]))) for a, b in true - found)
    return {
        "pairs": {"copies": len(copies), "with_noted_animals": len(noted), "with_seen": len(true), "found": len(found)},
        "recall_of_copies": share(found, copies),
        "recall_with_noted_animals": share(found, noted),
        "recall_with_seen_animals": share(found, true),
        "precision": share(true, found),
        "precision_of_names_and_notes_alone": share(noted, found),
        "wrong": dict(wrong),
        "missed": dict(missed),
        "kind_copy": {"recall": share(found_copies, copies), "precision": share(copies, found_copies)},
        "originals_named": {
            "names_hidden": originals_named(paths, relations, names=False),
            "names_shown": originals_named(paths, relations, names=True),
            "by_chance": round(len(set(names)) / len(names), 4),
        },
    }


def measure(folder: Path, *, what: str) -> None:
    """Group the photos in the folder and report."""
    paths = sorted(folder.glob("*/*.jpg"))
    clock, began, used = Clock(), time.perf_counter(), time.process_time()
    relations = find_near_duplicates(read(paths), total=len(paths), progress=clock)
    steps, took, cpu = clock.steps(), time.perf_counter() - began, time.process_time() - used
    facts = compare(paths, relations)
    report(
        f"groups: {what}, seconds of {LIMIT_S:g}",
        ratio=took / LIMIT_S,
        target=1.0,
        details={
            "photos": len(paths),
            "wall_s": round(took, 1),
            "cpu_s": round(cpu, 1),
            "load_average": round(os.getloadavg()[0], 1),
            "steps": steps,
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            **facts,
        },
        conditions={
            "99.5% of pairs found": facts["recall_with_noted_animals"] >= 0.995,
            "99% precision": facts["precision"] >= 0.99,
        },
    )


def main() -> None:
    """Measure the given folder, or generated photos."""
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PETMOOD_PHOTOS")
    if folder:
        measure(Path(folder), what="real photos")
        measure_photos(Path(folder))
        return
    with tempfile.TemporaryDirectory() as made:
        write_photos(Path(made), count=1000, seed=1)
        measure(Path(made), what="generated photos")
    measure_photos(None)


if __name__ == "__main__":
    main()

"""Near-duplicates among many photos: recall, precision, time and memory of the search in two stages.

python -m benchmarks.families_scale [PHOTOS] [--small 1000] [--large 10000] [--exhaustive]

The photos are drawn while they are read, seven of ten as modified copies. PHOTOS is the `train` folder of the dataset,
with class folders; its photos are then among them. Their truth comes from the names: `aug-7-012.jpg` is a copy of
`012.jpg` in the same class folder. Each run is a process of its own. Times are CPU seconds, which load on the
machine affects less, without the time of drawing. ``--exhaustive`` runs the exhaustive search on the same photos as
well. Target: a photo takes at most 1.3 times as long at the larger size, and 4 kB of memory.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import report
from petmood.data.duplicates.chosen_search import ChosenSearch, SearchKind
from petmood.data.duplicates.near_duplicates import Relation, group_ids
from petmood.data.duplicates.relations import RelationKind
from petmood.models.photo_embedding import open_embedder
from tests.support.images import photo_like

__all__ = ["change", "draw", "growth_of", "in_a_process", "main", "original_name", "write_photos"]

RATIO: Final = 1.3
MEMORY_BYTES: Final = 4_000
SHARE: Final = 0.99
SIDE_PX: Final = 224
PER_ORIGINAL: Final = 10 / 3

Pixels = NDArray[np.uint8]
Pairs = set[tuple[int, int]]


def draw(number: int, *, seed: int) -> Pixels:
    """Draw an image of clouds and sharp shapes."""
    rng = np.random.default_rng([seed, number])
    image = photo_like(SIDE_PX, SIDE_PX, seed=int(rng.integers(1 << 31)))
    for _ in range(int(rng.integers(5, 25))):
        x, y, a, b, turn = (int(value) for value in rng.integers(4, [SIDE_PX, SIDE_PX, 50, 50, 180]))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.ellipse(image, (x, y), (a, b), turn, 0, 360, colour, int(rng.choice([-1, 2, 3])), cv2.LINE_AA)
    return image


def change(image: Pixels, *, seed: list[int]) -> Pixels:
    """Flip, rotate, zoom and recolor an image at random."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    matrix = cv2.getRotationMatrix2D((SIDE_PX / 2, SIDE_PX / 2), float(rng.normal(0, 12)), float(rng.uniform(1, 1.5)))
    moved = cv2.warpAffine(image, matrix, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(moved * rng.uniform(0.6, 1.1, 3) + rng.uniform(-20, 40), 0, 255), np.uint8)


def drawn_photos(count: int, *, seed: int) -> Iterator[tuple[str, Pixels]]:
    """Yield drawn photos, named as the real ones: NUMBER.jpg and aug-N-NUMBER.jpg."""
    original, image = -1, draw(0, seed=seed)
    for number in range(count):
        name, pixels = f"aug-{number}-{original:05}.jpg", image
        if int(number / PER_ORIGINAL) != original:
            original = int(number / PER_ORIGINAL)
            image = pixels = draw(original, seed=seed)
            name = f"{original:05}.jpg"
        else:
            pixels = change(image, seed=[seed, number])
        yield name, pixels


def write_photos(folder: Path, *, count: int, seed: int) -> None:
    """Write drawn photos into one class folder."""
    (folder / "drawn").mkdir(parents=True)
    for name, pixels in drawn_photos(count, seed=seed):
        Image.fromarray(pixels).save(folder / "drawn" / name, quality=90)


def original_name(path: Path) -> str:
    """Return CLASS/ORIGINAL.jpg, the same for an original and its near-duplicates."""
    return f"{path.parent.name}/{re.sub(r'^aug-[0-9]+-', '', path.name)}"


@dataclass
class Stream:
    """Drawn photos with those of files among them; the name of each one's original, and the time that they took."""

    count: int
    files: Sequence[Path]
    originals: list[str] = field(default_factory=list)
    is_real: list[bool] = field(default_factory=list)
    seconds: float = 0.0

    def __iter__(self) -> Iterator[Pixels]:
        """Yield the photos; files are spread evenly."""
        drawn = drawn_photos(self.count - len(self.files), seed=1)
        real = np.zeros(self.count, np.bool_)
        real[np.linspace(0, self.count - 1, len(self.files)).astype(int)] = True
        files = iter(self.files)
        for is_real in real.tolist():
            began = time.thread_time()
            if is_real:
                path = next(files)
                name, pixels = original_name(path), np.asarray(Image.open(path).convert("RGB"))
            else:
                name, pixels = next(drawn)
                name = original_name(Path("drawn") / name)
            self.seconds += time.thread_time() - began
            self.originals.append(name)
            self.is_real.append(is_real)
            yield pixels


def search(kind: SearchKind, count: int, photos: Path | None) -> dict[str, Any]:
    """Group drawn photos in this process; return the measurements and the group numbers."""
    files = sorted(photos.glob("*/*.jpg")) if photos else []
    stream = Stream(count, files[:count])
    with open_embedder() as embed, tempfile.TemporaryDirectory() as folder:
        find = ChosenSearch(kind, folder=Path(folder), embedder=lambda: nullcontext(embed))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, used = time.perf_counter(), time.process_time()
        relations = find(stream, total=count)
        took, cpu = time.perf_counter() - began, time.process_time() - used - stream.seconds
    copies = [one for one in relations if one.kind == RelationKind.NEAR_DUPLICATE]
    return {
        "photos": count,
        "real": len(files[:count]),
        "wall_s": round(took, 1),
        "cpu_s": round(cpu, 1),
        "memory_before_mb": before // 1024,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "copies": accuracy(stream, copies),
        "groups": group_ids(count, copies),
        "all_groups": group_ids(count, relations),
    }


def accuracy(stream: Stream, copies: Sequence[Relation]) -> dict[str, Any]:
    """Return recall and precision of pairs of near-duplicates, of all photos and of the real ones."""
    true, found = pairs_of(stream.originals), pairs_of(group_ids(stream.count, copies))
    facts: dict[str, Any] = {}
    for name, kept in (("all", [True] * stream.count), ("real", stream.is_real)):
        asked, got = ({pair for pair in pairs if kept[pair[0]] or kept[pair[1]]} for pairs in (true, found))
        facts[name] = {"pairs": len(asked), "recall": share(got, asked), "precision": share(asked, got)}
    return facts


def pairs_of(names: Sequence[object]) -> Pairs:
    """Return all pairs of positions with the same name."""
    members = defaultdict(list)
    for number, name in enumerate(names):
        members[name].append(number)
    return {pair for group in members.values() for pair in combinations(group, 2)}


def share(part: Pairs, whole: Pairs) -> float:
    """Return the fraction of the pairs in ``whole`` that are in ``part``."""
    return round(len(part & whole) / len(whole), 5) if whole else 1.0


def in_a_process(count: int, *, kind: SearchKind, photos: Path | None = None) -> dict[str, Any]:
    """Draw photos and group them in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.families_scale", *([str(photos)] if photos else [])]
    command += ["--only", kind, "--large", str(count)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def beside_exhaustive(found: dict[str, Any], exhaustive: dict[str, Any]) -> dict[str, Any]:
    """Compare the groups of two searches of the same photos: pairs, and the shares of the exhaustive ones found."""
    facts = {}
    for name, key in (("near-duplicates", "groups"), ("with related", "all_groups")):
        own, other = pairs_of(found[key]), pairs_of(exhaustive[key])
        facts[name] = {
            "pairs": len(own),
            "exhaustive": len(other),
            "found": share(own, other),
            "also": share(other, own),
        }
    return facts


def main() -> None:
    """Compare two sizes, or two searches; ``--only`` prints the measurements of one search in this process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families_scale")
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--exhaustive", action="store_true")
    parser.add_argument("--only", type=SearchKind)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(search(chosen.only, chosen.large, chosen.photos)))
        return
    kinds = [SearchKind.TWO_STAGES, *([SearchKind.EXHAUSTIVE] if chosen.exhaustive else [])]
    runs = {
        kind: [in_a_process(count, kind=kind, photos=chosen.photos) for count in (chosen.small, chosen.large)]
        for kind in kinds
    }
    small, large = runs[SearchKind.TWO_STAGES]
    growth = {kind: growth_of(*pair) for kind, pair in runs.items()}
    beside = beside_exhaustive(large, runs[SearchKind.EXHAUSTIVE][1]) if chosen.exhaustive else None
    for one in (run for pair in runs.values() for run in pair):
        del one["groups"], one["all_groups"]
    bytes_a_photo = growth[SearchKind.TWO_STAGES]["bytes_a_photo"]
    accuracies = [value for part in large["copies"].values() for value in (part["recall"], part["precision"])]
    report(
        f"near-duplicates in two stages: CPU time of a photo, {chosen.large:,} photos against {chosen.small:,}",
        ratio=(large["cpu_s"] / chosen.large) / (small["cpu_s"] / chosen.small),
        target=RATIO,
        details={
            "load_average": round(os.getloadavg()[0], 1),
            "growth": growth,
            "beside_exhaustive": beside,
            "runs": runs,
        },
        conditions={
            "4 kB of memory a photo": bytes_a_photo <= MEMORY_BYTES,
            "99% recall and precision": min(accuracies) >= SHARE,
        },
    )


def growth_of(small: dict[str, Any], large: dict[str, Any]) -> dict[str, float]:
    """Return the memory and CPU time of one more photo."""
    more = large["photos"] - small["photos"]
    return {
        "bytes_a_photo": round(1024**2 * (large["peak_memory_mb"] - small["peak_memory_mb"]) / more),
        "ms_a_photo": round(1000 * (large["cpu_s"] - small["cpu_s"]) / more, 1),
    }


if __name__ == "__main__":
    main()

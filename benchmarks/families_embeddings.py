"""The first stage of the search for near-duplicates alone, on drawn embeddings: recall, time and memory.

python -m benchmarks.families_embeddings PHOTOS [--small 10000] [--large 100000]

PHOTOS is the `train` folder of the dataset. Its photos are embedded, and embeddings are drawn from theirs. A drawn
original is the sum of two real originals around their mean, divided by the square root of 2, so that the spread stays.
Its copies differ from it as the copies of one real photo differ from theirs. What is counted is the share of pairs of
copies that are among the pairs that the stage chooses. Each size is a process of its own. Target: CPU time of a photo
at the larger size, at most 3.5 times that at the smaller one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import report
from benchmarks.families_scale import original_name, pairs_of
from petmood.data.duplicates.neighbors import ends_of, nearest_pairs
from petmood.data.duplicates.two_stages import BY_EMBEDDING
from petmood.models.photo_embedding import open_embedder

__all__ = ["main"]

RATIO: Final = 3.5
RECALL: Final = 0.99
CHUNK: Final = 1000

Floats = NDArray[np.float32]


def embed(photos: Path, *, to: Path) -> None:
    """Embed the photos of a folder and keep the originals [N, 2, W], and the differences of copies, by original."""
    paths = sorted(photos.glob("*/*.jpg"))
    with open_embedder() as embedder:
        vectors = np.stack([embedder(np.asarray(Image.open(path).convert("RGB"))) for path in paths])
    names = [original_name(path) for path in paths]
    place = {name: number for number, name in enumerate(names) if not paths[number].name.startswith("aug-")}
    originals = sorted(place.values())
    copies = [number for number, name in enumerate(names) if name in place and number != place[name]]
    of = [originals.index(place[names[number]]) for number in copies]
    moved = vectors[copies] - vectors[[originals[number] for number in of]]
    np.savez(to, originals=vectors[originals], moved=moved, of=of)


def draw(embedded: Path, count: int, *, to: Path) -> tuple[list[int], int]:
    """Write ``count`` drawn embeddings float16 [count, 2, W] in a random order; return each one's original, and W."""
    with np.load(embedded) as real:
        originals, moved, of = real["originals"], real["moved"], real["of"]
    rng, mean = np.random.default_rng(0), originals.mean(axis=0)
    places, number, truth = rng.permutation(count).tolist(), 0, [0] * count
    size = originals[0].size * 2
    with to.open("wb") as file:
        while number < count:
            a, b, like = rng.integers(0, len(originals), 3)
            one = mean + (originals[a] + originals[b] - 2 * mean) / np.sqrt(2)
            first = number
            for change in (np.zeros_like(one), *moved[of == like]):
                if number < count:
                    file.seek(size * places[number])
                    file.write((one + change).astype(np.float16).tobytes())
                    truth[places[number]] = first
                    number += 1
    return truth, originals.shape[2]


def memory_peak(*, restart: bool = False) -> int:
    """Return the largest memory of this process in bytes since the last restart (Linux)."""
    if restart:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    lines = Path("/proc/self/status").read_text("ascii", errors="replace").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def search(embedded: Path, count: int) -> dict[str, Any]:
    """Draw embeddings and search them in this process."""
    with tempfile.TemporaryDirectory() as folder:
        truth, width = draw(embedded, count, to=Path(folder) / "drawn")
        with (Path(folder) / "drawn").open("rb") as stream:

            def read(numbers: Sequence[int]) -> Floats:
                parts = []
                for number in numbers:
                    stream.seek(4 * width * number)
                    parts.append(np.frombuffer(stream.read(4 * width), np.float16))
                return np.stack(parts).reshape(-1, 2, width).astype(np.float32)

            before, used = memory_peak(restart=True), time.process_time()
            pairs = ends_of(nearest_pairs(count, read, neighbors=BY_EMBEDDING, threads=1))
            cpu, peak = time.process_time() - used, memory_peak()
    found, true = {(a, b) for a, b in pairs.tolist()}, pairs_of(truth)
    return {
        "photos": count,
        "cpu_ms_a_photo": round(1000 * cpu / count, 3),
        "memory_mb": round((peak - before) / 1e6, 1),
        "pairs_a_photo": round(len(found) / count, 2),
        "copies": len(true),
        "recall": round(len(true & found) / len(true), 5),
    }


def in_a_process(embedded: Path, count: int) -> dict[str, Any]:
    """Draw and search embeddings in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.families_embeddings", str(embedded), "--only", str(count)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Compare two sizes; with ``--only``, PHOTOS is a file of embeddings, and one size is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families_embeddings")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--only", type=int)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(search(chosen.photos, chosen.only)))
        return
    with tempfile.TemporaryDirectory() as folder:
        embedded = Path(folder) / "embedded.npz"
        embed(chosen.photos, to=embedded)
        small, large = (in_a_process(embedded, count) for count in (chosen.small, chosen.large))
    report(
        f"near embeddings: CPU time of a photo, {chosen.large:,} photos against {chosen.small:,}",
        ratio=large["cpu_ms_a_photo"] / small["cpu_ms_a_photo"],
        target=RATIO,
        details={"small": small, "large": large},
        conditions={"99% of the copies": large["recall"] >= RECALL},
    )


if __name__ == "__main__":
    main()

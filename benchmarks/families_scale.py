"""Growth of time and memory of the near-duplicate search. Target: 10,000 photos in 15x the time of 1,000, 2 GB.

Every run is a separate process on generated photos, of which 70% are modified copies, as in the real dataset. The ratio
is that of CPU seconds, which load on the machine affects less; wall seconds are reported too.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common import report
from petmood.data.duplicates.near_duplicates import find_near_duplicates, group_ids
from tests.support.images import photo_like

__all__ = ["main", "write_photos"]

SMALL, LARGE = 1000, 10_000
RATIO: Final = 15.0
MEMORY_MB: Final = 2000
SIDE_PX: Final = 224
PER_ORIGINAL: Final = 10 / 3

Pixels = NDArray[np.uint8]


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


def write_photos(folder: Path, *, count: int, seed: int) -> None:
    """Write generated photos, named as the real ones: NUMBER.jpg and aug-N-NUMBER.jpg in one class folder."""
    (folder / "drawn").mkdir(parents=True)
    original, image = -1, draw(0, seed=seed)
    for number in range(count):
        name, pixels = f"aug-{number}-{original:05}.jpg", image
        if int(number / PER_ORIGINAL) != original:
            original = int(number / PER_ORIGINAL)
            image = pixels = draw(original, seed=seed)
            name = f"{original:05}.jpg"
        else:
            pixels = change(image, seed=[seed, number])
        Image.fromarray(pixels).save(folder / "drawn" / name, quality=90)


def search(folder: Path) -> dict[str, Any]:
    """Group the photos of a folder in this process; return the measurements."""

    def read() -> Any:  # noqa: ANN401 - a stream of arrays
        for path in paths:
            with Image.open(path) as photo:
                yield np.asarray(photo.convert("RGB"))

    paths = sorted(folder.glob("*/*.jpg"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    began, used = time.perf_counter(), time.process_time()
    numbers = group_ids(len(paths), find_near_duplicates(read(), total=len(paths)))
    took, cpu = time.perf_counter() - began, time.process_time() - used
    truth = [path.stem.rsplit("-", 1)[-1] for path in paths]
    return {
        "photos": len(paths),
        "wall_s": round(took, 1),
        "cpu_s": round(cpu, 1),
        "memory_before_mb": before,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "groups_true": len(set(truth)),
        "groups_found": len(set(numbers)),
        "groups_mixed": len(set(zip(truth, numbers, strict=True))) - len(set(numbers)),
        "groups_split": len(set(zip(truth, numbers, strict=True))) - len(set(truth)),
    }


def in_a_process(count: int) -> dict[str, Any]:
    """Generate photos here and group them in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder), count=count, seed=1)
        command = [sys.executable, "-m", "benchmarks.families_scale", folder]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Compare two sizes; with a folder as the argument, group only that one and print its measurements."""
    if len(sys.argv) > 1:
        print(json.dumps(search(Path(sys.argv[1]))))
        return
    small, large = in_a_process(SMALL), in_a_process(LARGE)
    report(
        "groups: 10,000 photos against 1,000",
        ratio=large["cpu_s"] / small["cpu_s"],
        target=RATIO,
        details={
            "wall_ratio": round(large["wall_s"] / small["wall_s"], 2),
            "load_average": round(os.getloadavg()[0], 1),
            "small": small,
            "large": large,
        },
        conditions={"memory under 2 GB": large["peak_memory_mb"] < MEMORY_MB},
    )


if __name__ == "__main__":
    main()

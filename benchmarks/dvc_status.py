"""Cost of many small files in DVC, loose or packed. Target: `dvc status` on 10,000 photos under 5 s.

python -m benchmarks.dvc_status [COUNT ...]     sizes other than 1000 and 10000

Each size is measured twice: as the folder of photos that petmood uses, and packed into one tar per dataset. The steps
are add, push, pull (in a fresh clone, from a folder as the remote), and a status without changes. The time and remote
storage of adding one photo are measured too.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common import report

__all__ = ["main"]

SIZES: Final = (1000, 10_000)
LIMIT_S: Final = 5.0
PHOTO_BYTES: Final = (6_000, 18_000)
"""File sizes of the demo's generated JPEGs and of photos of 224 px."""


class Clone:
    """A repository in a folder, with DVC's state beside it; commands are timed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = Path(sys.executable).parent
        self.env = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": f"{folder}-site",
            **{f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def run(self, *words: str | Path) -> float:
        """Run a command and return its wall seconds."""
        began = time.perf_counter()
        subprocess.run([str(word) for word in words], cwd=self.folder, env=self.env, check=True, capture_output=True)
        return round(time.perf_counter() - began, 2)


def write_photos(folder: Path, *, count: int, first: int = 0) -> None:
    """Write incompressible files, like photos."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        (folder / f"{number:05d}.jpg").write_bytes(rng.bytes(int(rng.integers(*PHOTO_BYTES))))


def write_packed(folder: Path, target: Path) -> None:
    """Pack a folder into one tar file."""
    with tarfile.open(target, "w") as tar:
        tar.add(folder, arcname=folder.name)


def unpack(clone: Clone, target: Path) -> float:
    """Unpack a pulled tar file, as training would require; return the seconds."""
    began = time.perf_counter()
    with tarfile.open(target) as tar:
        tar.extractall(clone.folder / "unpacked", filter="data")
    return round(time.perf_counter() - began, 2)


def measure(place: Path, *, count: int, packed: bool) -> dict[str, float]:
    """Return the seconds of every step for one size and one layout."""
    origin, photos = Clone(place / "origin"), place / "photos"
    write_photos(photos, count=count)
    origin.folder.mkdir()
    origin.run("git", "init", "--quiet")
    origin.run("dvc", "init", "--quiet")
    origin.run("dvc", "remote", "add", "--default", "here", place / "remote")
    name = "pets.tar" if packed else "pets"
    make: Callable[[], Any] = (
        (lambda: write_packed(photos, origin.folder / name))
        if packed
        else (lambda: subprocess.run(["cp", "-r", photos, origin.folder / name], check=True))
    )
    make()
    found = {"add_s": origin.run("dvc", "add", name), "push_s": origin.run("dvc", "push")}
    found["status_s"] = min(origin.run("dvc", "status") for _ in range(3))
    found["status_of_remote_s"] = origin.run("dvc", "status", "--cloud")
    origin.run("git", "add", "--all")
    origin.run("git", "commit", "--quiet", "--message", "v1")
    cloned = Clone(place / "clone")
    origin.run("git", "clone", "--quiet", origin.folder, cloned.folder)
    found["pull_s"] = cloned.run("dvc", "pull")
    if packed:
        found["unpack_s"] = unpack(cloned, cloned.folder / name)
    before = stored_mb(place / "remote")
    write_photos(photos, count=1, first=count)
    if packed:
        make()
    else:
        write_photos(origin.folder / name, count=1, first=count)
    found["one_more_add_s"] = origin.run("dvc", "add", name)
    found["one_more_push_s"] = origin.run("dvc", "push")
    found["one_more_stored_mb"] = round(stored_mb(place / "remote") - before, 2)
    return found


def stored_mb(folder: Path) -> float:
    """Return the size of a folder in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    """Measure every size in both layouts; the target applies to the status of the largest folder."""
    sizes = tuple(int(word) for word in sys.argv[1:]) or SIZES
    details: dict[str, Any] = {"load_average": round(os.getloadavg()[0], 1)}
    for count in sizes:
        for packed in (False, True):
            with tempfile.TemporaryDirectory(prefix="petmood-bench-") as place:
                found = measure(Path(place), count=count, packed=packed)
            details[f"{count} {'in a tar' if packed else 'in a folder'}"] = found
    status_s = details[f"{max(sizes)} in a folder"]["status_s"]
    report(
        f"dvc status on {max(sizes)} photos, seconds of {LIMIT_S:g}",
        ratio=status_s / LIMIT_S,
        target=1.0,
        details=details,
    )


if __name__ == "__main__":
    main()

"""Which data sets do the tests learn from? Index and pictures written directly, a mood told by its stripes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.moods import MOODS
from petmood.data.index import IndexRow, write_index
from tests.pictures import png

SMALL: Final = (
    "model=tiny",
    "model.side_px=24",
    "recipe=scratch",
    "optimiser=adamw_fast",
    "augment=none",
    "trainer=cpu",
    "tracker=none",
)
"""Overrides of a training that takes a second or two."""

DIRECTIONS: Final = ((0.0, 1.0), (1.0, 0.0), (0.7, 0.7), (0.7, -0.7))
SPECIES: Final = ("cat", "dog")


def striped(mood: str, rng: np.random.Generator, *, side_px: int = 32, noise: float = 30.0) -> NDArray[np.uint8]:
    """Draw stripes whose direction is the mood; colours, width and place are chance. uint8 [side, side, 3]."""
    down, right = DIRECTIONS[MOODS.index(mood)]
    rows, columns = np.mgrid[:side_px, :side_px]
    wave = np.sin((rows * down + columns * right) * rng.uniform(0.7, 1.0) + rng.uniform(0, 2 * np.pi))
    colour = rng.uniform(0.5, 1.0, size=3)
    pixels = 128 + 90 * wave[..., None] * colour + rng.normal(0, noise, (side_px, side_px, 3))
    return np.asarray(np.clip(pixels, 0, 255), dtype=np.uint8)


def write_small_set(
    folder: Path,
    *,
    train: int = 32,
    valid: int = 16,
    test: int = 16,
    copies: int = 0,
    moods: Sequence[str] = MOODS,
    seed: int = 0,
    noise: float = 30.0,
) -> Path:
    """Write a data set whose moods come in turn; the first ``copies`` training photos get a near-equal copy each."""
    rng = np.random.default_rng(seed)
    rows = []
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        for number in range(count):
            mood = moods[number % len(moods)]
            pixels = striped(mood, rng, noise=noise)
            name = f"photos/{split}-{number:03d}.png"
            rows.append(_write(folder, name, pixels, mood=mood, split=split, family=name, species=SPECIES[number % 2]))
            if split == "train" and number < copies:
                twin = np.clip(pixels.astype(np.int16) + 3, 0, 255).astype(np.uint8)
                copy = f"photos/copy-{number:03d}.png"
                rows.append(_write(folder, copy, twin, mood=mood, split=split, family=name, role="copy"))
    write_index(folder, rows)
    return folder


def _write(
    folder: Path,
    name: str,
    pixels: NDArray[np.uint8],
    *,
    mood: str,
    split: str,
    family: str,
    role: str = "original",
    species: str = "",
) -> IndexRow:
    data = png(pixels)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return IndexRow(name, digest, mood, split, family, role, width, height, "PNG", species)

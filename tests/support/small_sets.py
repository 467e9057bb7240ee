"""Small datasets for training tests: index and images written directly, with stripes that encode the class."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import IndexRow, Role, Split, write_index
from tests.support.images import png

SMALL: Final = (
    "model=tiny",
    "model.image_size=24",
    "recipe=scratch",
    "optimizer=adamw_fast",
    "augment=none",
    "trainer=cpu",
    "tracker=none",
    "evaluation.calibration_min_groups=2",
    "evaluation.false_alarms=0",
    "evaluation.robustness=0",
)
"""Overrides of a training that takes a second or two."""

DIRECTIONS: Final = ((0.0, 1.0), (1.0, 0.0), (0.7, 0.7), (0.7, -0.7))
SPECIES: Final = ("cat", "dog")


def striped(label: str, rng: np.random.Generator, *, side_px: int = 32, noise: float = 30.0) -> NDArray[np.uint8]:
    """Draw stripes whose direction is the class; colors, width and place are chance. uint8 [side, side, 3]."""
    down, right = DIRECTIONS[DEFAULT_CLASSES.index(label)]
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
    evaluation_copies: int = 0,
    classes: Sequence[str] = DEFAULT_CLASSES,
    seed: int = 0,
    noise: float = 30.0,
) -> Path:
    """Write a data set whose classes come in turn.

    The first ``copies`` training photos, and the first ``evaluation_copies`` of each other split, get a near-equal
    copy each.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for split, count in zip(Split, (train, valid, test), strict=True):
        for number in range(count):
            place = number % len(classes)
            label = classes[place]
            drawn_as = label if label in DEFAULT_CLASSES else DEFAULT_CLASSES[place % len(DEFAULT_CLASSES)]
            pixels = striped(drawn_as, rng, noise=noise)
            name = f"photos/{split}-{number:03d}.png"
            rows.append(_write(folder, name, pixels, label=label, split=split, group=name, species=SPECIES[number % 2]))
            if number < (copies if split == Split.TRAIN else evaluation_copies):
                twin = np.clip(pixels.astype(np.int16) + 3, 0, 255).astype(np.uint8)
                copy = f"photos/copy-{split}-{number:03d}.png"
                rows.append(_write(folder, copy, twin, label=label, split=split, group=name, role=Role.NEAR_DUPLICATE))
    write_index(folder, rows)
    return folder


def _write(
    folder: Path,
    name: str,
    pixels: NDArray[np.uint8],
    *,
    label: str,
    split: Split,
    group: str,
    role: Role = Role.ORIGINAL,
    species: str = "",
) -> IndexRow:
    data = png(pixels)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return IndexRow(name, digest, label, split, group, role, width, height, "PNG", species)

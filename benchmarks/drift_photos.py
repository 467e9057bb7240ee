"""Measurements of photos and of altered ones for the benchmark of drift; embeddings are kept in a temporary folder."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from benchmarks.altered_pixels import Pixels, clipped, jpeg, noisy
from petmood.core.files import sha256_of
from petmood.core.image import ImageSpec, load
from petmood.core.image_statistics import image_statistics
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.index import Split
from petmood.data.synthetic.animal_faces import SPECIES, draw_face
from petmood.models.domain import FeatureNetwork
from petmood.models.network import ExpressionNet
from petmood.pipelines.networks import load_network
from petmood.pipelines.run_folder import open_run
from petmood.training.dataset import evaluation_rows, open_index, open_photo_set

__all__ = [
    "DRAWINGS",
    "SHIFTS",
    "SPECIES_SHIFT",
    "STRENGTHS",
    "Features",
    "PhotoSet",
    "drawn_photos",
    "full_side_photos",
    "real_photos",
    "run_photos",
]

REAL_SPEC: Final = ImageSpec(side_px=192)
DRAWN_SIDE_PX: Final = 96
DOG_FACES: Final = 1000
ALTERED: Final = 250
"""Real photos that are altered: those of the windows that show drift."""
NEAR_DUPLICATE: Final = 0.96
"""Cosine of two embeddings from which photos count as one group."""
DOGS: Final = slice(151, 269)
"""ImageNet's classes of dogs."""
NO_DOG: Final = 0.1
"""Probability of a dog below which a pet counts as another species."""
STRENGTHS: Final = {
    "blur": (1.0, 2.0, 4.0),
    "darkness": (0.85, 0.7, 0.5),
    "noise": (8.0, 16.0, 32.0),
    "jpeg": (60, 30, 10),
    "rotation": (10.0, 20.0, 40.0),
}
"""Standard deviation in pixels, factor, standard deviation in gray values, quality, largest angle in degrees."""
SHIFTS: Final = tuple(STRENGTHS)
SPECIES_SHIFT: Final = "a new species"
DRAWINGS: Final = "drawings"


@dataclass(frozen=True, slots=True)
class Features:
    """Image statistics float32 [N, 4] and embeddings float32 [N, 1280]."""

    statistics: NDArray[np.float32]
    embedding: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.statistics)

    def take(self, rows: NDArray[np.int64]) -> "Features":
        """Return some rows."""
        return Features(self.statistics[rows], self.embedding[rows])

    def __add__(self, other: "Features") -> "Features":
        """Return both, one after the other."""
        joined = (np.concatenate(pair) for pair in zip(_arrays(self), _arrays(other), strict=True))
        return Features(*joined)


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos of one kind with their groups int [N], and altered copies of the first ones by shift and strength.

    Strength 1 is the middle one. ``others`` are photos of another kind.
    """

    photos: Features
    groups: NDArray[np.int64]
    altered: dict[tuple[str, int], Features]
    others: dict[str, Features]


def real_photos(folder: Path) -> PhotoSet:
    """Measure dog faces of ``folder``/dog-faces, other pets of ``folder``/pets-facial-expression, and drawings."""
    paths, groups = _dog_faces(folder)
    pixels, name = _loaded(paths), f"dog-faces-{_digest(paths)}"
    photos, _ = measured(pixels, name=name)
    pets = [path for path in sorted((folder / "pets-facial-expression").glob("*/*/*.jpg")) if path.name[:4] != "aug-"]
    others, chances = measured(_loaded(pets), name=f"pets-{_digest(pets)}")
    species = others.take(np.flatnonzero(chances[:, DOGS].sum(axis=1) < NO_DOG))
    drawings, _ = measured(lambda: _drawings(ALTERED, side_px=REAL_SPEC.side_px, seed=1), name=f"drawings-{ALTERED}")
    return PhotoSet(
        photos,
        _with_near_duplicates(groups, photos.embedding),
        _altered(lambda: pixels()[:ALTERED], name=name, strengths=(0, 1, 2)),
        {SPECIES_SHIFT: species, DRAWINGS: drawings},
    )


def full_side_photos(folder: Path) -> PhotoSet:
    """Measure dog faces and those after JPEG coding with embeddings from 192 px, not 96 px.

    A served model's own embedding is from its full input.
    """
    paths, groups = _dog_faces(folder)
    pixels, name = _loaded(paths), f"full-dog-faces-{_digest(paths)}"
    photos, _ = measured(pixels, name=name, full_side=True)

    def changed() -> Pixels:
        return np.stack([jpeg(image, int(STRENGTHS["jpeg"][1])) for image in pixels()[:ALTERED]])

    altered, _ = measured(changed, name=f"{name}-jpeg", full_side=True)
    return PhotoSet(photos, groups, {("jpeg", 1): altered}, {})


def run_photos(path: Path) -> PhotoSet:
    """Measure the held-out photos of a run with the embeddings of its own network, and altered ones of them.

    These are the photos and the embeddings that a bundle's drift reference is made of.
    """
    run = open_run(path)
    facts, folder = run.read_metadata(), run.dataset()
    index = open_index(folder, expected_hash=facts.data_hash)
    rows = [row for split in (Split.VALID, Split.TEST) for row in evaluation_rows(index.rows, split)]
    rows = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]
    pixels = open_photo_set(folder, rows, classes=facts.classes, image=facts.image).cache.pixels
    network, name = load_network(run), f"run-{sha256_of(run.weights)[:16]}-{facts.data_hash[:16]}"
    altered = {}
    for shift in SHIFTS:
        alter = _alteration(shift, STRENGTHS[shift][1], np.random.default_rng([1, *shift.encode()]))
        changed = np.stack([alter(image) for image in pixels[:ALTERED]])
        altered[shift, 1] = _features_of_run(network, changed, name=f"{name}-{shift}")
    groups = np.unique([row.group_id for row in rows], return_inverse=True)[1]
    return PhotoSet(_features_of_run(network, np.asarray(pixels), name=name), groups, altered, {})


def _features_of_run(network: ExpressionNet, pixels: Pixels, *, name: str) -> Features:
    def embedding() -> dict[str, NDArray[np.float32]]:
        return {"embedding": np.concatenate([network.features(batch).numpy() for batch in _batches(pixels)])}

    return Features(image_statistics(pixels), _kept(name, embedding)["embedding"])


def drawn_photos(count: int, *, altered: int, shifts: Sequence[str] = SHIFTS[:4]) -> PhotoSet:
    """Measure drawn pets, each a group of its own, and altered copies of middle strength."""
    pixels, name = cache(lambda: _drawings(count, side_px=DRAWN_SIDE_PX, seed=0)), f"drawn-{count}"
    photos, _ = measured(pixels, name=name)
    changed = _altered(lambda: pixels()[:altered], name=f"{name}-{altered}", strengths=(1,), shifts=shifts)
    return PhotoSet(photos, np.arange(count), changed, {})


def measured(
    pixels: Callable[[], Pixels], *, name: str, full_side: bool = False
) -> tuple[Features, NDArray[np.float32]]:
    """Return the features of pixels uint8 [N, S, S, 3], and ImageNet probabilities [N, 1000].

    The network gets them at its usual 96 px, or with ``full_side`` as they are. What it returns is kept for a name;
    image statistics take little time, and are always those of this version.
    """
    made = pixels()

    def outputs() -> dict[str, NDArray[np.float32]]:
        network = FeatureNetwork(side_px=made.shape[1])
        if full_side:
            network.resize = torch.eye(made.shape[1])
        logits: list[torch.Tensor] = []
        network.head.register_forward_hook(lambda _module, _inputs, output: logits.append(output))
        embedding = np.concatenate([network(batch).features.numpy() for batch in _batches(made)])
        return {"embedding": embedding, "chances": torch.cat(logits).softmax(1).numpy()}

    found = _kept(name, outputs)
    return Features(image_statistics(made), found["embedding"]), found["chances"]


def _batches(pixels: Pixels) -> Iterator[torch.Tensor]:
    for start in range(0, len(pixels), 32):
        yield torch.from_numpy(np.array(pixels[start : start + 32])).permute(0, 3, 1, 2)


def _kept(name: str, make: Callable[[], dict[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """Return arrays that are kept in a file, which ``make`` made when there was none."""
    path = Path(tempfile.gettempdir()) / "petmood-drift" / f"{name}.npz"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.npz")
        with torch.inference_mode():
            np.savez(part, **make())  # type: ignore[arg-type]  # names of arrays, not allow_pickle
        part.replace(path)
    with np.load(path) as stored:
        return dict(stored)


def _dog_faces(folder: Path) -> tuple[list[Path], NDArray[np.int64]]:
    """Return ``DOG_FACES`` files, and numbers of the photos that they were cut from."""
    paths = sorted((folder / "dog-faces").glob("*/*.jpg"))
    some = [paths[at] for at in np.random.default_rng(0).permutation(len(paths))[:DOG_FACES]]
    return some, np.unique([re.sub(r"_face\d+$", "", path.stem) for path in some], return_inverse=True)[1]


def _loaded(paths: Sequence[Path]) -> Callable[[], Pixels]:
    return cache(lambda: np.stack([load(path, REAL_SPEC).pixels for path in paths]))


def _digest(paths: Sequence[Path]) -> str:
    return hashlib.sha256("\n".join(map(str, paths)).encode()).hexdigest()[:16]


def _altered(
    pixels: Callable[[], Pixels], *, name: str, strengths: Sequence[int], shifts: Sequence[str] = SHIFTS
) -> dict[tuple[str, int], Features]:
    def changed(shift: str, strength: int) -> Pixels:
        rng = np.random.default_rng([strength, *shift.encode()])
        alter = _alteration(shift, STRENGTHS[shift][strength], rng)
        return np.stack([alter(image) for image in pixels()])

    return {
        (shift, strength): measured(partial(changed, shift, strength), name=f"{name}-{shift}-{strength}")[0]
        for shift in shifts
        for strength in strengths
    }


def _alteration(shift: str, strength: float, rng: np.random.Generator) -> Callable[[Pixels], Pixels]:
    def rotated(image: Pixels) -> Pixels:
        side = image.shape[0]
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(rng.uniform(-strength, strength)), 1.0)
        return np.asarray(cv2.warpAffine(image, turn, (side, side), borderMode=cv2.BORDER_REFLECT), np.uint8)

    return {
        "blur": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), strength), np.uint8),
        "darkness": lambda image: clipped(image * strength),
        "noise": lambda image: noisy(image, strength, rng),
        "jpeg": lambda image: jpeg(image, int(strength)),
        "rotation": rotated,
    }[shift]


def _drawings(count: int, *, side_px: int, seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    kinds = [(label, species) for species in SPECIES for label in DEFAULT_CLASSES]
    return np.stack([draw_face(*kinds[rng.integers(len(kinds))], rng=rng, side_px=side_px) for _ in range(count)])


def _with_near_duplicates(groups: NDArray[np.int64], embedding: NDArray[np.float32]) -> NDArray[np.int64]:
    """Join groups of photos whose embeddings, each of length 1, are nearly equal."""
    first, second = np.nonzero(embedding @ embedding.T > NEAR_DUPLICATE)
    pairs = coo_array((np.ones(len(first)), (groups[first], groups[second])), shape=(groups.max() + 1,) * 2)
    return np.asarray(connected_components(pairs, directed=False)[1], np.int64)[groups]


def _arrays(some: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return some.statistics, some.embedding

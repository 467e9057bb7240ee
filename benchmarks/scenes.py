"""Shares of composites that the scene warnings find, and of photos that they wrongly warn of. Target: half are found.

python -m benchmarks.scenes [PHOTOS]     or     PETMOOD_PHOTOS=PHOTOS python -m benchmarks.scenes

PHOTOS is a folder with class folders of photos with one pet each; at most 800 are used. Without it 400 pets are drawn.
The probes are fitted to one half, and measured on the other, whose composites have other backgrounds. The last dash or
underline of a name and all behind it is left off for the group, so that `ID_face1` and `ID_face2` stay together.
"""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common import report
from petmood.core.domain import SCENE_WARNINGS
from petmood.core.image import ImageSpec, load, prepare
from petmood.core.labels import DEFAULT_CLASSES
from petmood.data.synthetic.animal_faces import SPECIES, draw_face
from petmood.evaluation.bootstrap import estimate_proportion
from petmood.evaluation.composites import CompositeKind, composites
from petmood.evaluation.non_pets import NonPetKind, non_pets
from petmood.evaluation.scenes import POSITIVE, ScenePhotos, fit_scenes
from petmood.models.domain import FeatureNetwork

__all__ = ["main"]

SPEC: Final = ImageSpec(side_px=192)
PHOTOS: Final = 800
DRAWN: Final = 400
EACH: Final = 150
TARGET: Final = 0.02
Pixels = NDArray[np.uint8]


def main() -> None:
    """Measure the photos of the given folder, or drawn pets."""
    folder = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PETMOOD_PHOTOS")
    if folder:
        paths = sorted(path for path in Path(folder).glob("*/*.jpg") if not path.name.startswith("aug-"))
        some = [paths[at] for at in np.random.default_rng(0).permutation(len(paths))[:PHOTOS]]
        groups = [re.sub(r"[-_][^-_]*$", "", path.stem) for path in some]
        measure(np.stack([load(path, SPEC).pixels for path in some]), groups, what="real photos")
        return
    rng = np.random.default_rng(0)
    kinds = [(label, species) for species in SPECIES for label in DEFAULT_CLASSES]
    drawn = [draw_face(*kinds[at % len(kinds)], rng=rng, side_px=SPEC.side_px) for at in range(DRAWN)]
    measure(np.stack(drawn), [str(at) for at in range(DRAWN)], what="drawn pets")


def measure(pixels: Pixels, groups: Sequence[str], *, what: str) -> None:
    """Fit the probes to one half of the photos, measure them on the other, and report."""
    torch.set_num_threads(1)
    network = FeatureNetwork(side_px=SPEC.side_px)
    names = np.array(groups)
    second = np.isin(names, np.unique(names)[1::2])
    objects = np.stack(
        [prepare(one.pixels, SPEC) for one in non_pets(drawings=False) if one.kind is NonPetKind.OBJECTS]
    )
    first = pixels[~second]
    given = ScenePhotos(first, scene(network, first), tuple(names[~second]), np.zeros(len(first), dtype=np.int64))
    fit = fit_scenes(given, objects[::2], lambda some: scene(network, some), target_false_alarms=TARGET)
    if fit is None:
        raise SystemExit(f"Expected photos of 200 groups or more, got {len(np.unique(names))}.")

    def warned(some: Pixels) -> NDArray[np.bool_]:
        return np.asarray(scene(network, some) @ fit.weights + fit.offsets > 0)

    rng = np.random.default_rng(1)
    made = composites(pixels[second], objects[1::2], each=EACH, rng=rng, kinds=tuple(CompositeKind))
    by_kind: dict[CompositeKind, list[Pixels]] = {}
    for one in made:
        by_kind.setdefault(one.kind, []).append(one.pixels)
    found = {kind: warned(np.stack(some)).mean(axis=0) for kind, some in by_kind.items()}
    of_photos = warned(pixels[second])
    group_of = np.unique(names[second], return_inverse=True)[1]
    for at, name in enumerate(SCENE_WARNINGS):
        alarms = estimate_proportion(of_photos[:, at], group_of)
        wanted = [float(found[kind][at]) for kind in POSITIVE[name]]
        report(
            f"scene warning {name} of {what}: share not found / half",
            ratio=(1 - float(np.mean(wanted))) / 0.5,
            target=1.0,
            details={
                "photos": [len(first), len(of_photos)],
                "kept": name in fit.kept,
                "found": {str(kind): round(float(found[kind][at]), 3) for kind in POSITIVE[name]},
                "of_other_composites": {
                    str(kind): round(float(share[at]), 3) for kind, share in found.items() if kind not in POSITIVE[name]
                },
                "false_alarms": [round(value, 4) for value in (alarms.value, alarms.low, alarms.high)],
                "cross_validation": fit.to_json()[name],
            },
            conditions={"not significantly more than 2% of photos are warned of": alarms.low <= TARGET},
        )


def scene(network: FeatureNetwork, pixels: Pixels) -> NDArray[np.float32]:
    """Return the scene features [N, 1504] of prepared photos."""
    with torch.inference_mode():
        parts = [
            network(torch.from_numpy(np.array(pixels[start : start + 32])).permute(0, 3, 1, 2)).scene.numpy()
            for start in range(0, len(pixels), 32)
        ]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()

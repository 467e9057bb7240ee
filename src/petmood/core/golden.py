"""Golden photos of a bundle: prepared pixels with the trained network's outputs, compared at every load."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.arrays import ArrayBounds, read_arrays
from petmood.core.bundle import ATOL, RTOL, Bundle, Manifest
from petmood.core.errors import BundleError, DataError
from petmood.core.graph_outputs import CLASS_MAPS, EMBEDDING, MOST_COLUMNS, RESIDUAL
from petmood.core.variants import VariantInfo

__all__ = ["Golden", "maps_agree", "read_golden", "read_variant_golden"]

MAX_GOLDEN: Final = 64
"""Most golden photos of a bundle; an export writes 32."""


MAPS_AGREE: Final = 0.75
"""Share of golden photos whose class maps must agree."""


@dataclass(frozen=True, slots=True)
class Golden:
    """Golden photos as prepared pixels uint8 [N, S, S, 3], with the trained network's outputs for them.

    ``logits`` float32 [N, K] and class maps float32 [N, K, H, W] are those before the division by the temperature;
    ``maps`` is None for a bundle without them. ``scores`` are the domain scores by name, each float32 [N]; empty for a
    bundle without a domain rule. ``embedding`` float32 [N, D] and ``residual`` float32 [N] are None for one without.
    """

    pixels: NDArray[np.uint8]
    logits: NDArray[np.float32]
    scores: dict[str, NDArray[np.float32]]
    maps: NDArray[np.float32] | None = None
    embedding: NDArray[np.float32] | None = None
    residual: NDArray[np.float32] | None = None


def read_golden(bundle: Bundle) -> Golden:
    """Read the golden photos with the logits, and the class maps and domain scores that the manifest announces.

    Raises:
        BundleError: the file is not a valid npz file, or its shapes or types don't match the manifest.
    """
    manifest, path = bundle.manifest, bundle.folder / "golden.npz"
    side, classes = manifest.image.side_px, len(manifest.classes)
    names = manifest.domain.outputs if manifest.domain else ()
    bounds = {
        "pixels": ArrayBounds("uint8", (MAX_GOLDEN, side, side, 3)),
        **_output_bounds(manifest),
        **{name: ArrayBounds("float32", (MAX_GOLDEN,)) for name in names},
    }
    try:
        found = read_arrays(path, bounds)
    except DataError as error:
        raise BundleError(f"{error} Export the run again.") from error
    count = len(found["logits"])
    shapes = {"pixels": (count, side, side, 3), "logits": (count, classes), **dict.fromkeys(names, (count,))}
    maps = found.get(CLASS_MAPS)
    if maps is not None:
        shapes[CLASS_MAPS] = (count, classes, *maps.shape[2:])
    embedding, residual = found.get(EMBEDDING), found.get(RESIDUAL)
    if embedding is not None:
        shapes |= {EMBEDDING: (count, embedding.shape[1]), RESIDUAL: (count,)}
    expected = ", ".join(f"{bounds[name].dtype} {shape}" for name, shape in shapes.items())
    got = ", ".join(f"{found[name].dtype} {found[name].shape}" for name in shapes)
    if count == 0 or got != expected:
        raise BundleError(f"{path}: expected arrays {expected}, got {got}. Export the run again.")
    scores = {name: found[name] for name in names}
    return Golden(found["pixels"], found["logits"], scores, maps, embedding, residual)


def read_variant_golden(bundle: Bundle, variant: VariantInfo, *, photos: int) -> dict[str, NDArray[np.float32]]:
    """Read a variant's outputs by name, each float32 [N, ...], for the N golden photos of the bundle.

    They are those of the graph itself: logits and class maps are divided by the temperature.

    Raises:
        BundleError: the file is not a valid npz file, or its shapes or types don't match the manifest.
    """
    path = bundle.folder / variant.golden_name
    try:
        found = read_arrays(path, _output_bounds(bundle.manifest))
    except DataError as error:
        raise BundleError(f"{error} Export the run again.") from error
    if not all(len(one) == photos for one in found.values()):
        raise BundleError(f"{path}: expected outputs for {photos} photos. Export the run again.")
    return found


def _output_bounds(manifest: Manifest) -> dict[str, ArrayBounds]:
    """Return the bounds of the golden outputs of a bundle's network, by name."""
    side, classes = manifest.image.side_px, len(manifest.classes)
    bounds = {"logits": ArrayBounds("float32", (MAX_GOLDEN, classes))}
    if manifest.has_class_maps:
        bounds[CLASS_MAPS] = ArrayBounds("float32", (MAX_GOLDEN, classes, side, side))
    if manifest.has_embedding:
        bounds[EMBEDDING] = ArrayBounds("float32", (MAX_GOLDEN, MOST_COLUMNS))
        bounds[RESIDUAL] = ArrayBounds("float32", (MAX_GOLDEN,))
    return bounds


def maps_agree(expected: NDArray[np.floating], got: NDArray[np.floating]) -> bool:
    """Return whether class maps [N, K, H, W] are finite, and those of at least 75% of the photos within the tolerance.

    A gradient jumps where a ReLU begins. So a rounding difference that changes no logit can change the map of a photo.
    """
    close = np.isclose(got, expected, rtol=RTOL, atol=ATOL).reshape(len(got), -1).all(axis=1)
    return bool(np.isfinite(got).all() and close.mean() >= MAPS_AGREE)

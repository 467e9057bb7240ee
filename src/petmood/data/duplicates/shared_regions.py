"""Content that many unrelated photos show at one place: captions, frames, logos, watermarks, backgrounds.

Two rules find it. A keypoint at the same place of the frame, of the same size, direction and descriptor in several
groups of copies belongs to an overlay or a fixed background. So does a place where a photo agrees with the photos of
many groups of copies, wherever it lies in their frames.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from petmood.data.duplicates.comparison import Comparison, PhotoFeatures, SharedContent
from petmood.data.duplicates.correlation import THUMB_PX
from petmood.data.duplicates.keypoints import UNIT, Keypoints

__all__ = [
    "SHARED_BY",
    "SharedRegion",
    "add_region",
    "fixed_keypoints",
    "frequent_keypoints",
    "shared_content",
    "shared_regions",
]

SHARED_BY = 6
"""Other groups of copies that show the same content at the same place of the frame, from which it is shared."""
FREQUENT_BY = 8
"""Other groups of copies that agree at one place of a photo, anywhere in their own frames, from which it is shared."""
PLACE_PX = 4.0
"""Largest difference of x and of y of keypoints at the same place, in pixels of the scaled frame."""
SIZE_OCTAVES = 0.5
ANGLE_CHORD = 0.5
"""Largest difference of the cosines and of the sines of two equal directions (about 30 degrees)."""
SAME_DESCRIPTOR = 0.85
"""Smallest cosine of two equal descriptors."""
REACH_PX = 10.0
"""Keypoints this near, in pixels, to a shared one are ignored: their descriptors cover the same pixels."""
AROUND_PX = 14.0
"""Radius in pixels of the region around a shared keypoint whose pixels aren't compared."""
CELL_PX = 14.0
MOST_OF_FRAME = 0.5
"""Largest share of the frame of a region that is left out of the comparison as a whole."""
NEAREST = 64
"""Keypoints that are compared first: enough for content of many photos, where all would take quadratic time."""
_BEYOND = np.nextafter(1.0, 2.0)

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SharedRegion:
    """Photos, by index, that show the same content in a region; left, top, right and bottom as shares of the frame."""

    photos: tuple[int, ...]
    box: tuple[float, float, float, float]

    def mask(self) -> Mask:
        """Return the region as bool [64, 64]; nothing if it is most of the frame, so that little would be left."""
        left, top, right, bottom = (round(THUMB_PX * side) for side in self.box)
        inside = np.zeros((THUMB_PX, THUMB_PX), np.bool_)
        if (right - left) * (bottom - top) <= MOST_OF_FRAME * THUMB_PX**2:
            inside[top:bottom, left:right] = True
        return inside

    def __str__(self) -> str:
        """Name the region, such as "bottom 24% of the frame"."""
        left, top, right, bottom = (round(100 * side) for side in self.box)
        across, down = right - left, bottom - top
        if across > 80 and down > 80:
            return "the frame or background all around"
        if across > 80:
            return f"the {'bottom' if top > 100 - bottom else 'top'} {down}% of the frame"
        if down > 80:
            return f"the {'right' if left > 100 - right else 'left'} {across}% of the frame"
        return f"{left} to {right}% from the left and {top} to {bottom}% from the top"


def shared_content(photo: PhotoFeatures, flagged: Mask) -> SharedContent:
    """Return the content around flagged keypoints, bool [K]."""
    keypoints = photo.keypoints
    where = keypoints.positions[:, :2]
    near = flagged.copy()
    region = np.zeros((THUMB_PX, THUMB_PX), np.uint8)
    axes = (round(AROUND_PX * THUMB_PX / keypoints.width), round(AROUND_PX * THUMB_PX / keypoints.height))
    for x, y in where[flagged]:
        near |= np.abs(where - (x, y)).max(axis=1) <= REACH_PX
        center = (int(x * THUMB_PX / keypoints.width), int(y * THUMB_PX / keypoints.height))
        cv2.ellipse(region, center, axes, 0, 0, 360, 1, -1)
    return SharedContent(near, region > 0)


def add_region(content: SharedContent, region: Mask, photo: PhotoFeatures) -> SharedContent:
    """Return content with another region, bool [64, 64], and the keypoints in it."""
    keypoints = photo.keypoints
    scale = np.array([THUMB_PX / keypoints.width, THUMB_PX / keypoints.height])
    cells = np.clip((keypoints.positions[:, :2] * scale).astype(int), 0, THUMB_PX - 1)
    return SharedContent(content.keypoints | region[cells[:, 1], cells[:, 0]], content.region | region)


def fixed_keypoints(photos: Sequence[Keypoints], copies: Sequence[int], wanted: Iterable[int]) -> dict[int, Mask]:
    """Return for every wanted photo which keypoints stand at the same place in ``SHARED_BY`` other groups of copies.

    ``copies`` numbers the groups of copies that the photos belong to.
    """
    chosen = sorted(wanted)
    if not chosen:
        return {}
    owners = np.repeat(np.asarray(copies), [len(photo.positions) for photo in photos])
    descriptors = np.concatenate([photo.descriptors for photo in photos])
    tree = cKDTree(np.concatenate([_places(photo) for photo in photos]))
    found = {}
    for number in chosen:
        photo, places = photos[number], _places(photos[number])
        mask = np.zeros(len(places), np.bool_)
        near = tree.query(places, NEAREST, p=np.inf, distance_upper_bound=_BEYOND)[1] if len(mask) else []
        for position, nearest in enumerate(near):
            others = nearest[nearest < tree.n]
            alike = _alike_groups(photo.descriptors[position], others, descriptors, owners) - {copies[number]}
            if len(alike) < SHARED_BY and len(others) == NEAREST:
                others = np.array(tree.query_ball_point(places[position], 1.0, p=np.inf))
                alike = _alike_groups(photo.descriptors[position], others, descriptors, owners) - {copies[number]}
            mask[position] = len(alike) >= SHARED_BY
        if mask.any():
            found[number] = mask
    return found


def _alike_groups(
    own: NDArray[np.uint8], others: NDArray[np.intp], descriptors: NDArray[np.uint8], owners: NDArray[np.int64]
) -> set[int]:
    """Return the groups of copies that have a descriptor like this one among ``others``."""
    alike = descriptors[others].astype(np.float32) @ own.astype(np.float32)
    return set(owners[others][alike >= SAME_DESCRIPTOR * UNIT**2].tolist())


def _places(photo: Keypoints) -> Floats:
    """Return place, size and direction of keypoints, [K, 5], so that equal ones differ by at most 1 in each."""
    x, y, size, way = photo.positions.astype(np.float64).T
    return np.column_stack(
        [
            x / PLACE_PX,
            y / PLACE_PX,
            np.log2(np.maximum(size, 1e-3)) / SIZE_OCTAVES,
            np.cos(way) / ANGLE_CHORD,
            np.sin(way) / ANGLE_CHORD,
        ]
    )


def frequent_keypoints(
    photos: Sequence[Keypoints], copies: Sequence[int], found: Iterable[Comparison]
) -> dict[int, Mask]:
    """Return which keypoints lie where their photo agrees with the photos of ``FREQUENT_BY`` other groups of copies."""
    partners: dict[int, dict[tuple[int, int], set[int]]] = defaultdict(lambda: defaultdict(set))
    for one in found:
        if one.is_one_image:
            continue
        ends = ((one.relation.first, one.relation.second), (one.relation.second, one.relation.first))
        for side, (photo, other) in enumerate(ends):
            for x, y in np.unique(_cells(photos[photo])[one.agreeing[:, side]], axis=0).tolist():
                partners[photo][x, y].add(copies[other])
    masks = {}
    for photo, cells in partners.items():
        many = {cell for cell, groups in cells.items() if len(groups - {copies[photo]}) >= FREQUENT_BY}
        if many:
            masks[photo] = np.array([tuple(cell) in many for cell in _cells(photos[photo]).tolist()], np.bool_)
    return masks


def _cells(photo: Keypoints) -> NDArray[np.int64]:
    return (photo.positions[:, :2] // CELL_PX).astype(np.int64)


def shared_regions(content: Sequence[SharedContent], refuted: Sequence[tuple[int, int]]) -> list[SharedRegion]:
    """Return the regions of photos, by index, whose agreement was due to shared content alone.

    ``refuted`` are the pairs that aren't related outside of it. Fewer than ``SHARED_BY`` photos make no region.
    """
    pairs = np.array(refuted, np.intp).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(len(content),) * 2)
    _, component = connected_components(graph, directed=False)
    members = defaultdict(list)
    for number, part in enumerate(component.tolist()):
        members[part].append(number)
    return [
        SharedRegion(tuple(photos), _box([content[number].region for number in photos]))
        for photos in members.values()
        if len(photos) >= SHARED_BY
    ]


def _box(regions: Sequence[Mask]) -> tuple[float, float, float, float]:
    """Return the sides of the smallest rectangle around the places that half of the regions cover."""
    covered = np.mean(regions, axis=0) >= 0.5
    across, down = np.flatnonzero(covered.any(axis=0)), np.flatnonzero(covered.any(axis=1))
    if not len(across):
        return (0.0, 0.0, 1.0, 1.0)
    ends = (across[0], down[0], across[-1] + 1, down[-1] + 1)
    left, top, right, bottom = (float(end) / THUMB_PX for end in ends)
    return (left, top, right, bottom)

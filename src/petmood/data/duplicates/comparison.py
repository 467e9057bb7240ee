"""Comparison of two photos by their features: kind of relation, from matched keypoints and aligned pixels.

What many unrelated photos show at one place (a caption, a frame, a background) is left out, if it is known: its
keypoints aren't matched, and its pixels aren't correlated.
"""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from petmood.core.errors import DataError
from petmood.data.duplicates.alignment import CELL_PX, MATCHES, SimilarityTransform, estimate_transform
from petmood.data.duplicates.candidates import Candidate
from petmood.data.duplicates.correlation import THUMB_PX, Overlap, aligned_correlation, edge_thumbnail, thumbnail
from petmood.data.duplicates.keypoints import UNIT, Keypoints, detect_and_compute, mirror_descriptors
from petmood.data.duplicates.relations import RelationKind

__all__ = [
    "Comparison",
    "PhotoFeatures",
    "Relation",
    "SharedContent",
    "compare",
    "describe_photo",
    "is_strip",
    "kind_of",
    "match_descriptors",
    "nothing_shared",
    "swapped",
]

RELATED_INLIERS = 9
"""Smallest number of inliers of a related pair.

Measured on 296 real originals: pairs of two similar animals reach 8, six pairs of photos of one animal reach 9 to 25.
One such pair with 7 is missed.
"""
RELATED_CORRELATION = 0.3
"""Smallest correlation of a related pair with fewer than ``CERTAIN_INLIERS``.

Five groups of one animal have pairs with 0.34 to 0.62. Of ten chance pairs among 240 drawn faces with 9 to 13 inliers,
one has more than 0.27 (0.305).
"""
CERTAIN_INLIERS = 14
"""With this many inliers a related pair needs no correlation: an animal on another background has little."""
DUPLICATE_INLIERS = 5
"""Smallest number of inliers of a near-duplicate pair; the weakest real pair has 25."""
FEW_INLIERS = 3
"""Smallest number of inliers of a near-duplicate pair with ``CERTAIN_CORRELATION``: a small part of a photo has few."""
CERTAIN_CORRELATION = 0.9
"""With this correlation and ``COPY_SPREAD``, ``FEW_INLIERS`` are enough: the pixels decide."""
DUPLICATE_CORRELATION = 0.75
"""Smallest correlation of a near-duplicate pair.

1,323 real near-duplicate pairs have 0.86 to 1.0, other photos of one animal up to 0.62, similar animals up to 0.43.
"""
DUPLICATE_SPREAD = 0.6
"""Smallest share of the common area with detail in which the photos of a near-duplicate pair agree locally."""
COPY_SPREAD = 0.8
"""With this share in agreement, two photos are one image whatever else they have in common with others."""
STRIP_PX = 6.0
"""Smallest standard deviation of the places that agree, across their main direction; below it they form a strip."""
RATIO = 0.85
"""Largest ratio of a match's squared distance to that of the second best in the same photo (ratio test)."""

Bytes = NDArray[np.uint8]
_NOWHERE: Final = np.zeros((THUMB_PX, THUMB_PX), np.bool_)
_NOWHERE.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Relation:
    """Relation of two photos, ``first`` < ``second``, of one group.

    ``kind`` is near-duplicate if the pixels agree wherever the frames overlap, else related.
    ``inliers`` counts the distinct grid cells that agree. ``scale`` is an object's size in the second frame over its
    size in the first, with both frames scaled to one longer side. ``agreement`` is the correlation of the pixels.
    ``first_inside`` and ``second_inside`` are the shares (0 to 1) of each frame that the other covers.
    """

    first: int
    second: int
    kind: RelationKind
    inliers: int
    mirrored: bool
    scale: float
    agreement: float = 1.0
    first_inside: float = 1.0
    second_inside: float = 1.0


@dataclass(frozen=True, slots=True)
class PhotoFeatures:
    """What near-duplicates of a photo are found by, about 66 kB.

    These are keypoints, a gray thumbnail uint8 [64, 64], the strength of edges uint8 [64, 64], and a digest.
    """

    keypoints: Keypoints
    thumb: Bytes
    digest: bytes
    edges: Bytes


@dataclass(frozen=True, slots=True)
class SharedContent:
    """What a photo has in common with many unrelated ones.

    ``keypoints`` is bool [K], ``region`` bool [64, 64] in thumbnail pixels.
    """

    keypoints: NDArray[np.bool_]
    region: NDArray[np.bool_]

    def joined(self, other: "SharedContent") -> "SharedContent":
        """Return the content of both."""
        return SharedContent(self.keypoints | other.keypoints, self.region | other.region)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A relation, the share of the common area in agreement, and the keypoints that agree ([I, 2], may be empty)."""

    relation: Relation
    spread: float
    agreeing: NDArray[np.intp]

    @property
    def is_one_image(self) -> bool:
        """Whether the photos agree nearly everywhere, so that no shared region can be the cause."""
        return self.relation.kind == RelationKind.NEAR_DUPLICATE and self.spread >= COPY_SPREAD


def nothing_shared(photo: PhotoFeatures) -> SharedContent:
    """Return shared content that is empty. Its region is one array for all photos, which can't be written to."""
    return SharedContent(np.zeros(len(photo.keypoints.positions), np.bool_), _NOWHERE)


def describe_photo(pixels: Bytes) -> PhotoFeatures:
    """Return the features of a photo, uint8 [H, W, 3] RGB. Raises ``DataError`` for an array of another kind."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise DataError(
            f"Expected a photo as uint8 [height, width, 3], got {pixels.dtype} {list(pixels.shape)}. "
            "Decode it with petmood.core.photo.decode first."
        )
    keypoints, thumb = detect_and_compute(pixels), thumbnail(pixels)
    return PhotoFeatures(keypoints, thumb, keypoints.digest() + thumb.tobytes(), edge_thumbnail(pixels))


def compare(
    pair: Candidate, photos: tuple[PhotoFeatures, PhotoFeatures], shared: tuple[SharedContent, SharedContent]
) -> Comparison | None:
    """Return how two photos are related outside of what they share with many others, or None.

    Matches and transform differ a little with the direction. If the first direction isn't enough, the other one counts.
    """
    transform = _transform(photos, shared, mirrored=pair.mirrored)
    if transform is None:
        return None
    found = _judge(pair, photos, shared, transform)
    if found is not None:
        return found
    other_way, their_content = (photos[1], photos[0]), (shared[1], shared[0])
    transform = _transform(other_way, their_content, mirrored=pair.mirrored)
    found = None if transform is None else _judge(pair, other_way, their_content, transform)
    if found is None:
        return None
    # Only the content is swapped here: the pair keeps its order.
    turned = replace(swapped(found.relation), first=pair.first, second=pair.second)
    return Comparison(turned, found.spread, found.agreeing[:, ::-1])


def swapped(one: Relation) -> Relation:
    """Return a relation as seen from its second photo."""
    return replace(
        one,
        first=one.second,
        second=one.first,
        scale=round(1 / one.scale, 4),
        first_inside=one.second_inside,
        second_inside=one.first_inside,
    )


def _transform(
    photos: tuple[PhotoFeatures, PhotoFeatures], shared: tuple[SharedContent, SharedContent], *, mirrored: bool
) -> SimilarityTransform | None:
    """Return the transform of the first photo to the second, or None with too few inliers for any relation."""
    a, b = photos[0].keypoints, photos[1].keypoints
    matches = match_descriptors(a, b, (~shared[0].keypoints, ~shared[1].keypoints), mirrored=mirrored)
    transform = estimate_transform(a, b, matches, mirrored=mirrored)
    return transform if transform is not None and transform.inliers >= FEW_INLIERS else None


def _judge(
    pair: Candidate,
    photos: tuple[PhotoFeatures, PhotoFeatures],
    shared: tuple[SharedContent, SharedContent],
    transform: SimilarityTransform,
) -> Comparison | None:
    a, b = photos
    ignored = (shared[0].region, shared[1].region)
    overlap = _overlap(a, b, _in_shares(transform, a.keypoints, b.keypoints), ignored)
    kind = kind_of(transform.inliers, overlap)
    if kind is None:
        return None
    if kind == RelationKind.RELATED and (
        is_strip(a.keypoints.positions[transform.agreeing[:, 0]])
        or is_strip(b.keypoints.positions[transform.agreeing[:, 1]])
    ):
        return None
    relation = Relation(
        pair.first,
        pair.second,
        kind,
        transform.inliers,
        pair.mirrored,
        round(transform.scale, 4),
        round(overlap.agreement, 4),
        round(overlap.first_inside, 4),
        round(overlap.second_inside, 4),
    )
    return Comparison(relation, overlap.spread, transform.agreeing)


def _overlap(
    a: PhotoFeatures,
    b: PhotoFeatures,
    matrix: NDArray[np.float64],
    ignored: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> Overlap:
    """Correlate in the frame that shows the content smaller, if enough is left: enlarged pixels are blurred."""
    if abs(float(np.linalg.det(matrix[:, :2]))) > 1:
        inverse = np.asarray(cv2.invertAffineTransform(matrix), np.float64)
        found = aligned_correlation(b.thumb, a.thumb, inverse, ignored=(ignored[1], ignored[0]))
        if found.agreement:
            return Overlap(found.agreement, found.second_inside, found.first_inside, found.spread)
    return aligned_correlation(a.thumb, b.thumb, matrix, ignored=ignored)


def kind_of(inliers: int, overlap: Overlap) -> RelationKind | None:
    """Return the relation of two photos with this many inliers and these aligned pixels, or None."""
    certain = overlap.agreement >= CERTAIN_CORRELATION and overlap.spread >= COPY_SPREAD
    if inliers < (FEW_INLIERS if certain else DUPLICATE_INLIERS):
        return None
    if overlap.agreement >= DUPLICATE_CORRELATION and overlap.spread >= DUPLICATE_SPREAD:
        return RelationKind.NEAR_DUPLICATE
    alike = inliers >= RELATED_INLIERS and overlap.agreement >= RELATED_CORRELATION
    return RelationKind.RELATED if alike or inliers >= CERTAIN_INLIERS else None


def is_strip(positions: NDArray[np.float32]) -> bool:
    """Return whether places lie in a narrow strip, as the letters of a caption do; one place per grid cell counts."""
    cells = np.unique((positions[:, :2] // CELL_PX).astype(np.int64), axis=0) * CELL_PX
    narrow = float(np.linalg.eigvalsh(np.cov(cells.T))[0]) if len(cells) > 1 else 0.0
    return bool(np.sqrt(max(narrow, 0.0)) < STRIP_PX)


def match_descriptors(
    a: Keypoints, b: Keypoints, used: tuple[NDArray[np.bool_], NDArray[np.bool_]], *, mirrored: bool
) -> NDArray[np.intp]:
    """Return mutually nearest descriptors that pass the ratio test, as index pairs [M, 2], best first."""
    rows, columns = np.flatnonzero(used[0]), np.flatnonzero(used[1])
    left = mirror_descriptors(a.descriptors) if mirrored else a.descriptors
    alike = (left[rows] / np.float32(UNIT)) @ (b.descriptors[columns] / np.float32(UNIT)).T
    if min(alike.shape) < 2:
        return np.zeros((0, 2), np.intp)
    here = np.arange(len(rows))
    chosen = alike.argmax(axis=1)
    mutual = alike.argmax(axis=0)[chosen] == here
    best = alike[here, chosen].copy()
    alike[here, chosen] = -1.0
    ratio = (1.0 - best) / np.maximum(1.0 - alike.max(axis=1), 1e-6)
    kept = np.flatnonzero(mutual & (ratio < RATIO))
    kept = kept[np.argsort(ratio[kept], kind="stable")[:MATCHES]]
    return np.column_stack([rows[kept], columns[chosen[kept]]])


def _in_shares(transform: SimilarityTransform, a: Keypoints, b: Keypoints) -> NDArray[np.float64]:
    """Return the transform's matrix for positions given as shares of the two frames, 0 to 1."""
    matrix = transform.matrix * np.array([[a.width, a.height, 1.0]])
    shares: NDArray[np.float64] = matrix / np.array([[b.width], [b.height]])
    return shares

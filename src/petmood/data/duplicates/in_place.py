"""Photos that agree without being moved: blends, negatives, drawings of edges, overexposed copies.

Such copies have few keypoints in common with their original. Their thumbnails are correlated where they stand, as they
are and mirrored, by brightness (a negative has a correlation of -1) and by the strength of edges. The search compares
all pairs of 32 px thumbnails by a product of matrices.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from petmood.data.duplicates.comparison import (
    DUPLICATE_CORRELATION,
    DUPLICATE_SPREAD,
    Comparison,
    PhotoFeatures,
    Relation,
    SharedContent,
)
from petmood.data.duplicates.correlation import (
    THUMB_PX,
    correlation,
    level,
    level_edges,
    local_agreement,
)
from petmood.data.duplicates.relations import RelationKind
from petmood.data.duplicates.shared_regions import SHARED_BY, add_region
from petmood.data.threads import ordered_map

__all__ = [
    "InPlace",
    "compare_in_place",
    "find_in_place",
    "is_drawing",
    "pairs_in_place",
    "relate_in_place",
    "small_gray",
]

GRAY_CORRELATION = 0.4
"""Smallest correlation of brightness, either sign; of 140 x 140 unrelated real photos the largest is 0.21."""
EDGE_CORRELATION = 0.5
"""Smallest correlation of the strength of edges; of 150 x 150 unrelated real photos the largest is 0.4."""
BLOCKS = 4
"""Blocks along each side in which a pair must agree too, so that a border or a corner doesn't decide alone."""
BLOCK_CORRELATION = 0.15
"""Smallest correlation of the blocks, except for the lowest quarter of them."""
BLOCK_DETAIL = 0.02
"""Smallest mean square of leveled values in a block that is compared."""
MARGIN_LEVELS = 4
"""Largest difference in gray levels within a flat margin."""
MARGIN_REACH_PX = 4
"""Thumbnail pixels around a margin that both photos have that aren't compared: the edge of the margin."""
DRAWING_CORRELATION = 0.7
"""Smallest correlation of brightness and strength of edges in a drawing: 95% of real photos have up to 0.65."""
MIN_COMPARED_PX = THUMB_PX**2 // 4
"""Smallest area in thumbnail pixels: what agrees in less than a quarter of the frame may be a part of it."""
SMALL_PART = 0.7
"""Share of the frame; where less is compared, the edge of what was left out may still agree."""
SMALL_PART_MARGIN = 0.12
"""How much larger the correlation must be where only a small part of the frame is compared."""
SEARCHED_PX = 32
SEARCH_MARGIN = 0.06
"""How much smaller the correlation of two small thumbnails may be than is asked for."""
PARTNERS = 24
"""Largest number of partners of a photo in each search."""
CHUNK_PHOTOS = 512

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, order=True)
class InPlace:
    """Two photos, ``first`` < ``second``, that may agree in place, one of them possibly mirrored."""

    first: int
    second: int
    mirrored: bool
    by_edges: bool


def relate_in_place(
    photos: Sequence[PhotoFeatures],
    content: Sequence[SharedContent],
    copies: Sequence[int],
    *,
    threads: int,
    pairs: Sequence[InPlace] | None = None,
) -> list[Comparison]:
    """Return the relations of photos that agree where they stand, outside of shared content.

    ``copies`` numbers the groups of copies. What a photo has in common with ``SHARED_BY`` other groups is shared too.
    ``pairs`` are those to compare; without them all photos are searched for such pairs.
    """
    left = list(content)

    def check(pair: InPlace, *, margin: float = SMALL_PART_MARGIN) -> Comparison | None:
        return compare_in_place(pair, *_ends(pair, photos, left), small_part_margin=margin)

    if pairs is None:
        pairs = find_in_place(photos, left) if photos else []
    checked = ordered_map(lambda pair: check(pair, margin=0.0), pairs, threads=threads)
    found = {pair: one for pair, one in zip(pairs, checked, strict=True) if one}
    apart = [pair for pair, one in found.items() if not one.is_one_image and copies[pair.first] != copies[pair.second]]
    regions = _common_regions([pair for pair in apart if not pair.mirrored], photos, left, copies)
    for number, region in regions.items():
        left[number] = add_region(left[number], region, photos[number])
    return [one for one in ordered_map(check, sorted(found), threads=threads) if one]


def _common_regions(
    pairs: Sequence[InPlace], photos: Sequence[PhotoFeatures], shared: Sequence[SharedContent], copies: Sequence[int]
) -> dict[int, Mask]:
    """Return where photos agree with ``SHARED_BY`` pairs, of those that have so many partners in other groups."""
    partners: dict[int, list[InPlace]] = defaultdict(list)
    for pair in pairs:
        partners[pair.first].append(pair)
        partners[pair.second].append(pair)
    regions = {}
    for number, own in partners.items():
        others = {copies[pair.first if pair.second == number else pair.second] for pair in own}
        if len(others) >= SHARED_BY:
            agreeing = [_agreeing(pair, *_ends(pair, photos, shared)) for pair in own]
            regions[number] = np.asarray(np.sum(agreeing, axis=0) >= SHARED_BY)
    return regions


def _ends(
    pair: InPlace, photos: Sequence[PhotoFeatures], shared: Sequence[SharedContent]
) -> tuple[tuple[PhotoFeatures, PhotoFeatures], tuple[SharedContent, SharedContent]]:
    return (photos[pair.first], photos[pair.second]), (shared[pair.first], shared[pair.second])


def _agreeing(
    pair: InPlace, photos: tuple[PhotoFeatures, PhotoFeatures], shared: tuple[SharedContent, SharedContent]
) -> Mask:
    """Return where two photos agree in place, bool [64, 64]."""
    a, b, where = _laid(pair, photos, shared)
    return local_agreement(a * np.sign(correlation(a, b, where)), b, where)[0]


def find_in_place(photos: Sequence[PhotoFeatures], shared: Sequence[SharedContent]) -> list[InPlace]:
    """Return the pairs whose small thumbnails agree in place outside of shared content, sorted."""
    found: set[InPlace] = set()
    drawings = np.array([is_drawing(photo) for photo in photos], np.bool_)
    views: tuple[tuple[bool, float, Callable[[PhotoFeatures], Floats]], ...] = (
        (False, GRAY_CORRELATION, _gray),
        (True, EDGE_CORRELATION, _edges),
    )
    for by_edges, least, view in views:
        asking = np.flatnonzero(drawings) if by_edges else np.arange(len(photos))
        if not len(asking):
            continue
        plain = np.stack([_small(view(photo), content.region) for photo, content in zip(photos, shared, strict=True)])
        mirrored = _mirrored(plain)
        for is_mirrored, others in ((False, plain), (True, mirrored)):
            for a, b in _alike(plain, others, asking, least=least - SEARCH_MARGIN, either_sign=not by_edges):
                found.add(InPlace(min(a, b), max(a, b), is_mirrored, by_edges))
    return sorted(found)


def small_gray(photo: PhotoFeatures) -> NDArray[np.float32]:
    """Return the leveled brightness of a photo as a vector of length 1, float32 [1024], for ``pairs_in_place``."""
    return _small(_gray(photo), np.zeros((THUMB_PX, THUMB_PX), np.bool_))


def pairs_in_place(first: int, second: int, vectors: tuple[NDArray[np.float32], NDArray[np.float32]]) -> list[InPlace]:
    """Return how two photos, ``first`` < ``second``, may agree in place by the ``small_gray`` of each."""
    a, b = vectors
    least = GRAY_CORRELATION - SEARCH_MARGIN
    views = ((False, a), (True, _mirrored(a)))
    return [
        InPlace(first, second, mirrored, by_edges=False) for mirrored, view in views if abs(float(view @ b)) >= least
    ]


def is_drawing(photo: PhotoFeatures) -> bool:
    """Return whether a photo is a drawing of edges: where it has edges, it is bright, or where it has none."""
    brightness, edges = photo.thumb.astype(np.float64), photo.edges.astype(np.float64)
    return abs(correlation(brightness, edges, np.ones(edges.shape, np.bool_))) >= DRAWING_CORRELATION


def _gray(photo: PhotoFeatures) -> Floats:
    return level(photo.thumb, np.ones((THUMB_PX, THUMB_PX), np.bool_))


def _edges(photo: PhotoFeatures) -> Floats:
    return level_edges(photo.edges)


def _mirrored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return small thumbnails as vectors, [..., 1024], of the mirrored photos."""
    images = vectors.reshape(*vectors.shape[:-1], SEARCHED_PX, SEARCHED_PX)
    return np.ascontiguousarray(images[..., ::-1]).reshape(vectors.shape)


def _small(leveled: Floats, ignored: Mask) -> NDArray[np.float32]:
    """Return a leveled thumbnail, without the ignored region, as a vector of length 1 (0 for a flat one)."""
    part = ~ignored
    mean = leveled[part].mean() if part.any() else 0.0
    kept = np.where(part, leveled - mean, 0.0)
    vector = cv2.resize(kept, (SEARCHED_PX, SEARCHED_PX), interpolation=cv2.INTER_AREA).ravel()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1.0), np.float32)


def _alike(
    plain: NDArray[np.float32],
    others: NDArray[np.float32],
    asking: NDArray[np.intp],
    *,
    least: float,
    either_sign: bool,
) -> Iterator[tuple[int, int]]:
    """Yield pairs of the photos ``asking`` and others with at least this correlation, the best of every photo."""
    for start in range(0, len(asking), CHUNK_PHOTOS):
        chunk = asking[start : start + CHUNK_PHOTOS]
        alike = plain[chunk] @ others.T
        if either_sign:
            alike = np.abs(alike)
        alike[np.arange(len(chunk)), chunk] = -1.0
        for row in np.flatnonzero((alike >= least).any(axis=1)).tolist():
            order = np.argsort(-alike[row], kind="stable")[:PARTNERS]
            yield from ((int(chunk[row]), int(other)) for other in order if alike[row, other] >= least)


def compare_in_place(
    pair: InPlace,
    photos: tuple[PhotoFeatures, PhotoFeatures],
    shared: tuple[SharedContent, SharedContent],
    *,
    small_part_margin: float = SMALL_PART_MARGIN,
) -> Comparison | None:
    """Return how two photos are related where they stand, outside of what they share with many others, or None.

    Where less than ``SMALL_PART`` of the frame is compared, the correlation must be larger by ``small_part_margin``.
    """
    a, b, where = _laid(pair, photos, shared)
    if int(where.sum()) < MIN_COMPARED_PX:
        return None
    agreement = correlation(a, b, where)
    least = EDGE_CORRELATION if pair.by_edges else GRAY_CORRELATION
    if where.mean() < SMALL_PART:
        least += small_part_margin
    if abs(agreement) < least or _lowest_blocks(a * np.sign(agreement), b, where) < BLOCK_CORRELATION:
        return None
    agreeing, detailed = local_agreement(a * np.sign(agreement), b, where)
    spread = float(agreeing.sum()) / max(1, int(detailed.sum()))
    copied = abs(agreement) >= DUPLICATE_CORRELATION and spread >= DUPLICATE_SPREAD
    kind = RelationKind.NEAR_DUPLICATE if copied else RelationKind.RELATED
    relation = Relation(pair.first, pair.second, kind, 0, pair.mirrored, 1.0, round(abs(agreement), 4))
    return Comparison(relation, spread, np.zeros((0, 2), np.intp))


def _laid(
    pair: InPlace, photos: tuple[PhotoFeatures, PhotoFeatures], shared: tuple[SharedContent, SharedContent]
) -> tuple[Floats, Floats, Mask]:
    """Return both leveled thumbnails in the second's frame, and where they are compared."""
    a, b = ((_edges if pair.by_edges else _gray)(photo) for photo in photos)
    left_out, margin = shared[0].region, _margin(photos[0].thumb)
    if pair.mirrored:
        a, left_out, margin = np.ascontiguousarray(a[:, ::-1]), left_out[:, ::-1], margin[:, ::-1]
    both = (margin & _margin(photos[1].thumb)).astype(np.uint8)
    margins = cv2.dilate(both, np.ones((2 * MARGIN_REACH_PX + 1,) * 2, np.uint8)) > 0
    return a, b, ~(left_out | shared[1].region | margins)


def _margin(thumb: Bytes) -> Mask:
    """Return the flat area that is connected with the corners or the middle of the sides: borders, black wedges."""
    last, middle = THUMB_PX - 1, THUMB_PX // 2
    filled = np.zeros((THUMB_PX + 2, THUMB_PX + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
    levels = (MARGIN_LEVELS,)
    for x in (0, middle, last):
        for y in (0, middle, last):
            if (x, y) != (middle, middle):
                cv2.floodFill(thumb.copy(), filled, (x, y), (0,), levels, levels, flags)
    return filled[1:-1, 1:-1] > 0


def _lowest_blocks(a: Floats, b: Floats, where: Mask) -> float:
    """Return the lower quartile of the correlation of blocks with detail; 0 without such a block."""
    side = THUMB_PX // BLOCKS
    found = []
    for top in range(0, THUMB_PX, side):
        for left in range(0, THUMB_PX, side):
            block = np.s_[top : top + side, left : left + side]
            part = where[block]
            if 2 * int(part.sum()) >= part.size and min(a[block][part].var(), b[block][part].var()) >= BLOCK_DETAIL:
                found.append(correlation(a[block], b[block], part))
    return float(np.quantile(found, 0.25)) if found else 0.0

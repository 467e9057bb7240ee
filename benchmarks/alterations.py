"""Alterations of photos for the benchmark of near-duplicates: copies of one photo, and things that many photos share.

Every alteration gets a photo as uint8 [H, W, 3], other photos, and a generator of random numbers, and returns a photo.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from benchmarks.altered_pixels import (
    Pixels,
    Random,
    bordered,
    burst,
    clipped,
    collage,
    corner_logo,
    cropped,
    dated,
    flipped,
    framed,
    in_studio,
    inset,
    jpeg,
    letterboxed,
    noisy,
    other_caption,
    pasted,
    perspective,
    resized,
    rotated,
    same_caption,
    screenshot,
    small_and_back,
    watermarked,
)

__all__ = ["COPIES", "SHARED", "Alteration", "altered", "shared_by_all"]

Alter = Callable[[Pixels, Sequence[Pixels], Random], Pixels]


@dataclass(frozen=True, slots=True)
class Alteration:
    """A named alteration, how many other photos it shows, and the recall required."""

    name: str
    alter: Alter
    others: int = 0
    recall: float = 0.99


def altered(one: Alteration, photos: Sequence[Pixels], number: int) -> tuple[Pixels, frozenset[int]]:
    """Return the altered photo of the given number, and the numbers of all photos that it shows."""
    rng = np.random.default_rng([number, len(one.name), sum(one.name.encode())])
    shown = [int(k) for k in rng.choice(np.delete(np.arange(len(photos)), number), one.others, replace=False)]
    return one.alter(photos[number], [photos[k] for k in shown], rng), frozenset([number, *shown])


def canny(image: Pixels) -> Pixels:
    """Return white edges on black."""
    edges = cv2.Canny(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 80, 160)
    return np.repeat(np.asarray(edges, np.uint8)[:, :, None], 3, axis=2)


def gradient_edges(image: Pixels) -> Pixels:
    """Return bright edges on black, by a 3x3 Laplacian as Pillow's FIND_EDGES does."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    kernel = np.full((3, 3), -1, np.float32)
    kernel[1, 1] = 8
    edges = clipped(cv2.filter2D(grey, -1, kernel).astype(np.float64))
    return np.repeat(edges[:, :, None], 3, axis=2)


def poor_crop(image: Pixels, rng: Random) -> Pixels:
    """Crop, mirror, brighten and encode poorly."""
    return jpeg(clipped(flipped(cropped(image, 0.6, rng)) * 1.3 + 20.0), 20)


def by(operation: Callable[[Pixels, int], Pixels], setting: int) -> Alter:
    """Return an operation at one setting as an alteration."""
    return lambda image, _others, _rng: operation(image, setting)


def at_random(operation: Callable[[Pixels, float, Random], Pixels], setting: float) -> Alter:
    """Return an operation at one setting, with random numbers, as an alteration."""
    return lambda image, _others, rng: operation(image, setting, rng)


COPIES: Final = (
    Alteration("mirrored", lambda a, _, __: flipped(a)),
    *(Alteration(f"rotated {d}", by(rotated, d)) for d in (15, 45, 90, 180)),
    Alteration("mirrored and rotated 90", lambda a, _, __: rotated(flipped(a), 90)),
    Alteration("gray", lambda a, _, __: np.repeat(cv2.cvtColor(a, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)),
    *(Alteration(f"jpeg {q}", by(jpeg, q)) for q in (10, 5)),
    *(Alteration(f"{s} px and back", by(small_and_back, s)) for s in (64, 40)),
    Alteration("blur 3", lambda a, _, __: np.asarray(cv2.GaussianBlur(a, (0, 0), 3), np.uint8)),
    *(Alteration(f"noise {s}", at_random(noisy, s)) for s in (25, 50)),
    Alteration("posterized", lambda a, _, __: a // 64 * 64 + 32),
    Alteration("dark x0.15", lambda a, _, __: clipped(a * 0.15)),
    Alteration("squashed 1.6", lambda a, _, __: resized(a, a.shape[1], round(a.shape[0] / 1.6))),
    Alteration("perspective 12%", lambda a, _, r: perspective(a, r)),
    Alteration("burst", lambda a, _, r: burst(a, r)),
    Alteration("white border 15%", lambda a, _, __: bordered(a, 0.15, 255)),
    Alteration("letterbox 50%", lambda a, _, __: letterboxed(a)),
    *(Alteration(f"crop {s:.0%}", at_random(cropped, s), recall=0.9 if s == 0.4 else 0.99) for s in (0.8, 0.6, 0.4)),
    Alteration("crop 60%, mirrored, jpeg 20, bright", lambda a, _, r: poor_crop(a, r)),
    Alteration("overexposed x2.5", lambda a, _, __: clipped(a * 2.5)),
    Alteration("mixed 50%", lambda a, o, _: clipped(a * 0.5 + resized(o[0], a.shape[1], a.shape[0]) * 0.5), others=1),
    Alteration("picture in picture 33%", lambda a, o, r: pasted(o[0], a, 0.33, r), others=1),
    Alteration("collage of 4", lambda a, o, _: collage(a, o), others=3),
    Alteration("screenshot", lambda a, _, __: screenshot(a)),
    Alteration("watermark x5", lambda a, _, __: watermarked(a, count=5, strength=0.9)),
    Alteration("caption", lambda a, _, __: same_caption(a)),
    Alteration("negative", lambda a, _, __: np.asarray(255 - a, np.uint8), recall=0.9),
    Alteration("edges, Canny", lambda a, _, __: canny(a), recall=0.9),
    Alteration("edges, Laplacian", lambda a, _, __: gradient_edges(a), recall=0.9),
)
"""Copies of a photo; the recall required is 99%, and 90% where little of the photo is left."""

SHARED: Final = (
    Alteration("white border", lambda a, _, __: bordered(a, 0.15, 255)),
    Alteration("date stamp", lambda a, _, __: dated(a)),
    Alteration("corner logo", lambda a, _, __: corner_logo(a)),
    Alteration("screenshots of one app", lambda a, _, __: screenshot(a)),
    Alteration("watermark x1", lambda a, _, __: watermarked(a, count=1, strength=0.9)),
    Alteration("faint watermark x5", lambda a, _, __: watermarked(a, count=5, strength=0.4)),
    Alteration("watermark x5", lambda a, _, __: watermarked(a, count=5, strength=0.9)),
    Alteration("logo photo inset", lambda a, _, __: inset(a)),
    Alteration("ornate frame", lambda a, _, __: framed(a)),
    Alteration("same caption", lambda a, _, __: same_caption(a)),
    Alteration("different captions, one font", lambda a, _, r: other_caption(a, r)),
    Alteration("same caption on half", lambda a, _, r: same_caption(a) if r.random() < 0.5 else a),
    Alteration("studio, textured background", lambda a, _, __: in_studio(a, "texture", 0.7)),
    Alteration("studio, room", lambda a, _, __: in_studio(a, "room", 0.7)),
    Alteration("studio, room, pet 80%", lambda a, _, __: in_studio(a, "room", 0.8)),
)
"""One thing on many unrelated photos, which must stay unrelated."""


def shared_by_all(one: Alteration, photos: Sequence[Pixels]) -> list[Pixels]:
    """Return the photos, each with the shared thing."""
    return [altered(one, photos, number)[0] for number in range(len(photos))]

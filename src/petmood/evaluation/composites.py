"""Composites of a person's own photos: two pets in one photo, a face that is small or not visible, and one pet.

They stand in for photos that a dataset of close faces lacks. Those with one pet have the same seams as those with two,
so that a seam alone does not distinguish them. The pixels are equal for equal seeds and versions of Pillow and numpy.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = ["FACE_UNCLEAR", "ONE_PET", "TWO_PETS", "Composite", "CompositeKind", "composites"]

Pixels = NDArray[np.uint8]
_Images = tuple[Image.Image, Image.Image, Image.Image]
"""A pet, another pet, and a background, all squares of one size."""

FAR_SHARES: Final = (1 / 6, 1 / 4)
"""Side of a pet far away, as a share of the photo's."""


class CompositeKind(StrEnum):
    """What a composite shows; the value names the kind in reports."""

    SIDE_BY_SIDE = "side_by_side"
    ABOVE = "above"
    INSET = "inset"
    ON_BACKGROUND = "on_background"
    FAR = "far"
    HALF = "half"
    SMALLER = "smaller"
    PATCH = "patch"
    PART = "part"


TWO_PETS: Final = (
    CompositeKind.SIDE_BY_SIDE,
    CompositeKind.ABOVE,
    CompositeKind.INSET,
    CompositeKind.ON_BACKGROUND,
)
FACE_UNCLEAR: Final = (CompositeKind.FAR, CompositeKind.PART)
"""A pet far away, and a lower part of a photo, enlarged."""
ONE_PET: Final = (CompositeKind.HALF, CompositeKind.SMALLER, CompositeKind.PATCH)
"""One pet in half of the photo, somewhat smaller than usual, or with a patch of a background over it."""


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """One composite: its kind and its uint8 pixels [S, S, 3]."""

    kind: CompositeKind
    pixels: Pixels


def composites(
    photos: Pixels, backgrounds: Pixels, *, each: int, rng: np.random.Generator, kinds: tuple[CompositeKind, ...]
) -> Iterator[Composite]:
    """Yield ``each`` composites of each kind, made from prepared photos and backgrounds, each uint8 [N, S, S, 3].

    The backgrounds are parts of ``backgrounds``, or in half of the composites a blurred corner of a photo.
    """
    for kind in kinds:
        order = rng.permutation(len(photos))
        for number in range(each):
            pet = Image.fromarray(photos[order[number % len(order)]])
            other = Image.fromarray(photos[rng.integers(len(photos))])
            background = _background(photos, backgrounds, rng)
            yield Composite(kind, np.asarray(_MAKERS[kind]((pet, other, background), rng)))


def _background(photos: Pixels, backgrounds: Pixels, rng: np.random.Generator) -> Image.Image:
    if rng.random() < 0.5:
        photo = Image.fromarray(photos[rng.integers(len(photos))])
        side = photo.width
        edge = max(1, side // 4)
        left = int(rng.integers(2)) * (side - edge)
        corner = photo.resize((side, side), Image.Resampling.BICUBIC, box=(left, 0, left + edge, edge))
        return corner.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.01, 0.05)) * side))
    whole = Image.fromarray(backgrounds[rng.integers(len(backgrounds))])
    side = whole.width
    edge = max(1, int(side * rng.uniform(0.5, 1)))
    left, top = (int(rng.integers(side - edge + 1)) for _ in range(2))
    part = whole.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part


def _halves(first: Image.Image, second: Image.Image, rng: np.random.Generator, *, above: bool) -> Image.Image:
    """Put the middle parts of two photos side by side, or one above the other."""
    side = first.width
    cut = int(side * rng.uniform(0.4, 0.6))
    made = Image.new("RGB", (side, side))
    for photo, start, end in ((first, 0, cut), (second, cut, side)):
        size = (side, end - start) if above else (end - start, side)
        scale = max(size)
        left, top = ((side - side * length / scale) / 2 for length in size)
        part = photo.resize(size, Image.Resampling.BILINEAR, box=(left, top, side - left, side - top))
        made.paste(part, (0, start) if above else (start, 0))
    return made


def _pasted(onto: Image.Image, photo: Image.Image, *, side: int, at: tuple[int, int], soft: bool) -> Image.Image:
    """Paste a photo, resized to a square of this side, with hard edges or as a disc with a soft edge."""
    side = max(1, side)
    rows, columns = np.mgrid[0:side, 0:side]
    radius = ((rows - (side - 1) / 2) ** 2 + (columns - (side - 1) / 2) ** 2) / (side / 2) ** 2
    mask = np.clip((1 - radius) / 0.35, 0, 1) if soft else np.ones((side, side))
    made = onto.copy()
    made.paste(
        photo.resize((side, side), Image.Resampling.BILINEAR), at, Image.fromarray((255 * mask).astype(np.uint8))
    )
    return made


def _soft(rng: np.random.Generator) -> bool:
    return bool(rng.random() < 0.5)


def _side_by_side(images: _Images, rng: np.random.Generator) -> Image.Image:
    return _halves(images[0], images[1], rng, above=False)


def _above(images: _Images, rng: np.random.Generator) -> Image.Image:
    return _halves(images[0], images[1], rng, above=True)


def _with_patch(photo: Image.Image, patch: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Paste a smaller photo at the left or right edge."""
    whole = photo.width
    side = int(whole * rng.uniform(0.35, 0.5))
    at = int(rng.integers(2)) * (whole - side), int(rng.integers(whole - side + 1))
    return _pasted(photo, patch, side=side, at=at, soft=_soft(rng))


def _inset(images: _Images, rng: np.random.Generator) -> Image.Image:
    return _with_patch(images[0], images[1], rng)


def _patch(images: _Images, rng: np.random.Generator) -> Image.Image:
    return _with_patch(images[0], images[2], rng)


def _on_background(images: _Images, rng: np.random.Generator) -> Image.Image:
    made, whole = images[2], images[2].width
    for number, photo in enumerate(images[:2]):
        side = int(whole * rng.uniform(0.38, 0.5))
        left = number * (whole // 2) + int(rng.integers(whole // 2 - side + 1))
        made = _pasted(made, photo, side=side, at=(left, int(rng.integers(whole - side + 1))), soft=_soft(rng))
    return made


def _on(images: _Images, rng: np.random.Generator, *, share: float) -> Image.Image:
    """Paste one pet anywhere on a background, with this share of its side."""
    whole = images[2].width
    side = int(whole * share)
    at = int(rng.integers(whole - side + 1)), int(rng.integers(whole - side + 1))
    return _pasted(images[2], images[0], side=side, at=at, soft=_soft(rng))


def _far(images: _Images, rng: np.random.Generator) -> Image.Image:
    return _on(images, rng, share=float(rng.uniform(*FAR_SHARES)))


def _smaller(images: _Images, rng: np.random.Generator) -> Image.Image:
    return _on(images, rng, share=float(rng.uniform(0.5, 0.9)))


def _half(images: _Images, rng: np.random.Generator) -> Image.Image:
    pet, _, background = images
    first, second = (pet, background) if rng.random() < 0.5 else (background, pet)
    return _halves(first, second, rng, above=bool(rng.random() < 0.5))


def _part(images: _Images, rng: np.random.Generator) -> Image.Image:
    """Enlarge a part at the lower edge, or at the left or right edge of the lower half."""
    photo, whole = images[0], images[0].width
    side = max(1, int(whole * rng.uniform(0.28, 0.36)))
    place = int(rng.integers(3))
    left = place * (whole - side) // 2
    top = whole - side if place == 1 else int(rng.integers(whole // 2, whole - side + 1))
    return photo.resize((whole, whole), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


_MAKERS: Final[Mapping[CompositeKind, Callable[[_Images, np.random.Generator], Image.Image]]] = MappingProxyType(
    {
        CompositeKind.SIDE_BY_SIDE: _side_by_side,
        CompositeKind.ABOVE: _above,
        CompositeKind.INSET: _inset,
        CompositeKind.ON_BACKGROUND: _on_background,
        CompositeKind.FAR: _far,
        CompositeKind.HALF: _half,
        CompositeKind.SMALLER: _smaller,
        CompositeKind.PATCH: _patch,
        CompositeKind.PART: _part,
    }
)

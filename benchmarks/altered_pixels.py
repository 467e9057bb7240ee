"""Pixel operations of the benchmark of near-duplicates: each gets a photo, uint8 [H, W, 3] RGB, and returns another.

The same generator gives the same pixels. Text is drawn with Pillow's own font, so that no font has to be installed.
"""

import io
from collections.abc import Sequence
from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tests.support.images import photo_like

__all__ = [
    "Pixels",
    "Random",
    "bordered",
    "burst",
    "captioned",
    "clipped",
    "collage",
    "corner_logo",
    "cropped",
    "dated",
    "flipped",
    "framed",
    "in_studio",
    "inset",
    "jpeg",
    "letterboxed",
    "noisy",
    "other_caption",
    "pasted",
    "perspective",
    "resized",
    "rotated",
    "same_caption",
    "screenshot",
    "small_and_back",
    "text",
    "watermarked",
]

Pixels = NDArray[np.uint8]
Random = np.random.Generator

WORDS: Final = "the cat sat on a warm red mat and saw five dogs run past our old house when it began to rain"


def clipped(values: NDArray[np.floating]) -> Pixels:
    """Round and clip to uint8."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def jpeg(image: Pixels, quality: int) -> Pixels:
    """Return the photo after JPEG coding."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def resized(image: Pixels, width: int, height: int) -> Pixels:
    """Return the photo at another size."""
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def rotated(image: Pixels, degrees: float) -> Pixels:
    """Rotate on a black canvas that holds all of the photo."""
    return np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC, expand=True))


def cropped(image: Pixels, share: float, rng: Random) -> Pixels:
    """Cut out a part with the given share of each side, at a random position."""
    height, width = image.shape[:2]
    h, w = round(height * share), round(width * share)
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return np.ascontiguousarray(image[y : y + h, x : x + w])


def small_and_back(image: Pixels, side: int) -> Pixels:
    """Scale to a small side and up again."""
    height, width = image.shape[:2]
    return np.asarray(cv2.resize(resized(image, side, side), (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def perspective(image: Pixels, rng: Random, share: float = 0.12) -> Pixels:
    """Move the corners by up to a share of the sides."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + (rng.uniform(0, share, (4, 2)) * [width, height] * [[1, 1], [-1, 1], [-1, -1], [1, -1]])
    return np.asarray(
        cv2.warpPerspective(image, cv2.getPerspectiveTransform(corners, moved.astype(np.float32)), (width, height)),
        np.uint8,
    )


def burst(image: Pixels, rng: Random) -> Pixels:
    """Shift, rotate and zoom a little, with grain: the next photo of a series."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-3, 3)), float(rng.uniform(1.03, 1.1)))
    matrix[:, 2] += np.asarray(rng.uniform(-8, 8, 2))
    moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return clipped(moved * rng.uniform(0.92, 1.08) + rng.normal(0, 5, image.shape))


def bordered(image: Pixels, share: float, color: int) -> Pixels:
    """Put an even border around the photo."""
    y, x = round(image.shape[0] * share), round(image.shape[1] * share)
    return np.asarray(cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_CONSTANT, value=(color,) * 3), np.uint8)


def letterboxed(image: Pixels) -> Pixels:
    """Put black bars above and below, half of the photo's height in all."""
    y = image.shape[0] // 4
    return np.asarray(cv2.copyMakeBorder(image, y, y, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0)), np.uint8)


def collage(image: Pixels, others: Sequence[Pixels]) -> Pixels:
    """Put four photos into one frame."""
    height, width = image.shape[:2]
    a, b, c, d = (resized(one, width, height) for one in [image, *others])
    return np.vstack([np.hstack([a, b]), np.hstack([c, d])])


def pasted(below: Pixels, above: Pixels, share: float, rng: Random) -> Pixels:
    """Lay one photo into another, at a share of its sides."""
    height, width = below.shape[:2]
    h, w = round(height * share), round(width * share)
    y, x = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
    out = below.copy()
    out[y : y + h, x : x + w] = resized(above, w, h)
    return out


def text(image: Pixels, line: str, at: tuple[int, int], *, size: float, color: tuple[int, int, int]) -> None:
    """Draw one line of text into the photo, in letters of ``size`` pixels; ``at`` is the left end of the base line."""
    drawn = Image.fromarray(image)
    ImageDraw.Draw(drawn).text(at, line, fill=color, font=ImageFont.load_default(size=size), anchor="ls")
    image[:] = np.asarray(drawn)


def captioned(image: Pixels, lines: Sequence[str]) -> Pixels:
    """Cover the lower 24% with a white bar that holds two lines of text."""
    out = image.copy()
    height, width = out.shape[:2]
    top = round(height * 0.76)
    out[top:] = 255
    for row, line in enumerate(lines):
        place = (round(width * 0.04), top + round(height * (0.095 + 0.1 * row)))
        text(out, line, place, size=width * 0.085, color=(0, 0, 0))
    return out


def same_caption(image: Pixels) -> Pixels:
    """Add the caption that is the same everywhere."""
    return captioned(image, ["when you forgot the treats", "and everyone is watching"])


def other_caption(image: Pixels, rng: Random) -> Pixels:
    """Add a caption of other words in the same font and layout."""
    return captioned(image, [" ".join(rng.choice(WORDS.split(), 5)) for _ in range(2)])


def watermarked(image: Pixels, *, count: int, strength: float) -> Pixels:
    """Blend a white text into the photo, in the middle or in five places."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width, 3), np.uint8)
    places = [(0.25, 0.52), (0.03, 0.15), (0.5, 0.2), (0.05, 0.9), (0.52, 0.85)][:count]
    for x, y in places:
        text(mask, "petphotos.org", (round(x * width), round(y * height)), size=width * 0.055, color=(255, 255, 255))
    part = mask / 255 * strength
    return clipped(image * (1 - part) + 255 * part)


def screenshot(image: Pixels) -> Pixels:
    """Show the photo inside the window of an app: bars, icons, text and buttons."""
    height, width = image.shape[:2]
    full = round(height * 1.5)
    out = np.full((full, width, 3), 250, np.uint8)
    top = round(height * 0.22)
    out[: round(height * 0.06)] = 40
    text(out, "12:41", (6, round(height * 0.045)), size=width * 0.034, color=(255, 255, 255))
    cv2.circle(out, (round(width * 0.08), round(height * 0.14)), round(width * 0.05), (70, 120, 200), -1, cv2.LINE_AA)
    text(out, "fluffy_friends", (round(width * 0.16), round(height * 0.15)), size=width * 0.048, color=(20, 20, 20))
    out[top : top + height, :] = image
    for place, shape in enumerate((3, 4, 6)):
        x, y, r = round(width * (0.08 + 0.12 * place)), top + height + round(height * 0.07), width * 0.035
        angles = np.arange(shape) * 2 * np.pi / shape
        corners = np.column_stack([x + r * np.cos(angles), y + r * np.sin(angles)]).astype(np.int32)
        cv2.polylines(out, [corners], isClosed=True, color=(30, 30, 30), thickness=2, lineType=cv2.LINE_AA)
    text(
        out,
        "1,024 likes   view comments",
        (6, top + height + round(height * 0.18)),
        size=width * 0.043,
        color=(20, 20, 20),
    )
    return out


def dated(image: Pixels) -> Pixels:
    """Print a date into a corner, as cameras did."""
    out = image.copy()
    height, width = out.shape[:2]
    text(out, "12 08 2009", (round(width * 0.6), round(height * 0.94)), size=width * 0.048, color=(255, 140, 20))
    return out


def corner_logo(image: Pixels) -> Pixels:
    """Draw a small logo into a corner."""
    out = image.copy()
    height, width = out.shape[:2]
    x, y, r = round(width * 0.88), round(height * 0.12), round(width * 0.08)
    cv2.circle(out, (x, y), r, (200, 30, 40), -1, cv2.LINE_AA)
    cv2.circle(out, (x, y), round(r * 0.7), (255, 255, 255), 2, cv2.LINE_AA)
    text(out, "pet", (x - round(r * 0.6), y + 4), size=width * 0.043, color=(255, 255, 255))
    return out


@cache
def _background(kind: str, height: int, width: int) -> Pixels:
    """Draw the textured wall or the room of a studio."""
    if kind == "texture":
        return photo_like(width, height, seed=4711)
    rng = np.random.default_rng(815)
    room = (photo_like(width, height, seed=815).astype(np.float64) * 0.25 + 120).astype(np.uint8)
    room[round(height * 0.7) :] = (room[round(height * 0.7) :] * [0.7, 0.55, 0.4]).astype(np.uint8)
    for _ in range(40):
        (x, y), (w, h) = rng.integers(0, [width, height]), rng.integers(8, 50, 2)
        color = tuple(int(value) for value in rng.integers(20, 236, 3))
        cv2.rectangle(room, (int(x), int(y)), (int(x + w), int(y + h)), color, int(rng.choice([-1, 2])), cv2.LINE_AA)
    return room


def in_studio(image: Pixels, kind: str, share: float) -> Pixels:
    """Lay the photo in a soft oval, with a share of each side, on one background."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    off = np.hypot((x - width / 2) / (width * share / 2), (y - height / 2) / (height * share / 2))
    part = np.clip((1.0 - off) / 0.15, 0, 1)[:, :, None]
    return clipped(image * part + _background(kind, height, width) * (1 - part))


@cache
def _ornament(height: int, width: int) -> tuple[Pixels, NDArray[np.bool_]]:
    """Draw an ornate frame: a band with many small shapes."""
    rng = np.random.default_rng(77)
    band = round(width * 0.11)
    frame = np.full((height, width, 3), (150, 110, 40), np.uint8)
    for _ in range(500):
        x, y = (int(value) for value in rng.integers(0, [width, height]))
        color = tuple(int(value) for value in rng.integers(60, 256, 3))
        cv2.circle(frame, (x, y), int(rng.integers(2, 7)), color, int(rng.choice([-1, 1])), cv2.LINE_AA)
    mask = np.ones((height, width), np.bool_)
    mask[band:-band, band:-band] = False
    return frame, mask


def framed(image: Pixels) -> Pixels:
    """Cover the outer 11% with an ornate frame."""
    frame, mask = _ornament(*image.shape[:2])
    return np.where(mask[:, :, None], frame, image)


@cache
def _logo_photo() -> Pixels:
    return photo_like(224, 224, seed=99)


def inset(image: Pixels) -> Pixels:
    """Show one small photo, the same everywhere, in a corner."""
    out = image.copy()
    height, width = out.shape[:2]
    h, w = round(height * 0.3), round(width * 0.3)
    out[4 : 4 + h, width - w - 4 : width - 4] = resized(_logo_photo(), w, h)
    return out


def noisy(image: Pixels, sigma: float, rng: Random) -> Pixels:
    """Add Gaussian noise."""
    return clipped(image + rng.normal(0, sigma, image.shape))


def flipped(image: Pixels) -> Pixels:
    """Mirror left and right."""
    return np.ascontiguousarray(image[:, ::-1])

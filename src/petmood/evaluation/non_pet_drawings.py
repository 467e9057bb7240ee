"""Drawn images without a pet: objects, flat colors, gradients and noise.

Each function yields names and RGB images. It seeds its own generator, so a change of one leaves the others unchanged.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["draw_flat_colors", "draw_gradients", "draw_noise", "draw_objects"]

Named = Iterator[tuple[str, Image.Image]]
Color = tuple[int, int, int]
Draw = ImageDraw.ImageDraw

SIDE_PX: Final = 300
_OVERSAMPLING: Final = 2
_FLAT_COLORS: Final = (
    "black", "dimgray", "gray", "silver", "white", "red", "green", "blue", "yellow", "orange", "purple", "pink",
    "saddlebrown", "teal",
)  # fmt: skip


def draw_objects() -> Named:
    """Draw seven objects in two colorings each, and four images of random shapes."""
    rng = np.random.default_rng(3)
    side = SIDE_PX * _OVERSAMPLING
    for name, fill in _OBJECTS.items():
        for number in range(4 if fill is _shapes else 2):
            canvas = Image.new("RGB", (side, side), _color(rng, 150, 256))
            fill(ImageDraw.Draw(canvas), rng)
            yield f"{name}-{number}", canvas.reduce(_OVERSAMPLING)


def _house(draw: Draw, rng: np.random.Generator) -> None:
    draw.rectangle((0, 460, 600, 600), fill=(90, 150, 70))
    draw.rectangle((130, 260, 470, 500), fill=_color(rng), outline="black", width=6)
    draw.polygon([(90, 260), (300, 90), (510, 260)], fill=_color(rng), outline="black", width=6)
    draw.rectangle((270, 370, 340, 500), fill=_color(rng), outline="black", width=5)
    draw.rectangle((165, 310, 235, 380), fill="lightcyan", outline="black", width=5)


def _tree(draw: Draw, rng: np.random.Generator) -> None:
    draw.rectangle((270, 340, 330, 560), fill="saddlebrown")
    leaves = (int(rng.integers(20, 120)), int(rng.integers(110, 200)), 50)
    for x, y in ((140, 200), (300, 200), (220, 90), (220, 240)):
        draw.ellipse((x, y, x + 170, y + 170), fill=leaves)


def _car(draw: Draw, rng: np.random.Generator) -> None:
    paint = _color(rng)
    draw.rectangle((0, 430, 600, 600), fill="dimgray")
    draw.polygon([(170, 300), (220, 200), (400, 200), (460, 300)], fill=paint, outline="black", width=5)
    draw.polygon([(200, 295), (235, 220), (310, 220), (310, 295)], fill="lightcyan")
    draw.rounded_rectangle((70, 290, 540, 400), 30, fill=paint, outline="black", width=5)
    for x in (130, 390):
        draw.ellipse((x, 350, x + 100, 450), fill="black")
        draw.ellipse((x + 32, 382, x + 68, 418), fill="silver")


def _cup(draw: Draw, rng: np.random.Generator) -> None:
    paint = _color(rng)
    draw.ellipse((380, 230, 510, 400), outline=paint, width=30)
    draw.polygon([(150, 180), (430, 180), (400, 470), (180, 470)], fill=paint)
    draw.ellipse((150, 150, 430, 215), fill="sienna", outline=paint, width=14)


def _boat(draw: Draw, rng: np.random.Generator) -> None:
    draw.rectangle((0, 420, 600, 600), fill=(40, 90, 160))
    draw.polygon([(110, 400), (500, 400), (420, 490), (180, 490)], fill=_color(rng), outline="black", width=5)
    draw.line((300, 400, 300, 90), fill="black", width=10)
    draw.polygon([(315, 100), (315, 370), (480, 370)], fill=_color(rng, 180, 256), outline="black", width=4)


def _umbrella(draw: Draw, rng: np.random.Generator) -> None:
    draw.line((300, 100, 300, 480), fill="black", width=12)
    draw.arc((240, 440, 312, 530), 0, 180, fill="black", width=12)
    for number, paint in enumerate((_color(rng), _color(rng)) * 2):
        draw.pieslice((90, 100, 510, 520), 180 + 45 * number, 225 + 45 * number, fill=paint)


def _lamp(draw: Draw, rng: np.random.Generator) -> None:
    draw.rectangle((0, 500, 600, 600), fill=_color(rng, 60, 140))
    draw.line((300, 300, 300, 490), fill="dimgray", width=16)
    draw.ellipse((220, 470, 380, 520), fill="dimgray")
    draw.polygon([(230, 110), (370, 110), (450, 310), (150, 310)], fill=_color(rng), outline="black", width=4)


def _shapes(draw: Draw, rng: np.random.Generator) -> None:
    for number in range(6):
        x, y, width, height = (int(v) for v in rng.integers((20, 20, 80, 80), (360, 360, 240, 240)))
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((x, y, x + width, y + height), fill=_color(rng), outline="black", width=4)


_OBJECTS: Final[dict[str, Callable[[Draw, np.random.Generator], None]]] = {
    "house": _house,
    "tree": _tree,
    "car": _car,
    "cup": _cup,
    "boat": _boat,
    "umbrella": _umbrella,
    "lamp": _lamp,
    "shapes": _shapes,
}


def draw_flat_colors() -> Named:
    """Draw 14 images of one color each, black, grays and white among them."""
    return ((color, Image.new("RGB", (SIDE_PX, SIDE_PX), color)) for color in _FLAT_COLORS)


def draw_gradients() -> Named:
    """Draw 12 gradients between two random colors: across, down, diagonal and from the center."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX] / (SIDE_PX - 1)
    ramps = {"across": x, "down": y, "diagonal": (x + y) / 2, "center": np.sqrt(2 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))}
    for name, ramp in ramps.items():
        for number in range(3):
            first, last = rng.integers(0, 256, (2, 3))
            pixels = first + ramp[..., None] * (last - first)
            yield f"{name}-{number}", Image.fromarray(np.rint(pixels).astype(np.uint8))


def draw_noise() -> Named:
    """Draw 16 images of noise in gray and in color: white noise with grains of 1 to 8 pixels, and smoothed noise."""
    rng = np.random.default_rng(5)
    size = (SIDE_PX, SIDE_PX)
    for mode, channels in (("gray", 1), ("color", 3)):
        for grain in (1, 2, 4, 8):
            image = _grains(rng, -(-SIDE_PX // grain), channels)
            box = (0, 0, SIDE_PX / grain, SIDE_PX / grain)
            yield f"white-{mode}-{grain}", image.resize(size, Image.Resampling.NEAREST, box=box)
        for cells in (6, 12, 24, 48):
            yield f"smooth-{mode}-{cells}", _grains(rng, cells, channels).resize(size, Image.Resampling.BICUBIC)


def _grains(rng: np.random.Generator, side: int, channels: int) -> Image.Image:
    values = rng.integers(0, 256, (side, side, channels), dtype=np.uint8)
    return Image.fromarray(np.repeat(values, 3 // channels, axis=2))


def _color(rng: np.random.Generator, low: int = 0, high: int = 256) -> Color:
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue

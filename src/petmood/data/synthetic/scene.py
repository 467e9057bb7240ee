"""Scene of a synthetic pet: background, occluders, lighting and camera effects."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

__all__ = ["add_occluder", "apply_camera_effects", "mottle", "paint_background"]

_MOTTLE_CELLS = (30, 70)
_MOTTLE_LEVELS = [round(128 + 0.9 * (level - 128)) for level in range(256)]


def paint_background(side_px: int, rng: np.random.Generator) -> Image.Image:
    """Paint an RGB background, `side_px` by `side_px`: a gradient, an interior, a meadow or blurred clutter."""
    painter = _PAINTERS[int(rng.integers(len(_PAINTERS)))]
    return painter(side_px, rng)


def add_occluder(canvas: Image.Image, rng: np.random.Generator) -> None:
    """Sometimes draw one or two balls or bars at the edge of the image, where they hide little of the face."""
    if rng.random() > 0.45:
        return
    side = canvas.width
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 3))):
        colour = _colour(rng, low=40, high=235)
        angle, reach = float(rng.uniform(0, 2 * math.pi)), side * float(rng.uniform(0.46, 0.6))
        x, y = side / 2 + math.cos(angle) * reach, side / 2 + math.sin(angle) * reach
        size = side * float(rng.uniform(0.06, 0.15))
        if rng.random() < 0.5:
            draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)
        else:
            along = angle + math.pi / 2 + float(rng.uniform(-0.4, 0.4))
            dx, dy = math.cos(along) * side * 0.5, math.sin(along) * side * 0.5
            draw.line((x - dx, y - dy, x + dx, y + dy), fill=colour, width=round(size * 0.5))


def mottle(canvas: Image.Image, rng: np.random.Generator) -> None:
    """Add irregular lighter and darker spots, as on fur, grass and cloth, so that no two surfaces are alike."""
    small = (canvas.width // 3, canvas.height // 3)
    shades = []
    for cells in _MOTTLE_CELLS:
        spots = np.frombuffer(rng.bytes(cells * cells), dtype=np.uint8).reshape(cells, cells)
        shades.append(Image.fromarray(spots).resize(small, Image.Resampling.BILINEAR))
    shade = Image.blend(shades[0], shades[1], 0.5).point(_MOTTLE_LEVELS)
    shade = shade.resize(canvas.size, Image.Resampling.BILINEAR)
    canvas.paste(ImageChops.overlay(canvas, Image.merge("RGB", (shade, shade, shade))))


def apply_camera_effects(image: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light the image from one side, tint it, blur it slightly and add sensor noise; returns uint8 [H, W, 3]."""
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.2, 1.1))))
    pixels = np.asarray(image, dtype=np.float32)
    height, width = pixels.shape[:2]
    slope_x, slope_y = rng.uniform(-0.28, 0.28, size=2)
    light = np.linspace(-slope_x, slope_x, width)[None, :] + np.linspace(-slope_y, slope_y, height)[:, None]
    gain = rng.uniform(0.72, 1.22) * rng.uniform(0.9, 1.1, size=3)
    lit = pixels * (1.0 + light[..., None].astype(np.float32)) * gain.astype(np.float32)
    lit += float(rng.uniform(-12.0, 18.0))
    lit += _noise(height, width, rng) * float(rng.uniform(1.0, 9.0))
    photo: NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return photo


def _noise(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    # Uniform bytes are drawn three times as fast as normal variates, and the noise looks the same.
    raw = np.frombuffer(rng.bytes(height * width * 3), dtype=np.uint8).reshape(height, width, 3)
    return (raw.astype(np.float32) - 127.5) / 73.6


def _colour(rng: np.random.Generator, *, low: int = 70, high: int = 240) -> tuple[int, int, int]:
    drawn = rng.integers(low, high, size=3)
    r, g, b = (round(c * 0.6 + drawn.mean() * 0.4) for c in drawn.tolist())  # less saturated than the pet
    return r, g, b


def _gradient(side_px: int, rng: np.random.Generator) -> Image.Image:
    corners = np.array([_colour(rng, low=50, high=245) for _ in range(4)], dtype=np.uint8)
    return Image.fromarray(corners.reshape(2, 2, 3)).resize((side_px, side_px), Image.Resampling.BILINEAR)


def _indoors(side_px: int, rng: np.random.Generator) -> Image.Image:
    canvas = Image.new("RGB", (side_px, side_px), _colour(rng, low=120))
    draw = ImageDraw.Draw(canvas)
    floor = side_px * float(rng.uniform(0.6, 0.85))
    if rng.random() < 0.5:
        stripe, step = _colour(rng, low=120), side_px / float(rng.integers(6, 14))
        for k in range(0, math.ceil(side_px / step), 2):
            draw.rectangle((k * step, 0, (k + 1) * step, floor), fill=stripe)
    draw.rectangle((0, floor, side_px, side_px), fill=_colour(rng, low=60, high=180))
    x, y = (side_px * float(v) for v in rng.uniform(0.02, 0.6, size=2))
    width, height = (side_px * float(v) for v in rng.uniform(0.2, 0.4, size=2))
    draw.rectangle((x, y * 0.5, x + width, y * 0.5 + height), fill=_colour(rng), outline=_colour(rng, low=40, high=120),
                   width=max(2, side_px // 60))  # fmt: skip
    return canvas


def _meadow(side_px: int, rng: np.random.Generator) -> Image.Image:
    sky, grass = _colour(rng, low=140), (int(rng.integers(50, 130)), int(rng.integers(120, 200)), 60)
    canvas = Image.new("RGB", (side_px, side_px), sky)
    draw = ImageDraw.Draw(canvas)
    horizon = side_px * float(rng.uniform(0.35, 0.7))
    draw.rectangle((0, horizon, side_px, side_px), fill=grass)
    spots = rng.uniform(0, 1, size=(70, 3))
    for x, y, shade in spots.tolist():
        top = horizon + y * (side_px - horizon)
        blade = tuple(round(c * (0.7 + 0.5 * shade)) for c in grass)
        draw.line((x * side_px, top, x * side_px + (shade - 0.5) * 16, top - side_px * 0.06), fill=blade, width=3)
    return canvas


def _clutter(side_px: int, rng: np.random.Generator) -> Image.Image:
    # Painted small and enlarged, which blurs it at no cost.
    small_px = side_px // 6
    canvas = Image.new("RGB", (small_px, small_px), _colour(rng))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(6, 16))):
        x, y = (float(v) * small_px for v in rng.uniform(-0.1, 1.0, size=2))
        w, h = (float(v) * small_px for v in rng.uniform(0.08, 0.4, size=2))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x, y, x + w, y + h), fill=_colour(rng, low=30))
    return canvas.resize((side_px, side_px), Image.Resampling.BICUBIC)


_PAINTERS: tuple[Callable[[int, np.random.Generator], Image.Image], ...] = (_gradient, _indoors, _meadow, _clutter)

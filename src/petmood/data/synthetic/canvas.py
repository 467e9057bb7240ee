"""Brush that draws smooth shapes in head units on a canvas.

Head units: the origin is the middle of the face, x to the right, y down, 1 is half the head's height.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import ImageDraw

__all__ = ["Brush", "Colour", "HeadPose", "Points", "bend", "mix", "oval_points", "rounded"]

Colour = tuple[int, int, int]
Points = NDArray[np.float64]

_WAVES = 7
_PITCH = np.array([1.0, 1.0, 1.0, 1.0, 4.0, 5.0, 6.0])  # the last three make lines irregular at a small scale
_ANGLES = np.linspace(0.0, 2.0 * math.pi, 28, endpoint=False)
_CIRCLE: Final = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_STEPS: Final = np.linspace(0.0, 1.0, 6, endpoint=False)[:, None]
_BEND_STEPS: Final = np.linspace(0.0, 1.0, 10)[:, None]


class HeadPose:
    """Random smooth deformation of the plane, which varies the proportions of each animal."""

    def __init__(self, rng: np.random.Generator, *, reach: float) -> None:
        """Draw waves that move points by about `reach` head units, and a shift of the middle of the face."""
        angles = rng.uniform(0.0, 2.0 * math.pi, size=_WAVES)
        lengths = rng.uniform(1.6, 3.4, size=_WAVES) * _PITCH
        self._waves = np.stack([np.cos(angles), np.sin(angles)]) * lengths
        self._phases = rng.uniform(0.0, 2.0 * math.pi, size=_WAVES)
        self._moves = rng.normal(0.0, reach / math.sqrt(2), size=(_WAVES, 2)) / _PITCH[:, None]
        self._look = rng.uniform(-1.6, 1.6, size=2) * reach

    def __call__(self, points: Points) -> Points:
        """Return the moved points [N, 2]."""
        middle = np.exp(-1.5 * (points**2).sum(axis=1, keepdims=True))
        waves = np.sin(points @ self._waves + self._phases) @ self._moves
        return np.asarray(points + waves + middle * self._look)


class Brush:
    """Draws in head units on a Pillow canvas."""

    def __init__(
        self,
        draw: ImageDraw.ImageDraw,
        *,
        centre: tuple[float, float],
        radius_px: float,
        turn: float,
        warp: HeadPose | None = None,
    ) -> None:
        """Set the head's center and radius in canvas pixels, its rotation in radians, and its deformation."""
        self.draw, self.radius_px, self._warp = draw, radius_px, warp
        self._origin = np.array(centre)
        cos, sin = math.cos(turn) * radius_px, math.sin(turn) * radius_px
        self._matrix = np.array([[cos, sin], [-sin, cos]])

    def place(self, points: ArrayLike) -> list[float]:
        """Return canvas coordinates of points in head units, x and y alternating."""
        bent = np.asarray(points, dtype=np.float64)
        if self._warp is not None:
            bent = self._warp(bent)
        placed: list[float] = (bent @ self._matrix + self._origin).ravel().tolist()
        return placed

    def shape(self, points: ArrayLike, *, fill: Colour) -> None:
        """Fill the polygon of these points."""
        self.draw.polygon(self.place(points), fill=fill)

    def line(self, points: ArrayLike, *, fill: Colour, width: float) -> None:
        """Draw a line with round ends through the points; the width is in head units."""
        placed, width_px = self.place(points), max(1, round(width * self.radius_px))
        self.draw.line(placed, fill=fill, width=width_px, joint="curve")
        half = width_px / 2 - 0.5
        for x, y in (placed[:2], placed[-2:]):
            self.draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)

    def oval(self, x: float, y: float, rx: float, ry: float, *, fill: Colour, turn: float = 0.0) -> None:
        """Fill an ellipse around (x, y), rotated by `turn` radians."""
        self.shape(oval_points(x, y, rx, ry, turn=turn), fill=fill)


def oval_points(x: float, y: float, rx: float, ry: float, *, turn: float = 0.0) -> Points:
    """Return 28 points [28, 2] on an ellipse."""
    points: Points = _CIRCLE * (rx, ry)
    if turn:
        cos, sin = math.cos(turn), math.sin(turn)
        points = points @ np.array([[cos, sin], [-sin, cos]])
    return np.asarray(points + np.array((x, y)))


def rounded(corners: Sequence[tuple[float, float]]) -> Points:
    """Return a smooth closed outline through the corners (a Catmull-Rom spline, six points per corner)."""
    here = np.asarray(corners, dtype=np.float64)
    before, after, later = np.roll(here, 1, axis=0), np.roll(here, -1, axis=0), np.roll(here, -2, axis=0)
    t = _STEPS[None]
    b, h, a, n = (points[:, None, :] for points in (before, here, after, later))
    outline = 0.5 * (2 * h + (a - b) * t + (2 * b - 5 * h + 4 * a - n) * t**2 + (3 * h - b - 3 * a + n) * t**3)
    return np.asarray(outline.reshape(-1, 2))


def bend(start: tuple[float, float], pull: tuple[float, float], end: tuple[float, float]) -> Points:
    """Return ten points [10, 2] on a quadratic Bezier curve with the control point `pull`."""
    t = _BEND_STEPS
    return np.asarray((1 - t) ** 2 * start + 2 * (1 - t) * t * np.asarray(pull) + t**2 * np.asarray(end))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return a mix of two colors with this share of the second."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return r, g, b

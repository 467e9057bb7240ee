"""Synthetic pet faces drawn from a head, an expression and a scene."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from petmood.data.synthetic.animal_heads import SPECIES, Coat, Head, draw_head, head_of, pick_coat
from petmood.data.synthetic.canvas import Brush, Colour, HeadPose, bend, mix, oval_points
from petmood.data.synthetic.expression import Expression, sample_expression
from petmood.data.synthetic.scene import add_occluder, apply_camera_effects, mottle, paint_background

__all__ = ["SPECIES", "draw_face"]

_OVERSAMPLING = 2
_DARK: Colour = (44, 30, 32)
_WHITE: Colour = (252, 250, 246)
_MOUTH: Colour = (122, 36, 48)
_TONGUE: Colour = (240, 124, 134)
_REACH = 0.08
"""Displacement of a face's parts in head units, so that no two animals differ only by a rigid transform."""

_TOY_SHARE = 0.05
"""Share of faces whose mouth is covered by a ball, so that models need the other cues."""


def draw_face(label: str, species: str, *, rng: np.random.Generator, side_px: int = 192) -> NDArray[np.uint8]:
    """Draw one pet face as uint8 [side, side, 3]; the same generator state gives the same pixels.

    Species, coat, pose, background, light and noise are independent of the class, which is shown only by mouth, ears,
    eyes and brows. Drawn at twice the size and downsampled for smooth edges.
    """
    big_px = side_px * _OVERSAMPLING
    canvas = paint_background(big_px, rng)
    head, coat, expression = head_of(species, rng), pick_coat(rng), sample_expression(label, rng)
    brush = _pose(canvas, head, rng)
    _body(brush, coat, rng)
    draw_head(brush, head=head, coat=coat, ear_turn=expression.ear_turn, rng=rng)
    mottle(canvas, rng)
    if expression.blush:
        _blush(brush, head, coat)
    for side in (-1, 1):
        _eye(brush, head=head, coat=coat, expression=expression, side=side)
        _brow(brush, head=head, coat=coat, expression=expression, side=side)
    _nose(brush, head=head, coat=coat)
    _MOUTHS[expression.mouth](brush, head, expression.mouth_size)
    if head.whiskers:
        _whiskers(brush, head, coat)
    if rng.random() < _TOY_SHARE:
        _toy(brush, head, rng)
    add_occluder(canvas, rng)
    return apply_camera_effects(canvas.reduce(_OVERSAMPLING), rng)


def _pose(canvas: Image.Image, head: Head, rng: np.random.Generator) -> Brush:
    side = canvas.width
    radius = side * float(rng.uniform(0.27, 0.33)) * (1.0 - 0.18 * max(0.0, head.headroom - 1.4))
    x = side * float(rng.uniform(0.42, 0.58))
    y = side * (float(rng.uniform(0.47, 0.57)) + 0.06 * max(0.0, head.headroom - 1.2))
    turn = math.radians(float(rng.uniform(-15.0, 15.0)))
    warp = HeadPose(rng, reach=_REACH)
    return Brush(ImageDraw.Draw(canvas), centre=(x, y), radius_px=radius, turn=turn, warp=warp)


def _body(brush: Brush, coat: Coat, rng: np.random.Generator) -> None:
    brush.oval(0.0, 1.75, 1.02, 1.3, fill=coat.edge)
    brush.oval(0.0, 1.77, 0.98, 1.27, fill=mix(coat.main, _DARK, 0.12))
    brush.oval(0.0, 1.75, 0.5, 0.9, fill=mix(coat.second, coat.main, 0.3))
    if rng.random() < 0.4:
        r, g, b = (int(c) for c in rng.integers(60, 230, size=3))
        brush.line(bend((-0.72, 0.88), (0.0, 1.25), (0.72, 0.88)), fill=(r, g, b), width=0.16)
        brush.oval(0.0, 1.16, 0.12, 0.12, fill=(238, 200, 80))


def _blush(brush: Brush, head: Head, coat: Coat) -> None:
    x, y, r = head.eyes
    for side in (-1, 1):
        brush.oval(side * x * 1.45, y + r * 1.75, 0.15, 0.09, fill=mix(coat.main, (244, 120, 130), 0.4))


def _eye(brush: Brush, *, head: Head, coat: Coat, expression: Expression, side: int) -> None:
    x, y, size = head.eyes
    rx, ry = size * expression.eye, size * expression.eye * 1.08
    middle = side * x
    if expression.shut:
        lift = -0.5 if expression.shut == "arch" else 0.18
        arch = bend((middle - rx, y + 0.06), (middle, y + 0.06 + lift), (middle + rx, y + 0.06))
        brush.line(arch, fill=_contrast(coat), width=0.085 * coat.stroke)
        return

    def under_lid(points: NDArray[np.float64]) -> NDArray[np.float64]:
        inward = (points[:, 0] - middle) * -side / rx
        lid = y + ry * (expression.lid + expression.lid_slant * inward)
        return np.stack([points[:, 0], np.minimum(np.maximum(points[:, 1], lid), y + ry)], axis=1)

    opening = under_lid(oval_points(middle, y, rx, ry))
    brush.shape(under_lid(oval_points(middle, y - 0.015, rx * 1.2, ry * 1.2)), fill=_contrast(coat))
    brush.shape(opening, fill=_WHITE)
    down = y + expression.gaze * ry * 0.4
    brush.shape(under_lid(oval_points(middle, down, rx * 0.82, ry * 0.82)), fill=coat.iris)
    brush.shape(
        under_lid(oval_points(middle, down, rx * expression.pupil * coat.slit, ry * expression.pupil)), fill=_DARK
    )
    if expression.lid < 0:
        x, y = coat.glint
        brush.oval(middle + rx * x, down + ry * y, rx * 0.2 * coat.stroke, ry * 0.2, fill=_WHITE)
    brush.line(np.concatenate([opening[14:], opening[:1]]), fill=_contrast(coat), width=0.075 * coat.stroke)
    if expression.tear and side > 0:
        brush.oval(middle + rx * 0.3, y + ry * 1.5, 0.075, 0.13, fill=(120, 190, 240))


def _contrast(coat: Coat) -> Colour:
    """Return a line color that contrasts with the coat: dark on light coats, nearly black on dark ones."""
    return _DARK if sum(coat.main) > 300 else mix(coat.main, (8, 6, 8), 0.8)


def _brow(brush: Brush, *, head: Head, coat: Coat, expression: Expression, side: int) -> None:
    x, y, size = head.eyes
    height = y - size * 1.28 - expression.brow_lift
    inner = (side * x * 0.45, height + expression.brow_slant * 0.85)
    outer = (side * x * 1.45, height - expression.brow_slant * 0.35)
    pull = (side * x, height - 0.06)
    fill = mix(coat.main, (20, 12, 12), 0.75) if sum(coat.main) > 300 else mix(coat.main, _WHITE, 0.6)
    brush.line(bend(inner, pull, outer), fill=fill, width=0.095 * coat.stroke)


def _nose(brush: Brush, *, head: Head, coat: Coat) -> None:
    width, y, height = head.nose
    if head.nostrils:
        for side in (-1, 1):
            brush.oval(side * 0.24, y + 0.02, 0.07, 0.1, fill=_DARK, turn=side * 0.4)
        return
    brush.oval(0.0, y, width * 1.2, height * 1.25, fill=coat.nose)
    brush.shape([(-width, y), (width, y), (0.0, y + height * 2.0)], fill=coat.nose)
    brush.oval(-width * 0.35, y - height * 0.4, width * 0.3, height * 0.25, fill=mix(coat.nose, _WHITE, 0.6))
    brush.line([(0.0, y + height), (0.0, head.mouth_y)], fill=_DARK, width=0.04)


def _laugh(brush: Brush, head: Head, size: float) -> None:
    y, half = head.mouth_y, 0.42 * size
    top = bend((-half, y - 0.08), (0.0, y + 0.1), (half, y - 0.08))
    bottom = bend((half, y - 0.08), (0.0, y + 0.95 * size), (-half, y - 0.08))
    brush.shape(np.concatenate([top, bottom]), fill=_MOUTH)
    brush.oval(0.0, y + 0.3 * size, 0.2 * size, 0.13 * size, fill=_TONGUE)
    brush.line(top, fill=_DARK, width=0.06)
    brush.line(bottom, fill=_DARK, width=0.04)


def _smile(brush: Brush, head: Head, size: float) -> None:
    y, half = head.mouth_y, 0.4 * size
    for side in (-1, 1):
        brush.line(bend((0.0, y), (side * half * 0.7, y + 0.42), (side * half, y - 0.14)), fill=_DARK, width=0.085)
    brush.oval(0.0, y + 0.14, 0.1, 0.12, fill=_TONGUE)


def _snarl(brush: Brush, head: Head, size: float) -> None:
    y, half = head.mouth_y, 0.4 * size
    top = bend((-half, y + 0.28), (0.0, y - 0.3), (half, y + 0.28))
    bottom = bend((half, y + 0.28), (0.0, y + 0.3), (-half, y + 0.28))
    brush.shape(np.concatenate([top, bottom]), fill=_MOUTH)
    for x in (-0.62, -0.2, 0.2, 0.62):
        root = y + 0.02 + 0.22 * x * x
        width, long = 0.2 * half, (0.2 if abs(x) > 0.5 else 0.12)
        brush.shape([(x * half - width, root), (x * half + width, root), (x * half, root + long)], fill=_WHITE)
    brush.line(np.concatenate([top, bottom]), fill=_DARK, width=0.06)


def _teeth(brush: Brush, head: Head, size: float) -> None:
    y, half = head.mouth_y + 0.12, 0.4 * size
    top = bend((-half, y + 0.12), (0.0, y - 0.22), (half, y + 0.12))
    bottom = bend((half, y + 0.12), (0.0, y + 0.22), (-half, y + 0.12))
    outline = np.concatenate([top, bottom, top[:1]])
    brush.shape(outline, fill=_WHITE)
    for x in (-0.5, -0.17, 0.17, 0.5):
        brush.line([(x * half, y - 0.06), (x * half, y + 0.16)], fill=_DARK, width=0.035)
    brush.line([(-half, y + 0.1), (half, y + 0.1)], fill=_DARK, width=0.03)
    brush.line(outline, fill=_DARK, width=0.07)


def _frown(brush: Brush, head: Head, size: float) -> None:
    y, half = head.mouth_y, 0.34 * size
    brush.line(bend((-half, y + 0.3), (0.0, y - 0.2), (half, y + 0.3)), fill=_DARK, width=0.085)


def _pout(brush: Brush, head: Head, size: float) -> None:
    y, half = head.mouth_y, 0.26 * size
    brush.oval(0.0, y + 0.24, half * 0.8, 0.08, fill=_TONGUE)
    brush.line(bend((-half, y + 0.3), (0.0, y - 0.14), (half, y + 0.3)), fill=_DARK, width=0.09)


def _flat(brush: Brush, head: Head, size: float) -> None:
    y, half = head.mouth_y + 0.06, 0.24 * size
    brush.line([(-half, y), (half, y)], fill=_DARK, width=0.075)


def _round(brush: Brush, head: Head, size: float) -> None:
    brush.oval(0.0, head.mouth_y + 0.14, 0.16 * size, 0.19 * size, fill=_DARK)
    brush.oval(0.0, head.mouth_y + 0.16, 0.11 * size, 0.13 * size, fill=_MOUTH)


def _whiskers(brush: Brush, head: Head, coat: Coat) -> None:
    fill = mix(_WHITE, coat.main, 0.15) if sum(coat.main) < 500 else mix(coat.main, _DARK, 0.5)
    rx, y, _ = head.muzzle
    for side in (-1, 1):
        for rise in (-0.1, 0.03, 0.16):
            start, end = (side * rx * 0.9, y - 0.03 + rise * 0.4), (side * (rx + 0.75), y - 0.1 + rise * 1.6)
            brush.line(bend(start, (side * (rx + 0.3), y - 0.1 + rise * 0.4), end), fill=fill, width=0.022)


def _toy(brush: Brush, head: Head, rng: np.random.Generator) -> None:
    r, g, b = (int(c) for c in rng.integers(70, 235, size=3))
    x, y = float(rng.uniform(-0.12, 0.12)), head.mouth_y + 0.16
    brush.oval(x, y, 0.37, 0.37, fill=mix((r, g, b), _DARK, 0.5))
    brush.oval(x, y, 0.34, 0.34, fill=(r, g, b))
    brush.line(bend((x - 0.3, y + 0.06), (x, y + 0.26), (x + 0.3, y + 0.06)), fill=_WHITE, width=0.08)
    brush.oval(x - 0.12, y - 0.14, 0.08, 0.06, fill=mix((r, g, b), _WHITE, 0.7), turn=-0.5)


_MOUTHS = {
    "laugh": _laugh,
    "smile": _smile,
    "snarl": _snarl,
    "teeth": _teeth,
    "frown": _frown,
    "pout": _pout,
    "flat": _flat,
    "round": _round,
}

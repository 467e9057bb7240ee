"""Synthetic animal heads: ears, outline and muzzle per species, in randomly drawn coat colors."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from petmood.data.synthetic.canvas import Brush, Colour, Points, mix, rounded

__all__ = ["SPECIES", "Coat", "Head", "draw_head", "head_of", "pick_coat"]

_COATS: tuple[Colour, ...] = (
    (235, 180, 120), (205, 135, 70), (150, 105, 70), (105, 75, 60), (90, 90, 98), (150, 150, 158),
    (200, 196, 190), (240, 232, 218), (62, 58, 64), (222, 160, 90), (180, 140, 110), (226, 206, 170),
)  # fmt: skip
_EYES: tuple[Colour, ...] = (
    (96, 150, 70), (210, 160, 50), (80, 140, 190), (130, 84, 44), (170, 120, 60), (70, 110, 120),
)  # fmt: skip
_WHITE: Colour = (250, 246, 238)
_PINK: Colour = (238, 160, 160)
_TUFTS = 200
PATTERNS = ("plain", "muzzle", "patch", "stripes", "blaze", "spots")


@dataclass(frozen=True, slots=True)
class Coat:
    """The colors of one animal; `pattern` is one of "plain", "muzzle", "patch", "stripes", "blaze", "spots".

    `stroke` scales the line width, `glint` is the position of the eye's highlight, `slit` scales the width of the
    pupils.
    """

    main: Colour
    second: Colour
    iris: Colour
    nose: Colour
    pattern: str
    stroke: float = 1.0
    glint: tuple[float, float] = (-0.25, -0.15)
    slit: float = 1.0

    @property
    def edge(self) -> Colour:
        """Return the color of outlines: a darker main color."""
        return mix(self.main, (30, 20, 20), 0.45)


@dataclass(frozen=True, slots=True)
class Head:
    """Positions of the parts of a species' face, in head units.

    `ear_root` is (x, y) of the right ear's root, `ear_length` and `ear_width` its length and half width. `ear_turns`
    are its rotations in radians when upright and when laid flat. `outline` is the right half of the outline, top to
    bottom. `headroom` is how far the ears reach up.
    """

    outline: tuple[tuple[float, float], ...]
    ear_root: tuple[float, float]
    ear_length: float
    ear_width: float
    ear_turns: tuple[float, float]
    ear_tip: float
    eyes: tuple[float, float, float]
    muzzle: tuple[float, float, float]
    nose: tuple[float, float, float]
    mouth_y: float
    whiskers: bool
    headroom: float
    nostrils: bool = False


SPECIES = ("cat", "dog", "hamster", "horse", "rabbit")
_HEADS = {
    "cat": Head(
        outline=((0.0, -0.86), (0.55, -0.8), (0.98, -0.3), (1.04, 0.2), (0.72, 0.7), (0.3, 0.9)),
        ear_root=(0.62, -0.62), ear_length=0.85, ear_width=0.36, ear_turns=(0.28, 1.45), ear_tip=0.22,
        eyes=(0.42, -0.12, 0.25), muzzle=(0.36, 0.42, 0.27), nose=(0.1, 0.24, 0.07), mouth_y=0.42, whiskers=True,
        headroom=1.4,
    ),
    "dog": Head(
        outline=((0.0, -0.92), (0.5, -0.86), (0.84, -0.4), (0.82, 0.25), (0.62, 0.75), (0.3, 1.0)),
        ear_root=(0.66, -0.62), ear_length=0.98, ear_width=0.3, ear_turns=(1.5, 2.8), ear_tip=0.75,
        eyes=(0.36, -0.2, 0.21), muzzle=(0.46, 0.42, 0.42), nose=(0.19, 0.2, 0.13), mouth_y=0.5, whiskers=False,
        headroom=1.15,
    ),
    "hamster": Head(
        outline=((0.0, -0.8), (0.6, -0.72), (0.98, -0.2), (1.2, 0.3), (0.95, 0.75), (0.4, 0.9)),
        ear_root=(0.66, -0.58), ear_length=0.55, ear_width=0.3, ear_turns=(0.45, 1.75), ear_tip=0.9,
        eyes=(0.42, -0.12, 0.21), muzzle=(0.5, 0.42, 0.34), nose=(0.08, 0.2, 0.06), mouth_y=0.4, whiskers=True,
        headroom=1.2,
    ),
    "horse": Head(
        outline=((0.0, -1.02), (0.42, -0.98), (0.68, -0.5), (0.6, 0.2), (0.66, 0.7), (0.4, 1.14)),
        ear_root=(0.4, -0.9), ear_length=0.6, ear_width=0.2, ear_turns=(0.1, 1.5), ear_tip=0.25,
        eyes=(0.4, -0.3, 0.2), muzzle=(0.6, 0.66, 0.5), nose=(0.1, 0.42, 0.05), mouth_y=0.7, whiskers=False,
        headroom=1.5, nostrils=True,
    ),
    "rabbit": Head(
        outline=((0.0, -0.86), (0.45, -0.8), (0.8, -0.35), (0.9, 0.2), (0.68, 0.7), (0.3, 0.88)),
        ear_root=(0.34, -0.72), ear_length=1.25, ear_width=0.24, ear_turns=(0.1, 1.9), ear_tip=0.7,
        eyes=(0.42, -0.14, 0.22), muzzle=(0.4, 0.4, 0.27), nose=(0.1, 0.22, 0.06), mouth_y=0.42, whiskers=True,
        headroom=2.0,
    ),
}  # fmt: skip


def head_of(species: str, rng: np.random.Generator | None = None) -> Head:
    """Return the measures of a species in `SPECIES`; with a generator, randomly varied for one animal."""
    head = _HEADS[species]
    if rng is None:
        return head
    apart, high, eye, long, wide, muzzle, nose, low = (1.0 + 0.2 * rng.uniform(-1.0, 1.0, size=8)).tolist()
    x, y, size = head.eyes
    return replace(
        head,
        eyes=(x * (1.0 + (apart - 1.0) * 0.7), y + (high - 1.0) * 0.6, size * eye),
        ear_length=head.ear_length * long,
        ear_width=head.ear_width * wide,
        muzzle=(head.muzzle[0] * muzzle, head.muzzle[1], head.muzzle[2] * muzzle),
        nose=(head.nose[0] * nose, head.nose[1] + (nose - 1.0) * 0.3, head.nose[2] * nose),
        mouth_y=head.mouth_y + (low - 1.0) * 0.5,
    )


def pick_coat(rng: np.random.Generator) -> Coat:
    """Draw the colors of an animal, independent of its species and class."""
    main, second = (_COATS[int(k)] for k in rng.choice(len(_COATS), size=2, replace=False))
    jitter = rng.integers(-14, 15, size=3)
    r, g, b = (int(np.clip(c + j, 25, 250)) for c, j in zip(main, jitter, strict=True))
    if rng.random() < 0.6:
        second = _WHITE
    nose = ((60, 42, 44), (214, 130, 128), (120, 80, 74))[int(rng.integers(3))]
    iris = _EYES[int(rng.integers(len(_EYES)))]
    pattern = PATTERNS[int(rng.integers(len(PATTERNS)))]
    x, y, stroke, slit = rng.uniform((-0.4, -0.45, 0.7, 0.45), (0.4, 0.2, 1.35, 1.0)).tolist()
    return Coat((r, g, b), second, iris, nose, pattern, stroke, (x, y), slit)


def draw_head(brush: Brush, *, head: Head, coat: Coat, ear_turn: float, rng: np.random.Generator) -> None:
    """Draw both ears, the head's outline, the coat's pattern, the fur and the muzzle."""
    for side in (-1, 1):
        _ear(brush, head=head, coat=coat, side=side, ear_turn=ear_turn)
    right = np.asarray(head.outline)
    left = right[:0:-1] * (-1, 1)
    outline = rounded([(x, y) for x, y in np.concatenate([right, left]).tolist()])
    brush.shape(outline * 1.035, fill=coat.edge)
    brush.shape(outline, fill=coat.main)
    _PAINTERS[coat.pattern](brush, head, coat)
    _fur(brush, head=head, coat=coat, rng=rng)
    _muzzle(brush, head=head, coat=coat)


def _ear(brush: Brush, *, head: Head, coat: Coat, side: int, ear_turn: float) -> None:
    upright, laid = head.ear_turns
    turn = upright + (laid - upright) * ear_turn
    length, width, tip = head.ear_length, head.ear_width, head.ear_tip
    corners = rounded(
        [(-width, 0.15), (-width * 0.9, -0.35 * length), (-width * tip * 0.6, -0.92 * length), (0.0, -length),
         (width * tip * 0.6, -0.92 * length), (width * 0.9, -0.35 * length), (width, 0.15)]
    )  # fmt: skip
    dark = coat.second if coat.pattern in {"patch", "spots"} and side > 0 else coat.main
    for points, fill in ((corners * 1.07, coat.edge), (corners, dark), (corners * (0.6, 0.72), mix(dark, _PINK, 0.6))):
        brush.shape(_turned(points, turn=turn, side=side, root=head.ear_root), fill=fill)


def _turned(points: Points, *, turn: float, side: int, root: tuple[float, float]) -> Points:
    cos, sin = math.cos(turn), math.sin(turn)
    turned = points @ np.array([[cos, sin], [-sin, cos]]) + root
    return np.asarray(turned * (side, 1))


def _fur(brush: Brush, *, head: Head, coat: Coat, rng: np.random.Generator) -> None:
    # Lighter and darker tufts that point away from the nose, random for each animal.
    across = max(x for x, _ in head.outline)
    angles, reach = rng.uniform(0.0, 2.0 * math.pi, size=_TUFTS), np.sqrt(rng.uniform(0.03, 0.86, size=_TUFTS))
    roots = np.stack([np.cos(angles) * reach * across, np.sin(angles) * reach * 0.9], axis=1)
    ways = roots - (0.0, head.nose[1]) + rng.normal(0.0, 0.25, size=(_TUFTS, 2))
    ways *= (rng.uniform(0.07, 0.2, size=_TUFTS) / (np.hypot(ways[:, 0], ways[:, 1]) + 1e-6))[:, None]
    placed = np.asarray(brush.place(np.concatenate([roots, roots + ways], axis=1).reshape(-1, 2))).reshape(-1, 4)
    shades = [mix(coat.main, other, 0.3) for other in ((20, 14, 14), _WHITE, coat.second)]
    width = max(1, round(0.035 * brush.radius_px))
    for number, stroke in enumerate(placed.tolist()):
        brush.draw.line(stroke, fill=shades[number % len(shades)], width=width)


def _muzzle(brush: Brush, *, head: Head, coat: Coat) -> None:
    rx, y, ry = head.muzzle
    light = mix(coat.second if coat.pattern != "plain" else coat.main, _WHITE, 0.45)
    if coat.pattern == "blaze":
        light = coat.second
    brush.oval(-rx * 0.48, y, rx * 0.62, ry, fill=light)
    brush.oval(rx * 0.48, y, rx * 0.62, ry, fill=light)
    brush.oval(0.0, y + ry * 0.35, rx * 0.6, ry * 0.9, fill=light)


def _plain(brush: Brush, head: Head, coat: Coat) -> None:
    brush.oval(0.0, head.outline[0][1] * 0.62, 0.35, 0.16, fill=mix(coat.main, _WHITE, 0.12))


def _patch(brush: Brush, head: Head, coat: Coat) -> None:
    x, y, r = head.eyes
    brush.oval(x * 1.08, y - 0.03, r * 1.5, r * 1.65, fill=coat.second, turn=0.3)


def _stripes(brush: Brush, head: Head, coat: Coat) -> None:
    dark = mix(coat.main, (40, 26, 22), 0.45)
    for x in (-0.22, 0.0, 0.22):
        brush.line([(x, -0.8 + abs(x) * 0.2), (x * 0.8, -0.5)], fill=dark, width=0.08)
    edge = max(px for px, _ in head.outline)
    for side in (-1, 1):
        for y in (0.12, 0.32):
            brush.line([(side * edge * 0.93, y), (side * edge * 0.66, y + 0.03)], fill=dark, width=0.07)


def _blaze(brush: Brush, head: Head, coat: Coat) -> None:
    top = head.outline[0][1] + 0.06
    brush.shape(rounded([(0.0, top), (0.13, -0.3), (0.3, 0.45), (-0.3, 0.45), (-0.13, -0.3)]), fill=coat.second)


def _spots(brush: Brush, head: Head, coat: Coat) -> None:
    for x, y, r in (
        (-0.4, -0.55, 0.15),
        (0.35, -0.62, 0.11),
        (-0.62, 0.2, 0.11),
        (0.58, 0.15, 0.14),
        (0.02, -0.7, 0.08),
    ):
        brush.oval(x * head.outline[2][0], y, r, r * 0.85, fill=coat.second, turn=x)


_PAINTERS: dict[str, Callable[[Brush, Head, Coat], None]] = {
    "plain": _plain,
    "muzzle": _plain,
    "patch": _patch,
    "stripes": _stripes,
    "blaze": _blaze,
    "spots": _spots,
}

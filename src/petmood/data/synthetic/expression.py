"""Expressions of a synthetic face: mouth, ears, eyes and brows per class, with random variation."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

__all__ = ["Expression", "Mouth", "sample_expression"]

Mouth = Literal["laugh", "smile", "snarl", "teeth", "frown", "pout", "flat", "round"]


@dataclass(frozen=True, slots=True)
class Expression:
    """Parameters of a drawn face.

    `ear_turn`: 0 upright, 1 laid flat to the side. `lid`: -1 eye wide open, 1 shut. `lid_slant` is over 0 if the inner
    end is lower (angry), under 0 if the outer end is (sad). `eye` scales the eye, `pupil` the pupil in it. `brow_slant`
    as `lid_slant`; `brow_lift` in head units. `shut` draws the closed eye as an arch or a line.
    """

    ear_turn: float
    lid: float
    lid_slant: float
    eye: float
    pupil: float
    gaze: float
    brow_slant: float
    brow_lift: float
    mouth: Mouth
    mouth_size: float
    shut: Literal["", "arch", "line"] = ""
    tear: bool = False
    blush: bool = False


def sample_expression(label: str, rng: np.random.Generator) -> Expression:
    """Draw a random expression of a class; its strength varies, and sometimes the ears or the brows don't show it."""
    variants = _VARIANTS[label]
    base = variants[int(rng.integers(len(variants)))]
    strength = float(rng.uniform(0.7, 1.0))
    ears_join, brows_join = rng.random(2) > (0.1, 0.1)
    play = rng.uniform(-1.0, 1.0, size=7).tolist()
    ears = base.ear_turn if ears_join else float(rng.uniform(0.0, 1.3))
    return replace(
        base,
        ear_turn=_between(_OTHER.ear_turn, ears, strength) + 0.10 * play[0],
        lid=_between(_OTHER.lid, base.lid, strength) + 0.08 * play[1],
        lid_slant=base.lid_slant * strength * (1.0 + 0.2 * play[2]),
        eye=base.eye * (1.0 + 0.08 * play[3]),
        brow_slant=base.brow_slant * strength * brows_join * (1.0 + 0.2 * play[4]),
        brow_lift=base.brow_lift + 0.03 * play[5],
        mouth_size=base.mouth_size * (0.85 + 0.3 * strength) * (1.0 + 0.12 * play[6]),
        gaze=base.gaze + float(rng.uniform(-0.15, 0.15)),
        tear=base.tear and bool(rng.random() < 0.5),
    )


def _between(first: float, second: float, share: float) -> float:
    return first + (second - first) * share


_ANGRY = Expression(
    ear_turn=0.85, lid=-0.15, lid_slant=0.62, eye=1.0, pupil=0.45, gaze=0.1,
    brow_slant=0.30, brow_lift=-0.04, mouth="snarl", mouth_size=1.05,
)  # fmt: skip
_HAPPY = Expression(
    ear_turn=0.05, lid=-1.0, lid_slant=0.0, eye=1.12, pupil=0.78, gaze=-0.1,
    brow_slant=-0.03, brow_lift=0.12, mouth="laugh", mouth_size=1.1, blush=True,
)  # fmt: skip
_SAD = Expression(
    ear_turn=1.25, lid=-0.35, lid_slant=-0.5, eye=1.08, pupil=0.75, gaze=0.45,
    brow_slant=-0.30, brow_lift=0.02, mouth="frown", mouth_size=1.0, tear=True,
)  # fmt: skip
_OTHER = Expression(
    ear_turn=0.42, lid=-0.75, lid_slant=0.0, eye=0.98, pupil=0.62, gaze=0.0,
    brow_slant=0.0, brow_lift=0.03, mouth="flat", mouth_size=0.9,
)  # fmt: skip
_VARIANTS = {
    "angry": (_ANGRY, replace(_ANGRY, mouth="teeth", lid_slant=0.7, ear_turn=0.95)),
    "happy": (_HAPPY, replace(_HAPPY, shut="arch"), replace(_HAPPY, mouth="smile", mouth_size=1.25)),
    "sad": (_SAD, replace(_SAD, mouth="pout", lid=-0.1)),
    "other": (
        _OTHER,
        replace(_OTHER, shut="line", ear_turn=0.6),
        replace(_OTHER, mouth="round", lid=-1.0, eye=1.25, pupil=0.42, brow_lift=0.16, ear_turn=0.2),
    ),
}

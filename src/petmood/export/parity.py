"""Parity check of ONNX and PyTorch logits on golden photos at several batch sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import ATOL, RTOL
from petmood.core.errors import BundleError

__all__ = ["BATCH_SIZES", "Parity", "check_parity"]

BATCH_SIZES: Final = (1, 2, 7)
SPREAD: Final = 1e-2
"""Smallest accepted standard deviation of a logit over the photos. Below it the logits would agree whatever the input
(an untrained EfficientNet's vary by 1e-19), so the check would prove nothing."""

Logits = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest difference of the logits, their spread over the photos, and the number of photos."""

    largest_difference: float
    spread: float
    photos: int


def check_parity(expected: Logits, answer: Callable[[NDArray[np.uint8]], Logits], pixels: NDArray[np.uint8]) -> Parity:
    """Compare expected logits [N, K] with ``answer(pixels)`` for pixels uint8 [N, S, S, 3] at batch sizes 1, 2 and 7.

    Raises:
        BundleError: the logits are not finite, don't depend on the photo, differ by more than
            ``ATOL + RTOL * |expected|``, or predict another class.
    """
    if not np.isfinite(expected).all():
        raise BundleError(
            "Expected finite logits of the trained network, got NaN or infinity. Train it again with a lower learning "
            "rate, such as optimizer.lr=0.0003."
        )
    spread = float(expected.std(axis=0).max())
    if spread < SPREAD:
        raise BundleError(
            f"The network has learned too little: its logits vary by {spread:.2g} among photos, expected {SPREAD} or "
            "more, so its export can't be checked. Train it longer, such as with trainer.max_epochs=20."
        )
    largest = 0.0
    for size in BATCH_SIZES:
        got = np.concatenate([answer(pixels[start : start + size]) for start in range(0, len(pixels), size)])
        _refuse_difference(expected, got, size)
        largest = max(largest, float(np.abs(got - expected).max()))
    return Parity(largest, spread, len(pixels))


def _refuse_difference(expected: Logits, got: Logits, size: int) -> None:
    if got.shape != expected.shape:
        raise BundleError(
            f"Expected logits of shape {expected.shape} as from torch at batch {size}, got {got.shape} from ONNX."
        )
    apart = ~np.isclose(got, expected, rtol=RTOL, atol=ATOL).all(axis=1)
    other = got.argmax(axis=1) != expected.argmax(axis=1)
    if (apart | other).any():
        worst = float(np.abs(got - expected).max())
        raise BundleError(
            f"ONNX and torch disagree on {int((apart | other).sum())} of {len(got)} golden photos at batch {size} "
            f"(largest difference {worst:.3g}). Nothing was exported."
        )

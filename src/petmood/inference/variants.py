"""Choice of a bundle's network at loading: the one that is asked for, or the fastest one on this machine.

A variant is compared with its own golden outputs first. Its integer arithmetic may differ among processors.
"""

import logging
import statistics
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError
from petmood.core.golden import read_golden, read_variant_golden
from petmood.core.timing import times_in_turns
from petmood.core.variants import FP32, VariantChoice, VariantInfo, VariantName, largest_deviation
from petmood.inference.onnx import OnnxSession, run_singly

__all__ = ["FASTER", "choose_variant", "over_photos"]

Pixels = NDArray[np.uint8]

logger = logging.getLogger(__name__)

FASTER: Final = 0.9
"""A variant is taken if it needs at most this share of the time of ``model.onnx``: below it, noise could decide."""
ROUNDS: Final = 15


def choose_variant(
    bundle: Bundle, session: OnnxSession, *, threads: int, choice: VariantChoice = FP32
) -> tuple[OnnxSession, VariantName]:
    """Return the session of the chosen variant and its name; ``session`` is that of ``model.onnx``, checked already.

    With auto, a variant whose golden outputs differ on this machine is left out, and ``model.onnx`` is taken unless
    another one is faster by a tenth.

    Raises:
        BundleError: the bundle has no such variant, or its golden outputs differ.
    """
    variants = {variant.name: variant for variant in bundle.manifest.variants}
    if choice == "auto":
        return _fastest(bundle, session, variants.values(), threads=threads)
    if choice == FP32:
        return session, FP32
    if choice not in variants:
        raise BundleError(
            f"{bundle.folder} has no variant {choice}, only {', '.join([FP32, *variants])}. "
            f"Choose one of these, or export the run with --variant {choice}."
        )
    return _opened(bundle, variants[choice], threads=threads), choice


def over_photos(network: Callable[[Pixels], object], photos: Pixels) -> Callable[[int], object]:
    """Return a function that computes one photo of uint8 [N, S, S, 3], another one in each round."""
    return lambda number: network(photos[number % len(photos)][np.newaxis])


def _fastest(
    bundle: Bundle, session: OnnxSession, variants: Iterable[VariantInfo], *, threads: int
) -> tuple[OnnxSession, VariantName]:
    found: list[tuple[OnnxSession, VariantName]] = [(session, FP32)]
    for variant in variants:
        try:
            found.append((_opened(bundle, variant, threads=threads), variant.name))
        except BundleError as error:
            logger.warning("the variant %s is left out: %s", variant.name, error)
    if len(found) == 1:
        return found[0]
    pixels = read_golden(bundle).pixels
    took = times_in_turns([over_photos(one.logits, pixels) for one, _ in found], rounds=ROUNDS)
    own, *others = map(statistics.median, took)
    best = min(range(len(others)), key=lambda at: others[at])
    chosen = found[best + 1] if others[best] <= FASTER * own else found[0]
    shown = ", ".join(f"{name} {1000 * one:.1f} ms" for (_, name), one in zip(found, [own, *others], strict=True))
    logger.info("variant %s of %s, by the time of one photo: %s", chosen[1], bundle.folder, shown)
    return chosen


def _opened(bundle: Bundle, variant: VariantInfo, *, threads: int) -> OnnxSession:
    """Return the session of a variant whose outputs for the golden photos are near its own golden outputs."""
    session = OnnxSession(bundle.folder / variant.network_name, threads=threads, outputs=bundle.manifest.outputs)
    pixels = read_golden(bundle).pixels
    expected = read_variant_golden(bundle, variant, photos=len(pixels))
    name, deviation = largest_deviation(expected, run_singly(session, pixels))
    if not deviation <= variant.tolerance:
        raise BundleError(
            f"{bundle.folder}: on this machine, the {name} of {variant.network_name} for the golden photos deviate by "
            f"{deviation:.2g}, allowed are {variant.tolerance:g}. Use the variant {FP32}, or export the run here."
        )
    return session

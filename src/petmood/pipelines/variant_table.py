"""Measurement of several networks on the same held-out photos: accuracy, speed in turns, and outputs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from petmood.core.graph_outputs import EMBEDDING, LOGITS, RESIDUAL
from petmood.core.image_statistics import image_statistics
from petmood.core.prediction import softmax
from petmood.core.timing import times_in_turns
from petmood.data.index import IndexRow
from petmood.evaluation.predictions import from_rows
from petmood.evaluation.variants import OutputShift, Speed, VariantResult, compare_variant, output_shift
from petmood.export.variant import opened_graph
from petmood.inference.onnx import run_singly
from petmood.inference.variants import over_photos
from petmood.models.network import ExpressionNet
from petmood.models.torch_threads import one_torch_thread
from petmood.monitoring.drift.detect import detect_drift
from petmood.monitoring.measurements import Measurements

__all__ = ["MeasuredNetwork", "compiled_network", "measure_networks", "serving_network"]

TIMED_PHOTOS: Final = 8

Pixels = NDArray[np.uint8]
Outputs = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredNetwork:
    """A network to measure, with its held-out photos uint8 [N, S, S, 3].

    ``logits`` are those of one photo uint8 [1, S, S, 3], which is timed; ``outputs`` those of all photos, by name.
    ``is_variant``: its outputs stand for those of the first network, so they are compared with them.
    """

    name: str
    what: str
    size_bytes: int
    pixels: Pixels
    logits: Callable[[Pixels], object]
    outputs: Callable[[Pixels], Outputs]
    is_variant: bool = False


def serving_network(
    opener: ExitStack, graph: bytes, pixels: Pixels, *, name: str, what: str, is_variant: bool = False
) -> MeasuredNetwork:
    """Open the bytes of a serving graph, on one thread, until the stack is closed."""
    session = opener.enter_context(opened_graph(graph))
    outputs = partial(run_singly, session)
    return MeasuredNetwork(name, what, len(graph), pixels, session.logits, outputs, is_variant)


def compiled_network(network: ExpressionNet, pixels: Pixels, *, name: str, size_bytes: int) -> MeasuredNetwork:
    """Return a torch network that is compiled for one photo at a time (torch.compile).

    Raises:
        Exception: there is no C++ compiler, or torch can't compile the network; torch has no common class for these.
    """
    compiled = torch.compile(network.eval())

    def logits(photo: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = compiled(torch.from_numpy(photo).permute(0, 3, 1, 2)).numpy()
        return found

    def outputs(photos: Pixels) -> Outputs:
        return {LOGITS: np.concatenate([logits(photo[np.newaxis]) for photo in photos])}

    logits(np.array(pixels[:1]))
    return MeasuredNetwork(name, "torch.compile, float", size_bytes, pixels, logits, outputs)


def measure_networks(
    networks: Sequence[MeasuredNetwork], rows: Sequence[IndexRow], *, classes: tuple[str, ...], rounds: int
) -> tuple[VariantResult, ...]:
    """Return a row for each network, in their order; the others are compared with the first one.

    ``rows`` are the index rows of the photos. ``rounds`` is how often the time of one photo is measured, in turns.

    Raises:
        DataError: no photos.
    """
    with one_torch_thread():
        works = [over_photos(one.logits, np.array(one.pixels[:TIMED_PHOTOS])) for one in networks]
        times = times_in_turns(works, rounds=rounds)
    speeds = [Speed.of(took) for took in times]
    outputs = [one.outputs(np.asarray(one.pixels)) for one in networks]
    scored = [from_rows(found[LOGITS], rows, classes=classes) for found in outputs]
    measured: list[VariantResult] = []
    for at, network in enumerate(networks):
        accuracy, paired = compare_variant(scored[at], scored[0] if at else None)
        shift = _shift(outputs[0], outputs[at], network.pixels, classes=classes) if network.is_variant else None
        note = speeds[at].beside(speeds[0]) if at else ""
        measured.append(
            VariantResult(network.name, network.what, accuracy, speeds[at], network.size_bytes, paired, shift, note)
        )
    return tuple(measured)


def _shift(own: Outputs, other: Outputs, pixels: Pixels, *, classes: tuple[str, ...]) -> OutputShift:
    """Return how far outputs are from those of fp32, with the drift test of the service between the two."""
    seen = image_statistics(np.asarray(pixels))
    before, after = (
        Measurements(
            classes=classes,
            statistics=seen,
            embedding=found[EMBEDDING].astype(np.float16),
            residual=found[RESIDUAL],
            probabilities=softmax(found[LOGITS]).astype(np.float32),
            confident=np.ones(len(seen), dtype=np.bool_),
            in_domain=np.ones(len(seen), dtype=np.bool_),
        )
        for found in (own, other)
    )
    return output_shift(own, other, drift=str(detect_drift(before, after).status))

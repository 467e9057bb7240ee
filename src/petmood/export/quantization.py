"""Static INT8 quantization of a serving graph by ONNX Runtime: convolutions in integers, the rest in float.

Weights get one scale per output channel, activations one range each, from photos that are run through the float graph
(QDQ format; Jacob et al. 2018). Class head, class maps, embedding and residual norm are computed in float from the last
feature map. So the graph has all outputs of the one that it is made of.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from petmood.core.errors import ConfigError, DataError
from petmood.core.files import atomic_write_bytes

__all__ = ["FEWEST_PHOTOS", "quantize"]

FEWEST_PHOTOS: Final = 20
"""Fewest photos that the ranges of activations are taken from."""
BODY: Final = ("Add", "Clip", "Conv", "HardSigmoid", "HardSwish", "MaxPool", "Mul", "Relu", "Sigmoid")
"""Operations that are quantized up to the last feature map. Activations are folded into the convolution before them:
quantized alone, the range of a convolution's output before its clipping is so wide that a network loses 13 points."""


def quantize(model: bytes, pixels: NDArray[np.uint8]) -> bytes:
    """Return the ONNX file of a serving graph with its convolutions in 8-bit integers; inputs and outputs stay.

    ``pixels`` uint8 [N, S, S, 3] are training photos, as the service prepares them.

    Raises:
        ConfigError: the graph has fewer than two convolutions.
        DataError: fewer than ``FEWEST_PHOTOS`` photos.
    """
    if len(pixels) < FEWEST_PHOTOS:
        raise DataError(
            f"Expected at least {FEWEST_PHOTOS} training photos to calibrate INT8 on, got {len(pixels)}. Add photos."
        )
    with TemporaryDirectory(prefix="petmood-") as temporary:
        folder = Path(temporary)
        given, prepared, made = (folder / name for name in ("given.onnx", "prepared.onnx", "int8.onnx"))
        atomic_write_bytes(given, model)
        # Folds batch norms into convolutions. Symbolic shape inference isn't needed: no operation here depends on it.
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        root = logging.getLogger()  # onnxruntime's tool logs through it
        level = root.level
        root.setLevel(logging.ERROR)
        try:
            quantize_static(
                prepared,
                made,
                _Photos(graph.input[0].name, pixels),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(BODY),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_float_nodes(graph.node),
                calibrate_method=CalibrationMethod.MinMax,
            )
        finally:
            root.setLevel(level)
        return _without_descriptions(made)


class _Photos(CalibrationDataReader):  # type: ignore[misc] # onnxruntime's classes have no annotations
    """Feeds single photos to onnxruntime's calibration."""

    def __init__(self, name: str, pixels: NDArray[np.uint8]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.uint8]]] = ({name: one[np.newaxis]} for one in pixels)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next photo, None after the last one."""
        return next(self._feeds, None)


def _float_nodes(nodes: Sequence[Any]) -> list[str]:
    """Return the names of the nodes up to the first convolution, and of those after the last feature map.

    The first convolution sees raw colors, and its few channels differ most in range: in integers it changed half as
    many predictions again.

    Raises:
        ConfigError: there is no other convolution.
    """
    convolutions = [at for at, node in enumerate(nodes) if node.op_type == "Conv"]
    if len(convolutions) < 2:
        raise ConfigError(
            f"Expected a network with two convolutions or more to quantize, got {len(convolutions)}. Export it plain."
        )
    end = convolutions[-1] + 1
    while end < len(nodes) and nodes[end].op_type in BODY:
        end += 1
    return [node.name for node in (*nodes[: convolutions[0] + 1], *nodes[end:])]


def _without_descriptions(path: Path) -> bytes:
    """Return a model's bytes without what tools write beside the graph, so that equal graphs have equal hashes."""
    model = onnx.load(path)
    model.ClearField("metadata_props")
    model.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))

"""ONNX export of a network, with normalization and temperature inside the graph."""

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from petmood.core.graph_outputs import CLASS_MAPS, LOGITS, MEASURED, GraphOutput
from petmood.export.embedding import EmbeddingOutputs
from petmood.models.class_maps import ClassMapNetwork
from petmood.models.network import ExpressionNet

__all__ = ["ServingModel", "export_graph", "to_onnx"]

OPSET = 18


class ServingModel(nn.Module):
    """Serving graph: input uint8 [B, S, S, 3], output logits divided by the temperature, float32 [B, K].

    Of a network with class maps, these are the next output, divided likewise: float32 [B, K, H, W]. With ``embedding``,
    its two outputs follow.
    """

    def __init__(
        self,
        network: ExpressionNet | ClassMapNetwork,
        *,
        temperature: float,
        embedding: EmbeddingOutputs | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.embedding = embedding

    @property
    def outputs(self) -> tuple[GraphOutput, ...]:
        """The names of the outputs, in their order."""
        maps: tuple[GraphOutput, ...] = (CLASS_MAPS,) if isinstance(self.network, ClassMapNetwork) else ()
        return (LOGITS, *maps, *(MEASURED if self.embedding is not None else ()))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return calibrated logits for pixels uint8 [B, S, S, 3], and the other outputs that the network has."""
        images = pixels.permute(0, 3, 1, 2)
        if isinstance(self.network, ClassMapNetwork):
            logits, maps, features = self.network(images)
            divided: tuple[Tensor, ...] = (logits / self.temperature, maps / self.temperature)
        else:
            features = self.network.features(images)
            divided = (self.network.head(features) / self.temperature,)
        return divided if self.embedding is None else (*divided, *self.embedding(features))


def to_onnx(
    network: ExpressionNet,
    *,
    side_px: int,
    temperature: float,
    maps: ClassMapNetwork | None = None,
    embedding: EmbeddingOutputs | None = None,
) -> bytes:
    """Return the bytes of a network's ONNX file, without external data and with a dynamic batch size.

    The outputs are those of ``ServingModel``; ``maps`` is the same network with class maps.

    Raises:
        RuntimeError: the exporter returned no program.
    """
    network.to(memory_format=torch.contiguous_format)
    serving = ServingModel(network if maps is None else maps, temperature=temperature, embedding=embedding)
    return export_graph(serving, side_px=side_px, outputs=serving.outputs)


def export_graph(module: nn.Module, *, side_px: int, outputs: Sequence[str]) -> bytes:
    """Return the bytes of the ONNX file of a module with the input "pixels", uint8 [B, S, S, 3], and these outputs.

    Raises:
        RuntimeError: the exporter returned no program.
    """
    example = torch.zeros(2, side_px, side_px, 3, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1, max=4096)
    exporting = logging.getLogger("torch.onnx")
    level = exporting.level
    exporting.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # the exporter's internal deprecation warnings
            program = torch.onnx.export(
                module.eval(),
                (example,),
                dynamo=True,
                dynamic_shapes=({0: batch},),
                input_names=["pixels"],
                output_names=list(outputs),
                opset_version=OPSET,
                verbose=False,
            )
    finally:
        exporting.setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program, though dynamo was asked for")
    return _without_traces(program.model_proto)


def _without_traces(model: Any) -> bytes:  # noqa: ANN401 - protobuf's own class
    """Return a model's bytes without the exporter's metadata, which contains local paths and changes the hash."""
    for part in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
    return bytes(model.SerializeToString(deterministic=True))

"""ONNX export of the network of the domain scores."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from petmood.core.domain import DOMAIN_OUTPUTS, SCENE_WARNINGS, DomainRule
from petmood.export.onnx import export_graph
from petmood.models.domain import COMPONENTS, DomainNet, FeatureNetwork

__all__ = ["FittedDomain", "domain_onnx", "domain_outputs"]

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class FittedDomain:
    """What the network of the domain scores is made with, and the rule for its outputs.

    ``mean`` [1280], ``components`` [1280, P] and ``precisions`` [P] with P of at most 64, ``residual`` and ``limit``
    are those of ``models.domain.DomainNet``. So are ``scene_weights`` [1504, W] and ``scene_offsets`` [W], None for a
    rule without scene warnings.
    """

    mean: Floats
    components: Floats
    precisions: Floats
    residual: float
    limit: float
    rule: DomainRule
    scene_weights: Floats | None = None
    scene_offsets: Floats | None = None

    @property
    def has_scenes(self) -> bool:
        """Whether the network has scores of scene warnings."""
        return self.scene_weights is not None and self.scene_offsets is not None

    def state(self) -> dict[str, NDArray[np.float32]]:
        """Return the buffers of the network by name; components that are missing are zeros."""
        missing = COMPONENTS - len(self.precisions)
        arrays = {
            "mean": self.mean,
            "components": np.pad(self.components, ((0, 0), (0, missing))),
            "precisions": np.pad(self.precisions, (0, missing)),
            "residual": np.array([self.residual]),
            "limit": np.array([self.limit]),
        }
        if self.scene_weights is not None and self.scene_offsets is not None:
            arrays |= {"scene_weights": self.scene_weights, "scene_offsets": self.scene_offsets}
        return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}


def domain_onnx(fitted: FittedDomain, *, side_px: int) -> bytes:
    """Return the bytes of the ONNX file of the domain scores for prepared photos uint8 [B, S, S, 3].

    Raises:
        RuntimeError: the exported graph lacks one of the constants.
    """
    model = onnx.load_from_string(_graph(side_px, scenes=fitted.has_scenes))
    constants = {one.name: one for one in model.graph.initializer}
    for name, array in fitted.state().items():
        if name not in constants or tuple(constants[name].dims) != array.shape:
            raise RuntimeError(f"the exported graph of the domain scores has no constant {name} of {array.shape}")
        constants[name].CopyFrom(numpy_helper.from_array(array, name))
    return bytes(model.SerializeToString(deterministic=True))


def domain_outputs(
    fitted: FittedDomain, pixels: NDArray[np.uint8], *, side_px: int, size: int = 32
) -> dict[str, NDArray[np.float32]]:
    """Return torch's domain scores [N] of the rule, by name, for prepared photos uint8 [N, S, S, 3]."""
    network = DomainNet(_features(side_px), scenes=fitted.has_scenes).eval()
    state = {name: torch.from_numpy(array) for name, array in fitted.state().items()}
    network.load_state_dict(state, strict=False)
    found: list[tuple[Floats, ...]] = []
    with torch.inference_mode():
        for start in range(0, len(pixels), size):
            scores = network(torch.from_numpy(np.array(pixels[start : start + size])))
            found.append(tuple(one.numpy() for one in scores))
    columns = (np.concatenate(one) for one in zip(*found, strict=True))
    by_name = dict(zip(_outputs(scenes=fitted.has_scenes), columns, strict=True))
    return {name: by_name[name] for name in fitted.rule.outputs}


def _outputs(*, scenes: bool) -> tuple[str, ...]:
    return (*DOMAIN_OUTPUTS, *SCENE_WARNINGS) if scenes else DOMAIN_OUTPUTS


@cache
def _features(side_px: int) -> FeatureNetwork:
    return FeatureNetwork(side_px=side_px)


@cache
def _graph(side_px: int, *, scenes: bool) -> bytes:
    """Return the ONNX file with constants to be replaced; the export takes seconds, and is the same for all models."""
    network = DomainNet(_features(side_px), scenes=scenes)
    return export_graph(network, side_px=side_px, outputs=_outputs(scenes=scenes))

"""A smaller variant of a bundle's network as files: its ONNX file, and its own outputs for the golden photos."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from petmood.core.bundle import pack_arrays
from petmood.core.errors import BundleError
from petmood.core.files import atomic_write_bytes
from petmood.core.variants import VariantInfo
from petmood.inference.onnx import OnnxSession, run_singly

__all__ = ["GOLDEN_TOLERANCE", "FittedVariant", "opened_graph", "opened_network", "variant_files"]

GOLDEN_TOLERANCE: Final = 0.1
"""Largest relative deviation from golden outputs at loading. Where another processor rounds one value of the first
layers to the next integer, later ones may follow; one that lacks an instruction may saturate, which is far beyond."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedVariant:
    """A variant's ONNX file, its entry in the manifest, and the SHA-256 of the ``model.onnx`` that it was made of."""

    data: bytes
    info: VariantInfo
    made_of: str


def variant_files(variant: FittedVariant, graph: bytes, golden: NDArray[np.uint8]) -> dict[str, bytes]:
    """Return the files of a variant by name: its network, and its outputs for golden photos uint8 [N, S, S, 3].

    Raises:
        BundleError: the variant was made of another graph than ``graph``, the bytes of ``model.onnx``.
    """
    if hashlib.sha256(graph).hexdigest() != variant.made_of:
        raise BundleError(
            f"The variant {variant.info.name} was made of another network than this export: the run was evaluated "
            "again since, on another machine or by another version. Run petmood optimize again."
        )
    with opened_graph(variant.data) as session:
        outputs = run_singly(session, golden)
    return {variant.info.network_name: variant.data, variant.info.golden_name: pack_arrays(**outputs)}


@contextmanager
def opened_graph(network: bytes, *, threads: int = 1) -> Iterator[OnnxSession]:
    """Open the bytes of a network with all outputs that its graph has."""
    names = [output.name for output in onnx.load_from_string(network).graph.output]
    with opened_network(network, outputs=names, threads=threads) as session:
        yield session


@contextmanager
def opened_network(network: bytes, *, outputs: Sequence[str], threads: int = 1) -> Iterator[OnnxSession]:
    """Open the bytes of a network with some of its outputs."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        atomic_write_bytes(path, network)
        yield OnnxSession(path, threads=threads, outputs=outputs)

"""Tiny networks and bundles whose predictions depend on the photo, as those of trained ones do."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from petmood.core.bundle import MANIFEST, Bundle, pack_arrays, verify, write
from petmood.core.domain import DomainRule
from petmood.core.golden import Golden
from petmood.core.image import ImageSpec
from petmood.core.labels import DEFAULT_CLASSES
from petmood.export.bundle import BundleMetadata, export_bundle
from petmood.export.drift_reference import ReferencePhotos
from petmood.models.network import ExpressionNet, NetworkSpec, build_network
from tests.support.images import faces

IMAGE: Final = ImageSpec(side_px=32)
TEMPERATURE: Final = 1.7
METRICS: Final[dict[str, Any]] = {
    "splits": {"test": {"accuracy": {"value": 0.912, "low": 0.85, "high": 0.95, "n": 120}}},
}


def warmed(network: ExpressionNet, *, seed: int = 0) -> ExpressionNet:
    """Let batch norms see some pictures and make the head steep, so that logits spread as after a training."""
    images = torch.from_numpy(faces(32, side_px=64, seed=seed)).permute(0, 3, 1, 2)
    torch.manual_seed(seed)
    with torch.no_grad():
        for norm in (module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)):
            norm.momentum = None
        network.train()(images)
        network.eval()
        raw = network(images)
        last = [module for module in network.head.modules() if isinstance(module, torch.nn.Linear)][-1]
        last.bias.sub_(raw.mean(dim=0))
        scale = 2.0 / raw.std(dim=0).mean()
        last.weight.mul_(scale)
        last.bias.mul_(scale)
    return network


def tiny_network(*, seed: int = 0, classes: int = len(DEFAULT_CLASSES), image: ImageSpec = IMAGE) -> ExpressionNet:
    """Build the tiny network, warmed; equal seeds give equal weights."""
    torch.manual_seed(seed)
    return warmed(build_network(NetworkSpec("tiny"), image=image, classes=classes), seed=seed)


def facts(**changes: Any) -> BundleMetadata:  # noqa: ANN401 - any field of the record
    """Return what a bundle says of itself."""
    fields: dict[str, Any] = {
        "name": "demo",
        "classes": DEFAULT_CLASSES,
        "image": IMAGE,
        "temperature": TEMPERATURE,
        "confidence_threshold": 0.6,
        "target_error": 0.1,
        "conformal_quantile": 0.8,
        "target_coverage": 0.9,
        "metrics": METRICS,
        "backbone": "tiny",
        "data_hash": "d" * 64,
        "code_version": "0.1.0",
        "created": "2026-01-01T00:00:00Z",
        "config": {"seed": 0},
        "photos": {"train": 40, "test": 120},
        "species": ("cat", "dog"),
    }
    return BundleMetadata(**{**fields, **changes})


def tiny_bundle(folder: Path) -> Bundle:
    """Export the tiny network, unless an earlier test of this session did: it takes some seconds."""
    if folder.exists():
        return verify(folder)
    golden = faces(16, side_px=IMAGE.side_px)
    return export_bundle(tiny_network(), facts(), golden=golden, reference=reference_photos(), to=folder)


def reference_photos(*, seed: int = 100) -> ReferencePhotos:
    """Return 60 photos for a drift reference of the tiny network, and 30 others for the projection."""
    side = IMAGE.side_px
    labels = np.arange(60) % len(DEFAULT_CLASSES)
    pixels, others = faces(60, side_px=side, seed=seed), faces(30, side_px=side, seed=seed + 1000)
    return ReferencePhotos(pixels, labels, others, "held_out")


RULE: Final = DomainRule(features="mean color", animal_threshold=0.4, target_false_alarms=0.02)


def color_scores(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return what ``color_network`` answers: novelty is mean blue / 100, the animal score is mean red / 255.

    The score of two pets is mean green / 100 - 1.
    """
    means = pixels.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    return {"novelty": means[:, 2] / 100, "animal": means[:, 0] / 255, "two_pets": means[:, 1] / 100 - 1}


def color_network(*, novelty: str = "novelty", batch: str | int = "batch") -> bytes:
    """Build a network of domain scores that depend on the mean color alone."""
    weights = np.array([[0, 1 / 255, 0], [0, 0, 1 / 100], [1 / 100, 0, 0]], np.float32)
    names = [novelty, "animal", "two_pets"]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats", "sides"], ["means"], keepdims=0),
            helper.make_node("MatMul", ["means", "weights"], ["both"]),
            helper.make_node("Split", ["both"], ["n", "a", "t"], axis=1, num_outputs=3),
            helper.make_node("Squeeze", ["n", "last"], [novelty]),
            helper.make_node("Squeeze", ["a", "last"], ["animal"]),
            helper.make_node("Squeeze", ["t", "last"], ["green"]),
            helper.make_node("Sub", ["green", "one"], ["two_pets"]),
        ],
        "colors",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [batch, None, None, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch]) for name in names],
        [
            numpy_helper.from_array(np.array([1, 2]), "sides"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1]), "last"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def repacked(golden: Golden, **changes: NDArray[Any]) -> bytes:
    """Return golden photos as the bytes of their file, with some arrays changed."""
    further = {"maps": golden.maps, "embedding": golden.embedding, "residual": golden.residual}
    arrays: dict[str, NDArray[Any]] = {"pixels": golden.pixels, "logits": golden.logits, **golden.scores}
    arrays |= {name: array for name, array in further.items() if array is not None}
    return pack_arrays(**{**arrays, **changes})


def with_domain(bundle: Bundle, to: Path, *, network: bytes | None = None, rule: DomainRule = RULE) -> Bundle:
    """Write a bundle again with a domain rule, a network of domain scores, and golden scores of ``color_scores``."""
    files = {name: data for name, data in bundle.contents() if name != MANIFEST}
    with np.load(io.BytesIO(files["golden.npz"]), allow_pickle=False) as arrays:
        golden = dict(arrays)
    files["golden.npz"] = pack_arrays(**golden, **color_scores(golden["pixels"]))
    manifest = bundle.manifest.model_copy(update={"domain": rule, "version": "with-domain"})
    return write(to, manifest, files | {"domain.onnx": network or color_network()})

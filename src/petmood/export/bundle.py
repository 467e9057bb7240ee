"""Export of a trained network to a bundle: ONNX conversion, parity check, model card and atomic write."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from petmood.core.atomic_directory import DirectoryDraft
from petmood.core.bundle import (
    ATOL,
    DOMAIN_NAME,
    RTOL,
    Bundle,
    Manifest,
    pack_arrays,
    write_into,
)
from petmood.core.bundle_target import bundle_directory
from petmood.core.domain import DomainRule
from petmood.core.errors import BundleError
from petmood.core.golden import maps_agree
from petmood.core.graph_outputs import CLASS_MAPS, LOGITS, MEASURED, GraphOutput
from petmood.core.image import ImageSpec
from petmood.export.domain import FittedDomain, domain_onnx, domain_outputs
from petmood.export.drift_reference import ReferencePhotos, reference_bytes
from petmood.export.embedding import EmbeddingOutputs
from petmood.export.model_card import card_text
from petmood.export.onnx import to_onnx
from petmood.export.parity import BATCH_SIZES, check_parity
from petmood.export.variant import FittedVariant, opened_network, variant_files
from petmood.inference.load import BundlePredictor
from petmood.inference.onnx import OnnxSession
from petmood.models.class_maps import ClassMapNetwork, class_map_network
from petmood.models.network import ExpressionNet
from petmood.monitoring.projection import fit_projection

__all__ = ["BundleMetadata", "export_bundle", "fill_bundle", "serving_graph"]


@dataclass(frozen=True, slots=True)
class BundleMetadata:
    """Metadata for a bundle's manifest and model card; names as in ``core.bundle.Manifest``."""

    name: str
    classes: tuple[str, ...]
    image: ImageSpec
    temperature: float
    confidence_threshold: float
    target_error: float
    conformal_quantile: float
    target_coverage: float
    metrics: Mapping[str, Any]
    backbone: str
    data_hash: str
    code_version: str
    created: str
    config: Mapping[str, Any]
    photos: Mapping[str, int]
    species: tuple[str, ...] = ()
    data_kind: Literal["photographs", "drawings"] | None = None


def export_bundle(
    network: ExpressionNet,
    facts: BundleMetadata,
    *,
    golden: NDArray[np.uint8],
    reference: ReferencePhotos,
    to: Path,
    domain: FittedDomain | None = None,
    further: Mapping[str, bytes] | None = None,
    replace: bool = False,
) -> Bundle:
    """Write a bundle of a trained network into the folder ``to``; the other arguments are those of ``fill_bundle``.

    Raises:
        BundleError: as ``fill_bundle``, or the existing target may not be replaced.
        OutputError: ``to`` can't be written, or another process is writing it.
    """
    with bundle_directory(to, replace=replace) as draft:
        made = fill_bundle(draft, network, facts, golden=golden, reference=reference, domain=domain, further=further)
    return changed(made, folder=to)


def fill_bundle(
    draft: DirectoryDraft,
    network: ExpressionNet,
    facts: BundleMetadata,
    *,
    golden: NDArray[np.uint8],
    reference: ReferencePhotos,
    domain: FittedDomain | None = None,
    further: Mapping[str, bytes] | None = None,
    variant: FittedVariant | None = None,
) -> Bundle:
    """Write a bundle of a trained network into the draft of its folder.

    ``golden`` is the prepared photos uint8 [N, S, S, 3] that every load of the bundle is checked with. ``reference`` is
    the photos that drift is measured against. ``domain`` is how photos of another kind are recognized. ``further`` is
    additional files by name. ``variant`` is a smaller network made of the same graph.

    Raises:
        BundleError: ONNX and PyTorch disagree, a score is not finite, the logits are the same for all photos, or the
            variant was made of another graph.
        DataError: fewer than 2 photos to fit the projection of the embeddings to, or embeddings that are not finite.
    """
    network.eval()
    graph = _exported(network, facts, golden=golden, reference=reference)
    networks, scores = {"model.onnx": graph.data}, {}
    if domain is not None:
        networks[DOMAIN_NAME] = domain_onnx(domain, side_px=facts.image.side_px)
        scores = domain_outputs(domain, golden, side_px=facts.image.side_px)
        _compare_scores(networks[DOMAIN_NAME], scores, golden)
    added = variant_files(variant, graph.data, golden) if variant is not None else {}
    networks |= {name: data for name, data in added.items() if name.endswith(".onnx")}
    version = hashlib.sha256(b"".join(networks.values())).hexdigest()[:12]
    manifest = _manifest(facts, version=version, rule=domain.rule if domain else None, graph=graph, reference=reference)
    if variant is not None:
        manifest = manifest.model_copy(update={"variants": (variant.info,)})
    files = {
        **networks,
        **added,
        "golden.npz": pack_arrays(pixels=golden, **graph.golden, **scores),
        "reference.npz": _reference(manifest, networks, reference),
        "card.md": card_text(manifest, photos=facts.photos, species=facts.species).encode(),
        **(further or {}),
    }
    return write_into(draft, manifest, files)


def serving_graph(network: ExpressionNet, *, side_px: int, temperature: float, fit_to: NDArray[np.uint8]) -> bytes:
    """Return the bytes of ``model.onnx`` as a bundle of the network has it, without comparing it with torch.

    ``fit_to`` uint8 [M, S, S, 3] are the photos that the projection of the embeddings is fitted to.

    Raises:
        DataError: fewer than 2 photos to fit the projection to, or embeddings that are not finite.
    """
    network.eval()
    mapping, measuring = _further_outputs(network, side_px=side_px, fit_to=fit_to)
    return to_onnx(network, side_px=side_px, temperature=temperature, maps=mapping, embedding=measuring)


def _further_outputs(
    network: ExpressionNet, *, side_px: int, fit_to: NDArray[np.uint8]
) -> tuple[ClassMapNetwork | None, EmbeddingOutputs]:
    projection = fit_projection(_in_batches(network.features, fit_to))
    return class_map_network(network, side_px=side_px), EmbeddingOutputs(projection)


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    """Bytes of ``model.onnx``, and torch's outputs for the golden photos by name, before division by temperature."""

    data: bytes
    golden: dict[GraphOutput, NDArray[np.float32]]


def _exported(
    network: ExpressionNet, facts: BundleMetadata, *, golden: NDArray[np.uint8], reference: ReferencePhotos
) -> _Graph:
    """Export a network with all outputs that it can have, and compare ONNX with torch on the golden photos."""
    side_px, temperature = facts.image.side_px, facts.temperature
    mapping, measuring = _further_outputs(network, side_px=side_px, fit_to=reference.fit_to)
    model = to_onnx(network, side_px=side_px, temperature=temperature, maps=mapping, embedding=measuring)
    raw: dict[GraphOutput, NDArray[np.float32]] = {LOGITS: _in_batches(network, golden)}
    if mapping is not None:
        raw[CLASS_MAPS] = _in_batches(lambda images: mapping(images)[1], golden)
    for at, name in enumerate(MEASURED):
        raw[name] = _in_batches(partial(_measured, measuring, network, at), golden)
    expected: dict[str, NDArray[np.floating]] = {
        name: array if name in MEASURED else array / temperature for name, array in raw.items()
    }
    _compare(model, expected, golden)
    return _Graph(model, raw)


def _measured(measuring: EmbeddingOutputs, network: ExpressionNet, at: int, images: Tensor) -> Tensor:
    found: tuple[Tensor, Tensor] = measuring(network.features(images))
    return found[at]


def _reference(manifest: Manifest, networks: Mapping[str, bytes], reference: ReferencePhotos) -> bytes:
    """Return the drift reference as the exported networks see its photos."""
    with ExitStack() as opened:
        session = opened.enter_context(opened_network(networks["model.onnx"], outputs=manifest.outputs))
        domain = None
        if manifest.domain is not None:
            domain = opened.enter_context(opened_network(networks[DOMAIN_NAME], outputs=manifest.domain.outputs))
        bundle = Bundle(Path(), manifest, sha256="")
        return reference_bytes(BundlePredictor(bundle, session, domain), reference)


def _in_batches(run: Callable[[Tensor], Tensor], pixels: NDArray[np.uint8], *, size: int = 32) -> NDArray[np.float32]:
    """Run a network's function over prepared photos uint8 [N, S, S, 3] in batches, without gradients."""
    with torch.inference_mode():
        parts = [
            run(torch.from_numpy(np.array(pixels[start : start + size])).permute(0, 3, 1, 2)).float().numpy()
            for start in range(0, len(pixels), size)
        ]
    return np.concatenate(parts)


def _compare(model: bytes, expected: Mapping[str, NDArray[np.floating]], golden: NDArray[np.uint8]) -> None:
    with opened_network(model, outputs=tuple(expected)) as session:
        check_parity(expected[LOGITS], session.logits, golden)
        others = {name: array for name, array in expected.items() if name != LOGITS}
        _compare_outputs(session, others, golden)


def _compare_scores(network: bytes, expected: Mapping[str, NDArray[np.float32]], golden: NDArray[np.uint8]) -> None:
    with opened_network(network, outputs=tuple(expected)) as session:
        _compare_outputs(session, expected, golden)


def _compare_outputs(
    session: OnnxSession, expected: Mapping[str, NDArray[np.floating]], golden: NDArray[np.uint8]
) -> None:
    for size in BATCH_SIZES:
        parts = [session.run(golden[start : start + size]) for start in range(0, len(golden), size)]
        for name, wanted in expected.items():
            found = np.concatenate([part[name] for part in parts])
            if name == CLASS_MAPS and maps_agree(wanted, found):
                continue
            if not (np.isfinite(found) & np.isclose(found, wanted, rtol=RTOL, atol=ATOL)).all():
                with np.errstate(invalid="ignore"):
                    worst = float(np.abs(found - wanted).max())
                raise BundleError(
                    f"ONNX and torch disagree on {name} at batch {size} (largest difference {worst:.3g}). "
                    "Nothing was exported."
                )


def _manifest(
    facts: BundleMetadata, *, version: str, rule: DomainRule | None, graph: _Graph, reference: ReferencePhotos
) -> Manifest:
    return Manifest(
        name=facts.name,
        version=version,
        classes=facts.classes,
        image=facts.image,
        temperature=facts.temperature,
        confidence_threshold=facts.confidence_threshold,
        target_error=facts.target_error,
        conformal_quantile=facts.conformal_quantile,
        target_coverage=facts.target_coverage,
        metrics=dict(facts.metrics),
        backbone=facts.backbone,
        data_hash=facts.data_hash,
        code_version=facts.code_version,
        created=facts.created,
        config=dict(facts.config),
        data_kind=facts.data_kind,
        outputs=tuple(graph.golden),
        domain=rule,
        reference=reference.info,
        files={},
    )

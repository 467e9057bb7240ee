"""Bundles with a variant of their network, and rows of the comparison of variants, for tests."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from petmood.core.bundle import MANIFEST, Bundle, verify, write
from petmood.core.golden import read_golden
from petmood.core.variants import VariantInfo
from petmood.evaluation.predictions import Predictions
from petmood.export.quantization import quantize
from petmood.export.variant import FittedVariant, variant_files
from tests.support.images import faces
from tests.support.networks import IMAGE


def variant_info(**changes: Any) -> VariantInfo:  # noqa: ANN401 - any field of the record
    """Return what a manifest says of a variant."""
    fields: dict[str, Any] = {
        "name": "int8",
        "tolerance": 0.1,
        "split": "test",
        "photos": 120,
        "accuracy": 0.9,
        "difference": -0.002,
        "low": -0.02,
        "high": 0.016,
        "calibrated_on": 40,
    }
    return VariantInfo.model_validate({**fields, **changes})


def with_variant(bundle: Bundle, to: Path, **changes: Any) -> Bundle:  # noqa: ANN401 - as variant_info
    """Write a bundle again with its quantized network, unless an earlier test of this session did."""
    if to.exists():
        return verify(to)
    files = {name: data for name, data in bundle.contents() if name != MANIFEST}
    graph, info = files["model.onnx"], variant_info(**changes)
    small = quantize(graph, faces(40, side_px=IMAGE.side_px, seed=7))
    fitted = FittedVariant(small, info, hashlib.sha256(graph).hexdigest())
    added = variant_files(fitted, graph, read_golden(bundle).pixels)
    manifest = bundle.manifest.model_copy(update={"variants": (info,), "version": "with-int8"})
    return write(to, manifest, files | added)


def scored(right: list[bool], *, groups: list[str] | None = None) -> Predictions:
    """Return predictions of two classes, of which some are right."""
    labels = np.arange(len(right)) % 2
    predicted = np.where(right, labels, 1 - labels)
    names = tuple(f"{number}.png" for number in range(len(right)))
    return Predictions(
        logits=np.eye(2)[predicted] * 3.0,
        labels=labels,
        groups=tuple(groups) if groups else names,
        paths=names,
        classes=("a", "b"),
        species=("",) * len(right),
        image_sizes=np.full((len(right), 2), 32),
        source=("",) * len(right),
    )

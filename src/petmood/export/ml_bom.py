"""Bill of materials of a bundle: CycloneDX 1.6 with a component of the type machine-learning-model."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from petmood.core.bundle import DATA_NAME, Bundle
from petmood.core.bundle_files import MANIFEST
from petmood.export.front_matter import model_license
from petmood.export.model_card import PURPOSE, WEAKNESS
from petmood.presentation.display_names import HEADLINE_METRICS, headline_split, title

__all__ = ["ml_bom"]

SPEC: Final = "1.6"
DATA: Final = "training-data"
BACKBONE: Final = "backbone"


def ml_bom(bundle: Bundle) -> str:
    """Return the bill of materials of a verified bundle as JSON; the same bundle gives the same bytes.

    The model has a model card (https://cyclonedx.org/docs/1.6/json/): architecture, data, measured values with
    intervals, uses and limitations. Its parts are the network that it began from, the data version, and every file.
    """
    manifest, model = bundle.manifest, f"model-{bundle.sha256[:12]}"
    parts = [_backbone(bundle), _data(bundle), *_files(bundle)]
    found = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'petmood:{bundle.sha256}')}",
        "version": 1,
        "metadata": {
            "timestamp": manifest.created,
            "tools": {"components": [{"type": "application", "name": "petmood", "version": manifest.code_version}]},
            "component": _model(bundle, model),
        },
        "components": parts,
        "dependencies": [
            {"ref": model, "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _model(bundle: Bundle, ref: str) -> dict[str, Any]:
    manifest = bundle.manifest
    license_ = model_license(manifest)
    return {
        "type": "machine-learning-model",
        "bom-ref": ref,
        "name": manifest.name,
        "version": manifest.version,
        "description": f"Predicts the facial expression of a pet in a photo: {', '.join(manifest.classes)}.",
        "hashes": [_hash(bundle.sha256)],
        **({"licenses": [{"license": {"id": license_}}]} if license_ else {}),
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": "image classification",
                "modelArchitecture": manifest.backbone,
                "datasets": [{"ref": DATA}],
                "inputs": [{"format": f"uint8 pixels [N, {manifest.image.side_px}, {manifest.image.side_px}, 3]"}],
                "outputs": [{"format": f"float32 {output}"} for output in manifest.outputs],
            },
            "quantitativeAnalysis": {"performanceMetrics": [*_metrics(manifest.metrics)]},
            "considerations": {"useCases": [PURPOSE], "technicalLimitations": [WEAKNESS, *manifest.warnings]},
        },
    }


def _metrics(metrics: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the headline metrics as the model card shows them, with their 95% intervals."""
    splits = metrics.get("splits", {})
    split = headline_split(splits) or ""
    for name in HEADLINE_METRICS:
        value = splits.get(split, {}).get(name)
        if value is None or value["value"] is None:
            continue
        ends = {"lowerBound": value.get("low"), "upperBound": value.get("high")}
        interval = {end: f"{number:.4f}" for end, number in ends.items() if number is not None}
        measured = {"type": title(name), "value": f"{value['value']:.4f}", "slice": split}
        yield {**measured, "confidenceInterval": interval} if interval else measured


def _backbone(bundle: Bundle) -> dict[str, Any]:
    return {"type": "machine-learning-model", "bom-ref": BACKBONE, "name": bundle.manifest.backbone}


def _data(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    kind = manifest.data_kind or "photographs or drawings, not recorded"
    contents = {"properties": [{"name": "petmood:data_hash", "value": manifest.data_hash}]}
    return {
        "type": "data",
        "bom-ref": DATA,
        "name": "training data",
        "version": manifest.data_hash[:12],
        "description": f"Images of pets with labels: {kind}.",
        **({"hashes": [_hash(manifest.data_hash)]} if DATA_NAME in manifest.files else {}),
        "data": [{"type": "dataset", "name": "training data", "contents": contents}],
    }


def _files(bundle: Bundle) -> Iterator[dict[str, Any]]:
    for name, sha256 in sorted({**bundle.manifest.files, MANIFEST: bundle.sha256}.items()):
        yield {"type": "file", "bom-ref": f"file-{name}", "name": name, "hashes": [_hash(sha256)]}


def _hash(sha256: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": sha256}

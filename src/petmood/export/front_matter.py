"""Front matter of the model card: what Hugging Face Hub reads of a model, as YAML between two lines of dashes."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from petmood.core.bundle import Manifest
from petmood.presentation.display_names import headline_split, title

__all__ = ["front_matter", "model_license"]

HUB_METRICS: Final = {"accuracy": "accuracy", "macro_f1": "f1"}
"""Our names of metrics that Hugging Face Hub has a name for."""


def model_license(manifest: Manifest) -> str | None:
    """Return the SPDX name of a model's license; None if it depends on photos whose license isn't recorded."""
    return "Apache-2.0" if manifest.data_kind == "drawings" else None


def front_matter(manifest: Manifest) -> str:
    """Return the front matter of a manifest's model card.

    The fields are those of https://github.com/huggingface/hub-docs/blob/main/modelcard.md. ``datasets`` is left out,
    since it may only name datasets of the Hub; the data version is part of ``model-index``.
    """
    results = _results(manifest)
    fields: dict[str, Any] = {
        "license": (model_license(manifest) or "unknown").lower(),
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": ["petmood", "pets", "facial-expression", "image-classification", "onnx"],
    }
    if results:
        fields["metrics"] = [one["type"] for one in results]
        fields["model-index"] = [{"name": manifest.name, "results": [_result(manifest, results)]}]
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n"


def _result(manifest: Manifest, results: list[dict[str, Any]]) -> dict[str, Any]:
    split = headline_split(manifest.metrics.get("splits", {})) or ""
    dataset = {"name": f"data version {manifest.data_hash[:12]}", "type": "petmood", "split": split}
    task = {"type": "image-classification", "name": "Facial expression of a pet"}
    return {"task": task, "dataset": dataset, "metrics": results}


def _results(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the measured values of the headline split that the Hub has names for."""
    splits: Mapping[str, Any] = manifest.metrics.get("splits", {})
    measured = splits.get(headline_split(splits) or "", {})
    found = [(name, measured[name]["value"]) for name in HUB_METRICS if name in measured]
    return [
        {"type": HUB_METRICS[name], "name": title(name), "value": round(float(value), 4)}
        for name, value in found
        if value is not None
    ]

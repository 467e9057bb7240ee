"""Tests of the front matter: Hugging Face's own library reads it, and it claims nothing that isn't recorded."""

from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from petmood.export.front_matter import front_matter, model_license
from petmood.export.model_card import card_text
from tests.support.bundles import demo_manifest

MEASURED = {
    "accuracy": {"value": 0.912345, "low": 0.8, "high": 0.95, "n": 50},
    "macro_f1": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50},
    "ece": {"value": 0.1, "low": 0.05, "high": 0.2, "n": 50},
}


def fields(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the manifest
    """Return the front matter of a manifest."""
    first, text, last = front_matter(demo_manifest(**changes)).split("---\n")
    assert (first, last) == ("", "")
    read: dict[str, Any] = yaml.safe_load(text)
    return read


def test_the_hub_s_library_reads_the_card() -> None:
    manifest = demo_manifest(metrics={"splits": {"test": MEASURED}}, data_kind="drawings", version="12e4")
    card = ModelCard(card_text(manifest, photos={"test": 50}))
    data: Any = card.data  # its fields are those of the card
    assert data.license == "apache-2.0"
    assert data.library_name == "onnx"
    assert data.pipeline_tag == "image-classification"
    assert data.metrics == ["accuracy", "f1"]
    found = {(one.metric_type, one.metric_value, one.dataset_split) for one in data.eval_results}
    assert found == {("accuracy", 0.9123, "test"), ("f1", 0.9, "test")}
    assert data.model_name == "demo"
    assert card.text.lstrip().startswith("# demo 12e4\n")


def test_values_of_a_cross_validation_are_labeled_so() -> None:
    (index,) = fields(metrics={"splits": {"crossval": MEASURED}})["model-index"]
    assert index["results"][0]["dataset"] == {
        "name": "data version dddddddddddd",
        "type": "petmood",
        "split": "crossval",
    }


@pytest.mark.parametrize("metrics", [{}, {"splits": {}}, {"splits": {"test": {"accuracy": {"value": None, "n": 0}}}}])
def test_what_was_not_measured_is_not_claimed(metrics: dict[str, Any]) -> None:
    assert not {"metrics", "model-index", "datasets"} & set(fields(metrics=metrics))


@pytest.mark.parametrize(
    ("kind", "license_", "written"),
    [("drawings", "Apache-2.0", "apache-2.0"), ("photographs", None, "unknown"), (None, None, "unknown")],
)
def test_a_model_of_photos_has_the_license_unknown(kind: str | None, license_: str | None, written: str) -> None:
    assert model_license(demo_manifest(data_kind=kind)) == license_
    assert fields(data_kind=kind)["license"] == written

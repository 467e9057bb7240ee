"""Tests of the bill of materials: valid CycloneDX 1.6 that tells what the bundle holds, and equal for equal bundles."""

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from petmood.core.bundle import write
from petmood.core.files import sha256_of
from petmood.export.ml_bom import ml_bom
from tests.support.bundles import demo_files, demo_manifest

MEASURED = {
    "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50},
    "ece": {"value": 0.1, "low": None, "high": None, "n": 50},
    "nll": {"value": None, "low": None, "high": None, "n": 50},
}


def bom(to: Path, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field of the manifest
    """Return the bill of materials of a bundle, checked against the schema of CycloneDX."""
    made = write(to, demo_manifest(**changes), demo_files())
    text = ml_bom(made)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    read: dict[str, Any] = json.loads(text)
    return read


def test_it_names_the_model_and_the_hash_of_every_file(tmp_path: Path) -> None:
    found = bom(tmp_path / "one", data_kind="drawings")
    model = found["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "demo", "1")
    assert model["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    files = {part["name"]: part["hashes"][0]["content"] for part in found["components"] if part["type"] == "file"}
    assert files == {path.name: sha256_of(path) for path in (tmp_path / "one").iterdir()}
    (depends, *_) = found["dependencies"]
    assert depends["ref"] == model["bom-ref"]
    assert depends["dependsOn"] == [part["bom-ref"] for part in found["components"]]


def test_its_model_card_has_what_was_measured_on_what(tmp_path: Path) -> None:
    card = bom(tmp_path / "one", metrics={"splits": {"test": MEASURED}})["metadata"]["component"]["modelCard"]
    assert card["modelParameters"]["modelArchitecture"] == "tiny"
    assert card["modelParameters"]["datasets"] == [{"ref": "training-data"}]
    accuracy = {"type": "accuracy", "value": "0.9000", "slice": "test"}
    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {**accuracy, "confidenceInterval": {"lowerBound": "0.8000", "upperBound": "0.9500"}},
        {"type": "calibration error", "value": "0.1000", "slice": "test"},
    ]


def test_it_names_the_data_version(tmp_path: Path) -> None:
    (data,) = [part for part in bom(tmp_path / "one")["components"] if part["type"] == "data"]
    assert data["version"] == "d" * 12
    assert data["data"][0]["contents"]["properties"] == [{"name": "petmood:data_hash", "value": "d" * 64}]
    assert "hashes" not in data, "a bundle without data.csv can't prove it"


@pytest.mark.parametrize("kind", ["photographs", None])
def test_a_model_of_photos_has_no_license(tmp_path: Path, kind: str | None) -> None:
    assert "licenses" not in bom(tmp_path / "one", data_kind=kind)["metadata"]["component"]


def test_equal_bundles_have_equal_bills_and_others_another_number(tmp_path: Path) -> None:
    one, again, other = bom(tmp_path / "one"), bom(tmp_path / "again"), bom(tmp_path / "other", version="2")
    assert one == again
    assert one["serialNumber"] != other["serialNumber"]

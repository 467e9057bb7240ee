"""Tests of registry addresses and references."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from petmood.core.errors import RegistryError
from petmood.registry.uri import ModelReference, is_reference, open_registry, parse_reference, registry_folder


@pytest.mark.parametrize(
    ("text", "model", "version"),
    [
        ("registry://petmood@champion", "petmood", "champion"),
        ("registry://petmood", "petmood", "champion"),
        ("registry://cats-2@17", "cats-2", "17"),
    ],
)
def test_a_reference_names_a_model_and_a_version(text: str, model: str, version: str) -> None:
    assert is_reference(text)
    assert parse_reference(text) == ModelReference(model, version)
    assert str(parse_reference(text)) == f"registry://{model}@{version}"


def test_an_alias_moves_and_a_number_does_not() -> None:
    assert parse_reference("registry://petmood@previous").is_mutable
    assert not parse_reference("registry://petmood@3").is_mutable


@pytest.mark.parametrize(
    "text", ["registry://", "registry://A@1", "registry://a/b", "registry://a@b@c", "registry://a@../x", "bundles/x"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(RegistryError, match="Expected registry://MODEL@VERSION"):
        parse_reference(text)


@pytest.mark.parametrize("model", ["", "A", "a/b", "../a", "a" * 65, "a\n"])
def test_a_name_that_can_not_be_a_models_is_refused(tmp_path: Path, model: str) -> None:
    with pytest.raises(RegistryError, match="is not a valid model name"):
        open_registry(str(tmp_path), model=model)


@pytest.mark.parametrize("address", ["ftp://x/y", "gs://", "azure://a/b"])
def test_an_unknown_kind_of_registry_is_refused(address: str) -> None:
    with pytest.raises(RegistryError, match="Unknown registry scheme"):
        open_registry(address)


def test_the_environment_names_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_REGISTRY", str(tmp_path / "place"))
    assert open_registry().address == str(tmp_path / "place")
    assert open_registry(str(tmp_path)).address == str(tmp_path)


@pytest.mark.parametrize(
    "address", ["mlflow", "sqlite:///mlflow.db", "http://x:5000", "gs://bucket/path", "s3://bucket"]
)
def test_mlflow_and_buckets_have_no_folder(address: str) -> None:
    assert registry_folder(address) is None
    assert registry_folder(f"folder/{address[:4]}") == Path(f"folder/{address[:4]}")


def test_a_folder_as_registry_loads_no_client_of_mlflow_or_a_cloud(tmp_path: Path) -> None:
    program = (
        "import json, sys; from petmood.registry.uri import open_registry\n"
        "open_registry('place').versions()\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stdout)) & {
        "mlflow",
        "boto3",
        "botocore",
        "google.cloud.storage",
        "pandas",
        "sqlalchemy",
    }


@pytest.mark.parametrize("address", ["sqlite:///", "sqlite://", "sqlite:///:memory:"])
def test_a_registry_in_memory_keeps_nothing_and_is_refused(address: str) -> None:
    with pytest.raises(RegistryError, match="Expected a database that keeps its content"):
        open_registry(address)

"""Tests of the public Python API: names, lazy imports, and bundles from folders and registries."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import petmood
from petmood.core.bundle import Bundle
from petmood.core.errors import BundleError, MissingDependency, RegistryError
from petmood.inference.base import Predictor
from petmood.registry.uri import open_registry
from tests.support.images import jpeg, photo_like
from tests.support.networks import tiny_bundle

PHOTO = jpeg(photo_like(90, 60))
LOADED = """
import json, sys
import petmood
dir(petmood)
print(json.dumps(sorted(name for name in sys.modules if name.startswith("petmood") or "." not in name)))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return a tiny bundle."""
    return tiny_bundle(tmp_path_factory.mktemp("api") / "bundle")


@pytest.mark.spawns
def test_importing_petmood_imports_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert [name for name in loaded if name.startswith("petmood")] == ["petmood"]
    assert {"numpy", "PIL", "pydantic", "httpx", "torch", "onnxruntime"} & set(loaded) == set()


def test_every_public_name_is_there_and_listed() -> None:
    assert set(petmood.__all__) <= set(dir(petmood))
    assert all(getattr(petmood, name) is not None for name in petmood.__all__)
    assert petmood.Predictor is Predictor


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'petmood' has no attribute 'lode_bundle'"):
        getattr(petmood, "lode_bundle")  # noqa: B009 - mypy would refuse it, as it should


def test_without_httpx_a_client_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    for name in ("Client", "AsyncClient"):
        with pytest.raises(MissingDependency, match=r"'httpx' is not installed. .*pip.* install 'petmood\[client\]'"):
            getattr(petmood, name)
    assert petmood.Predictor is Predictor, "a predictor needs no httpx"


def test_a_photo_is_predicted_with_a_bundle_in_a_folder(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    prediction = petmood.load_bundle(str(bundle.folder)).predict(str(tmp_path / "a.jpg"))
    assert isinstance(prediction, petmood.Prediction)
    assert prediction.model.sha256 == bundle.sha256
    assert prediction.label in bundle.manifest.classes


def test_a_bundle_is_loaded_from_a_registry(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETMOOD_CACHE", str(tmp_path / "cache"))
    registry = str(tmp_path / "registry")
    open_registry(registry).push(bundle.folder, by="test")
    loaded = petmood.load_bundle("registry://petmood@1", registry=registry)
    assert loaded.predict(PHOTO) == petmood.load_bundle(bundle.folder).predict(PHOTO)
    with pytest.raises(RegistryError, match="9"):
        petmood.load_bundle("registry://petmood@9", registry=registry)


def test_a_folder_without_a_bundle_is_an_error_of_petmood(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        petmood.load_bundle(tmp_path / "nowhere")
    with pytest.raises(petmood.PetmoodError, match="registry://MODEL@VERSION"):
        petmood.load_bundle("http://127.0.0.1:8000")

"""Tests of the MLflow registry backend."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from petmood.core.errors import RegistryError
from petmood.registry.base import Author
from petmood.registry.registry import Registry
from petmood.registry.uri import open_registry
from tests.support.registries import registry_address

MakeBundle = Callable[[str], Path]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Registry, Any]]:
    """Return an empty registry, and MLflow's own client beside it."""
    with registry_address("mlflow", tmp_path, monkeypatch) as address:
        yield open_registry(address), mlflow.MlflowClient(tracking_uri=address, registry_uri=address)


def test_mlflows_own_page_shows_versions_and_aliases(opened: tuple[Registry, Any], make_bundle: MakeBundle) -> None:
    registry, client = opened
    for word in ("one", "two"):
        version = registry.push(make_bundle(word), by="me")
        registry.promote(version, alias="champion", by=Author("me"), seen=registry.state())
    assert str(client.get_model_version_by_alias("petmood", "champion").version) == "2"
    assert str(client.get_model_version_by_alias("petmood", "previous").version) == "1"
    made = client.get_model_version("petmood", "2")
    assert made.tags["petmood.sha256"] == made.description == registry.find("2").sha256
    files = {one.path for one in client.list_artifacts(made.run_id, "bundle")}
    assert files == {f"bundle/{path.name}" for path in (make_bundle("x").parent / "two").iterdir()}


def test_versions_that_petmood_did_not_register_are_passed_over(
    opened: tuple[Registry, Any], make_bundle: MakeBundle, tmp_path: Path
) -> None:
    registry, client = opened
    client.create_registered_model("petmood")
    client.create_model_version("petmood", str(tmp_path))
    version = registry.push(make_bundle("one"), by="me")
    assert [one.number for one in registry.versions()] == [version.number] == [2]


def test_a_missing_artifact_is_reported_and_repaired(
    opened: tuple[Registry, Any], make_bundle: MakeBundle, tmp_path: Path
) -> None:
    registry, _ = opened
    version = registry.push(make_bundle("one"), by="me")
    (path,) = (tmp_path / "mlruns").rglob("model.onnx")
    path.unlink()
    (issue,) = registry.verify(tmp_path / "scratch")
    assert "model.onnx is missing" in issue.message
    registry.push(tmp_path / "bundles/one", by="me")
    assert registry.pull(version, tmp_path / "pulled").sha256 == version.sha256


@pytest.mark.parametrize("name", ["manifest.json", "card.md", "golden.npz", "model.onnx"])
def test_a_sparse_file_of_gigabytes_is_refused_before_anything_is_downloaded(
    opened: tuple[Registry, Any], make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    registry, _ = opened
    version = registry.push(make_bundle("one"), by="me")
    (stored,) = (tmp_path / "mlruns").rglob(name)
    with stored.open("ab") as file:
        file.truncate(3_000_000_000)
    downloaded: list[object] = []
    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", lambda **asked: downloaded.append(asked))
    said = rf"^{name} of version 1 of petmood in sqlite:///.*: expected at most [\d,]+ bytes, got 3,000,000,000\. .*\.$"
    with pytest.raises(RegistryError, match=said):
        registry.pull(version, tmp_path / "pulled")
    assert downloaded == []
    assert not (tmp_path / "pulled").exists()


def test_a_report_of_gigabytes_is_refused_before_it_is_downloaded(
    opened: tuple[Registry, Any], make_bundle: MakeBundle, tmp_path: Path
) -> None:
    registry, _ = opened
    version = registry.push(make_bundle("one"), by="me")
    registry.attach(version, {"promotion/abc/promotion.html": b"fine"})
    assert registry.attachment(version, "promotion/abc/promotion.html") == b"fine"
    (stored,) = (tmp_path / "mlruns").rglob("promotion.html")
    with stored.open("ab") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(RegistryError, match=r"promotion\.html of version 1 .* got 3,000,000,000"):
        registry.attachment(version, "promotion/abc/promotion.html")


def test_a_record_that_is_damaged_is_reported(opened: tuple[Registry, Any], make_bundle: MakeBundle) -> None:
    registry, client = opened
    registry.push(make_bundle("one"), by="me")
    client.set_model_version_tag("petmood", "1", "petmood.version", "{}")
    with pytest.raises(RegistryError, match=r"A record of petmood in .* is damaged"):
        registry.versions()


def test_a_server_that_is_away_is_one_line_without_its_password() -> None:
    with pytest.raises(RegistryError, match=r"MLflow at http://127\.0\.0\.1:9 can't be accessed \(") as caught:
        open_registry("http://someone:hidden-word@127.0.0.1:9").versions()
    assert "hidden-word" not in str(caught.value)
    assert "\n" not in str(caught.value)

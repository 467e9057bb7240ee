"""Tests of the liveness, readiness, model and metrics routes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from petmood.core.bundle_files import read_card
from petmood.core.labels import DEFAULT_CLASSES
from petmood.inference.load import load_bundle
from petmood.serving.metrics import CONTENT_TYPE
from tests.support.networks import tiny_bundle


def test_a_fresh_service_lives_and_is_ready(served: Callable[..., Any]) -> None:
    client = served().client
    assert client.get("/livez").json() == client.get("/readyz").json() == {"status": "ok"}


def test_near_its_end_it_lives_but_is_not_ready(served: Callable[..., Any]) -> None:
    app = served()
    app.service.drain.begin()
    response = app.client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "unready", "reason": "shutting_down"})
    assert app.client.get("/livez").status_code == 200


def test_without_its_workers_it_is_not_ready(served: Callable[..., Any]) -> None:
    app = served()
    app.service.workers.stop()
    assert app.client.get("/readyz").json() == {"status": "unready", "reason": "worker_died"}


def test_the_model_gives_its_card_and_manifest(served: Callable[..., Any], tmp_path_factory: Any) -> None:  # noqa: ANN401 - pytest's
    bundle = tiny_bundle(Path(tmp_path_factory.getbasetemp()) / "tiny-bundle")
    body = served(load_bundle(bundle.folder)).client.get("/model").json()
    assert body["model"]["sha256"] == bundle.sha256
    assert body["classes"] == list(DEFAULT_CLASSES)
    assert body["manifest"]["files"] == dict(bundle.manifest.files)
    assert body["card"] == read_card(bundle.folder)
    assert body["card"].startswith("# ")


def test_numbers_come_as_prometheus_reads_them(served: Callable[..., Any]) -> None:
    response = served().client.get("/metrics")
    assert response.headers["content-type"] == CONTENT_TYPE
    assert 'petmood_model_info{name="fake",sha256="000000000000",version="0"} 1.0' in response.text
    assert "petmood_queue_depth 0.0" in response.text

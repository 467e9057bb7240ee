"""Tests of the admin routes: verified load, rollback and the required token."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from petmood.core.errors import BundleError
from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor

ADMIN = "b17e6c0d92f34a8855aa"
SIGNED = {"authorization": f"Bearer {ADMIN}"}


def opened(folder: Path) -> Predictor:
    """Return a fake predictor whose version is the folder's name; bad bundles are rejected."""
    if folder.name == "bad":
        raise BundleError(f"{folder}: model.onnx was changed or damaged (SHA-256 differs).")
    if folder.name == "closed":
        raise PermissionError(13, "Permission denied", str(folder))
    return FakePredictor(version=folder.name)


@pytest.fixture
def app(served: Callable[..., Any]) -> Any:  # noqa: ANN401 - what the fixture makes
    """Return a service with admin routes."""
    return served(FakePredictor(version="1"), open_model=opened, admin_token=ADMIN)


def version(app: Any, photo: bytes) -> str:  # noqa: ANN401 - what the fixture makes
    """Return the version of the active model."""
    return str(app.client.post("/predict", content=photo).json()["model"]["version"])


def test_a_good_model_is_loaded_and_answers(app: Any, photo: bytes, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ANN401 - as above
    with caplog.at_level(logging.WARNING):
        response = app.client.post("/models/load", json={"bundle": "2"}, headers={**SIGNED, "x-request-id": "who"})
    assert (response.status_code, response.json()["version"]) == (200, "2")
    assert version(app, photo) == "2"
    assert app.counted('petmood_model_info{name="fake",sha256="000000000000",version="1"}') == 0
    assert app.counted('petmood_model_info{name="fake",sha256="000000000000",version="2"}') == 1
    assert app.counted('petmood_model_loads_total{result="loaded"}') == 1
    assert [vars(record)["request_id"] for record in caplog.records if "loaded" in record.getMessage()] == ["who"]


@pytest.mark.parametrize("folder", ["bad", "closed"])
def test_a_bad_model_is_refused_and_the_old_one_goes_on(app: Any, photo: bytes, folder: str) -> None:  # noqa: ANN401 - as above
    response = app.client.post("/models/load", json={"bundle": folder}, headers=SIGNED)
    assert response.status_code == 422
    assert response.json()["message"].startswith("The bundle was rejected, the active model is unchanged: ")
    assert version(app, photo) == "1"
    assert app.counted('petmood_model_loads_total{result="refused"}') == 1


def test_going_back_takes_the_model_before(app: Any, photo: bytes) -> None:  # noqa: ANN401 - as above
    app.client.post("/models/load", json={"bundle": "2"}, headers=SIGNED)
    assert app.client.post("/models/rollback", headers=SIGNED).json()["version"] == "1"
    assert version(app, photo) == "1"
    assert app.counted('petmood_model_loads_total{result="rolled_back"}') == 1


def test_there_is_nothing_to_go_back_to_at_first(app: Any) -> None:  # noqa: ANN401 - as above
    response = app.client.post("/models/rollback", headers=SIGNED)
    assert (response.status_code, response.json()["code"]) == (422, "unprocessable_content")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"bundle": ""}', b'{"bundle": "x", "url": "http://evil"}', b'["x"]'])
def test_only_a_folder_may_be_named(app: Any, body: bytes) -> None:  # noqa: ANN401 - as above
    response = app.client.post("/models/load", content=body, headers=SIGNED)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_photos_are_answered_while_another_model_is_looked_at(served: Callable[..., Any], photo: bytes) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(folder: Path) -> Predictor:
        begun.set()
        assert go_on.wait(120)
        return opened(folder)

    app = served(FakePredictor(version="1"), open_model=slowly, admin_token=ADMIN)
    with ThreadPoolExecutor(1) as other:
        loading = other.submit(app.client.post, "/models/load", json={"bundle": "2"}, headers=SIGNED)
        assert begun.wait(120)
        meanwhile = version(app, photo)
        go_on.set()
        assert loading.result(timeout=120).status_code == 200
    assert (meanwhile, version(app, photo)) == ("1", "2")


def test_a_body_that_names_no_folder_is_not_read_to_its_end(app: Any) -> None:  # noqa: ANN401 - as above
    response = app.client.post("/models/load", content=b"x" * 5000, headers=SIGNED)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_the_reason_is_logged_beside_who_and_when(app: Any, caplog: pytest.LogCaptureFixture) -> None:  # noqa: ANN401 - as above
    with caplog.at_level(logging.WARNING, logger="petmood"):
        app.client.post("/models/load", json={"bundle": "2", "reason": "higher recall on rabbits"}, headers=SIGNED)
        app.client.post("/models/rollback", json={"reason": "worse on cats"}, headers=SIGNED)
    assert [vars(record).get("reason") for record in caplog.records] == ["higher recall on rabbits", "worse on cats"]
    refused = app.client.post("/models/rollback", content=b"because", headers=SIGNED)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")

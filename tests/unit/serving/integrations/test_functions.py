"""Tests of the cloud function: functions-framework's ASGI application around the service's, loaded once."""

import asyncio
import atexit
import importlib
import logging
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import functions_framework
import httpx2 as httpx
import pytest
import uvicorn
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Scope

import petmood.serving.bundle_loading
from petmood.core.errors import BundleError
from petmood.core.schemas import ErrorResponse, PredictionResponse
from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from tests.support.generous import GENEROUS_ENVIRONMENT
from tests.support.images import jpeg, photo_like

PHOTO = jpeg(photo_like(64, 48))
RAW = {"Content-Type": "image/jpeg"}


class Opened:
    """Predictor factory that counts its calls."""

    def __init__(self) -> None:
        self.bundles: list[Path] = []
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, bundle: Path, **_: object) -> Predictor:
        """Return a fake predictor, or fail."""
        with self._lock:
            self.bundles.append(bundle)
        if self.error is not None:
            raise self.error
        return FakePredictor()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opened:
    """Return a predictor factory, with a bundle set in the environment."""
    for name, value in {**GENEROUS_ENVIRONMENT, "PETMOOD_BUNDLE": str(tmp_path), "PETMOOD_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    return Opened()


@pytest.fixture
def start(opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], ASGIApp]:
    """Return a function that makes functions-framework's application from a main.py, as a deployment does."""
    main = tmp_path / "main.py"
    main.write_text("from petmood.serving.integrations.functions import predict\n", "utf-8")
    monkeypatch.setattr(petmood.serving.bundle_loading, "open_bundle", lambda folder, _: opened(folder))
    monkeypatch.setattr(sys, "path", list(sys.path))  # the framework adds the folder

    def made() -> ASGIApp:
        monkeypatch.delitem(sys.modules, "petmood.serving.integrations.functions", raising=False)
        monkeypatch.setitem(sys.modules, "main", None)
        app: ASGIApp = functions_framework.create_app("predict", str(main))  # type: ignore[no-untyped-call] # the framework annotates nothing
        return app

    return made


@pytest.fixture
def client(start: Callable[[], ASGIApp]) -> TestClient:
    """Return a client of the function."""
    return TestClient(start())


@pytest.mark.parametrize("path", ["/", "/predict"])
def test_a_form_and_a_raw_body_get_the_same_answer(client: TestClient, path: str) -> None:
    responses = [client.post(path, files={"photo": PHOTO}), client.post(path, content=PHOTO, headers=RAW)]
    assert [one.status_code for one in responses] == [200, 200]
    answers = [PredictionResponse.model_validate_json(one.content) for one in responses]
    assert answers[0].probabilities == answers[1].probabilities
    assert answers[0].request_id == responses[0].headers["X-Request-Id"]


def test_every_route_of_the_service_is_there(client: TestClient) -> None:
    batch = client.post("/predict/batch", files=[("photo", PHOTO), ("photo", b"")])
    assert [len(one) > 3 for one in batch.json()["results"]] == [True, False]
    assert client.get("/model").json()["model"]["name"] == "fake"
    assert client.get("/readyz").json() == {"status": "ok"}
    assert "text/html" in client.get("/").headers["content-type"]
    assert 'route="/predict/batch"' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"content": b"", "headers": RAW}, 400, "empty_file"),
        ({"files": {"photo": b"%PDF-1.7"}}, 415, "unsupported_format"),
        ({"files": {"photo": PHOTO[:500]}}, 422, "corrupt_image"),
        ({"files": [("photo", PHOTO)] * 2}, 422, "unprocessable_content"),
        ({"files": [("photo", PHOTO)] * 50}, 400, "bad_form"),
        ({"json": {"photo": "x"}}, 415, "unsupported_media_type"),
        ({"headers": {"Origin": "http://evil.example"}}, 403, "forbidden"),
    ],
)
def test_what_is_wrong_gets_its_status_and_code(
    client: TestClient, given: dict[str, Any], status: int, code: str
) -> None:
    response = client.post("/", **given)
    assert (response.status_code, ErrorResponse.model_validate_json(response.content).code) == (status, code)


def test_another_method_or_path_is_refused_as_by_the_service(client: TestClient) -> None:
    response = client.get("/predict")
    assert (response.status_code, response.json()["code"], response.headers["allow"]) == (
        405,
        "method_not_allowed",
        "POST",
    )
    assert client.post("/nothing").json()["code"] == "not_found"


def exchange(app: ASGIApp, *, headers: list[tuple[bytes, bytes]], pieces: list[Message]) -> tuple[int, bytes]:
    """Send one request piece by piece; return the status and the body."""
    sent: list[Message] = []
    scope: Scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}

    async def receive() -> Message:
        return pieces.pop(0) if pieces else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type] # a coroutine
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_a_declared_body_over_the_limit_is_refused_unread(
    start: Callable[[], ASGIApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_FILE_MB", "0.1")
    piece: Message = {"type": "http.request", "body": bytes(200_000), "more_body": True}
    status, body = exchange(start(), headers=[(b"content-length", b"900000000")], pieces=[piece] * 3)
    assert (status, ErrorResponse.model_validate_json(body).code) == (413, "too_large")


def test_half_a_body_is_never_looked_at(start: Callable[[], ASGIApp]) -> None:
    piece: Message = {"type": "http.request", "body": PHOTO[:500], "more_body": True}
    status, body = exchange(start(), headers=[(b"content-length", b"1000")], pieces=[piece])
    assert (status, ErrorResponse.model_validate_json(body).code) == (400, "bad_request")


def test_the_bundle_is_opened_at_the_first_request_and_once(opened: Opened, client: TestClient, tmp_path: Path) -> None:
    assert opened.bundles == []
    with client, ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: client.post("/", content=PHOTO, headers=RAW).status_code, range(16)))
    assert statuses == [200] * 16
    assert opened.bundles == [tmp_path]


@pytest.mark.parametrize("error", [BundleError("/secret is not a bundle"), ZeroDivisionError("/secret")])
def test_a_bundle_that_can_t_be_opened_is_logged_not_shown_and_tried_again(
    opened: Opened, client: TestClient, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    opened.error = error
    response = client.post("/", content=PHOTO, headers={**RAW, "X-Request-Id": "abc-1"})
    body = ErrorResponse.model_validate_json(response.content)
    assert (response.status_code, body.code, body.request_id) == (500, "internal", "abc-1")
    assert "/secret" in caplog.text
    assert b"secret" not in response.content
    opened.error = None
    assert client.post("/", content=PHOTO, headers=RAW).status_code == 200


def test_without_a_bundle_in_the_environment_the_log_names_the_variable(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PETMOOD_BUNDLE")
    with caplog.at_level(logging.ERROR):
        assert client.post("/", content=PHOTO, headers=RAW).status_code == 500
    assert "PETMOOD_BUNDLE" in caplog.text


def test_a_token_is_asked_for_where_one_is_set(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    word = "0123456789abcdef" * 2
    monkeypatch.setenv("PETMOOD_TOKEN", word)

    def ask(**headers: str) -> httpx.Response:
        return client.post("/", content=PHOTO, headers={**RAW, **headers})

    assert (ask().status_code, ask().headers["WWW-Authenticate"]) == (401, "Bearer")
    assert ask(Authorization="Bearer wrong").status_code == 401
    assert ask(Authorization=f"Bearer {word}").status_code == 200


def test_a_function_that_is_ended_finishes_its_log(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework runs no lifespan, and uvicorn kills its process by the signal that ended it."""
    monkeypatch.setattr(petmood.serving.bundle_loading, "open_bundle", lambda folder, _: opened(folder))
    monkeypatch.delitem(sys.modules, "petmood.serving.integrations.functions", raising=False)
    module = importlib.import_module("petmood.serving.integrations.functions")
    registered: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    server = uvicorn.Server(uvicorn.Config("petmood:none"))
    raised: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: raised.append(number))
    try:
        with server.capture_signals():
            app = asyncio.run(module._application.get())
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (server.should_exit, raised) == (True, [])
    assert app.state.service.stop in registered
    for ending in registered:
        ending()
    assert not app.state.service.workers.alive

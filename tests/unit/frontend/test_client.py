"""Tests of the HTTP client against a server on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from petmood.core.schemas import ModelCardResponse, ModelInfo, PredictionResponse
from petmood.frontend.client import ApiClient, ApiResponse, ServiceError

WORD = "3f9ac2d871be40556ad1"
MODEL = ModelInfo(name="demo", version="1", sha256="0" * 64)
BODY = PredictionResponse(
    label="happy",
    probability=0.9,
    probabilities={"happy": 0.9, "sad": 0.1},
    confident=True,
    prediction_set=["happy"],
    model=MODEL,
)
REFUSED = {"code": "corrupt_image", "message": "Expected a whole picture, got one that is cut off.", "request_id": "r"}


class Script:
    """What a server shall answer, one after another, and what it was asked."""

    def __init__(self, *answers: tuple[int, Any, dict[str, str]]) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()
        self.over = threading.Event()


@contextmanager
def serving(*answers: tuple[int, Any] | tuple[int, Any, dict[str, str]]) -> Iterator[tuple[str, Script]]:
    """Serve answers in their order (the last for ever), and yield the address; None is answered when all is over."""
    script = Script(*((*answer, {})[:3] for answer in answers))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            script.asked.append({"path": self.path, "auth": self.headers.get("authorization"), "body": body})
            status, content, headers = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            if content is None:
                script.over.wait(120)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"content-length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # who went away is no news
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", script
        finally:
            script.over.set()
            server.shutdown()


def test_an_answer_comes_with_its_time_and_the_token_goes_along() -> None:
    with serving((200, BODY.model_dump())) as (address, script):
        found = ApiClient(address + "/", token=WORD).predict(b"pixels")
    assert isinstance(found, ApiResponse)
    assert found.body == BODY
    assert found.seconds >= 0
    (asked,) = script.asked
    assert (asked["path"], asked["auth"]) == ("/predict", f"Bearer {WORD}")
    assert b'name="photo"' in asked["body"]
    assert b"pixels" in asked["body"]


def test_a_refusal_comes_in_the_services_own_words() -> None:
    with serving((422, REFUSED)) as (address, _):
        found = ApiClient(address).predict(b"x")
    assert found == ServiceError(REFUSED["message"], retryable=False, code="corrupt_image")


@pytest.mark.parametrize(("status", "word"), [(401, "token"), (413, "too large"), (429, "Wait"), (503, "busy")])
def test_what_a_person_can_do_something_about_is_said_plainly(status: int, word: str) -> None:
    with serving((status, {"code": "any", "message": "technical"})) as (address, _):
        found = ApiClient(address, pause=lambda _: None).predict(b"x")
    assert isinstance(found, ServiceError)
    assert word in found.message
    assert found.retryable == (status in {429, 503})


def test_a_busy_service_is_asked_again_after_the_time_that_it_names() -> None:
    pauses: list[float] = []
    busy = (503, {"code": "overloaded", "message": "x"}, {"retry-after": "2"})
    with serving(busy, busy, (200, BODY.model_dump())) as (address, script):
        found = ApiClient(address, pause=pauses.append).predict(b"x")
    assert isinstance(found, ApiResponse)
    assert pauses == [2.0, 2.0]
    assert len(script.asked) == 3


def test_a_service_that_stays_busy_is_not_asked_for_ever() -> None:
    pauses: list[float] = []
    with serving((503, {"code": "overloaded", "message": "x"}, {"retry-after": "3600"})) as (address, script):
        found = ApiClient(address, pause=pauses.append).predict(b"x")
    assert isinstance(found, ServiceError)
    assert pauses == [3.0, 3.0]
    assert len(script.asked) == 3


def test_a_service_that_is_away_is_told_without_an_error() -> None:
    found = ApiClient("http://127.0.0.1:9").predict(b"x")
    assert isinstance(found, ServiceError)
    assert (found.code, found.retryable) == ("away", True)
    assert isinstance(ApiClient("http://[not an address").card(), ServiceError)


def test_a_service_that_takes_too_long_is_told() -> None:
    with serving((200, None)) as (address, _):
        found = ApiClient(address, timeout_s=0.2).predict(b"x")
    assert isinstance(found, ServiceError)
    assert (found.code, found.retryable) == ("slow", True)


@pytest.mark.parametrize(
    "answer", [(200, b"<html>"), (200, {"hello": 1}), (302, b"", {"location": "http://127.0.0.1:9"}), (500, b"oops")]
)
def test_another_program_at_that_address_is_noticed(answer: tuple[int, Any]) -> None:
    with serving(answer) as (address, script):
        assert isinstance(ApiClient(address).predict(b"x"), ServiceError)
        assert isinstance(ApiClient(address).card(), ServiceError)
    assert len(script.asked) == 2


def test_the_models_card_is_fetched() -> None:
    card = ModelCardResponse(model=MODEL, classes=["happy"], manifest={"species": ["cat"]}, card="# Card")
    with serving((200, card.model_dump())) as (address, _):
        assert ApiClient(address).card() == card
    assert isinstance(ApiClient("http://127.0.0.1:9").card(), ServiceError)

"""Tests of the cloud function: same bodies, codes and limits, with a bundle that is loaded once."""

import io
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask, Response, request
from werkzeug.test import TestResponse

from petmood.core.errors import BundleError
from petmood.core.schemas import ErrorResponse, PredictionResponse
from petmood.inference.base import Predictor
from petmood.inference.fake import FakePredictor
from petmood.serving.integrations import functions as function
from petmood.serving.integrations.functions import Function
from tests.support.pictures import jpeg, photo_like

PHOTO = jpeg(photo_like(64, 48))
EMPTY_FORM = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n\r\n--x--\r\n'
RAW = {"Content-Type": "image/jpeg"}


class Opened:
    """Predictor factory that counts its calls."""

    def __init__(self) -> None:
        self.bundles: list[Path] = []
        self._lock = threading.Lock()

    def __call__(self, bundle: Path, **_: object) -> Predictor:
        """Return a fake predictor."""
        with self._lock:
            self.bundles.append(bundle)
        return FakePredictor()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opened:
    """Return a predictor factory, with a bundle set in the environment."""
    monkeypatch.setenv("PETMOOD_BUNDLE", str(tmp_path))
    return Opened()


@pytest.fixture
def ask(opened: Opened) -> Callable[..., TestResponse]:
    """Return a function that sends a request to the function, through flask, as functions-framework does."""
    return asker(Function(opened))


def asker(answer: Function) -> Callable[..., TestResponse]:
    """Return a way to send requests to a function."""
    app = Flask("function")
    methods = ["GET", "POST", "PUT"]
    app.add_url_rule("/", "run", lambda: answer(request), methods=methods)

    @app.after_request
    def read_all(response: Response) -> Response:
        request.get_data()  # as the framework does
        return response

    def send(**given: object) -> TestResponse:
        return app.test_client().open(**{"method": "POST", **given})  # type: ignore[arg-type] # werkzeug's own keywords

    return send


def form(*photos: bytes, field: str = "photo") -> dict[str, object]:
    """Return a form with photos, as flask's client takes it."""
    return {"data": {field: [(io.BytesIO(photo), "../../a.jpg") for photo in photos]}}


def test_a_form_and_a_raw_body_get_the_same_answer(ask: Callable[..., TestResponse]) -> None:
    told = [ask(**form(PHOTO)), ask(data=PHOTO, headers=RAW)]
    assert [one.status_code for one in told] == [200, 200]
    answers = [PredictionResponse.model_validate_json(one.data) for one in told]
    assert answers[0].probabilities == answers[1].probabilities
    assert answers[0].request_id == told[0].headers["X-Request-Id"]
    assert told[0].mimetype == "application/json"


def test_the_sender_s_request_id_comes_back(ask: Callable[..., TestResponse]) -> None:
    told = ask(data=PHOTO, headers={**RAW, "X-Request-Id": "abc-1"})
    assert told.headers["X-Request-Id"] == "abc-1"
    assert PredictionResponse.model_validate_json(told.data).request_id == "abc-1"


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"data": EMPTY_FORM, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, "empty_file"),
        ({"data": b"", "headers": RAW}, 400, "empty_file"),
        (form(b"%PDF-1.7"), 415, "unsupported_format"),
        (form(PHOTO[:500]), 422, "corrupt_image"),
        (form(PHOTO, PHOTO), 422, "unprocessable_content"),
        (form(PHOTO, field="picture"), 422, "unprocessable_content"),
        (form(*[PHOTO] * 50), 400, "bad_form"),
        ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "bad_form"),
        ({"json": {"photo": "x"}}, 415, "unsupported_media_type"),
        ({"method": "GET"}, 405, "method_not_allowed"),
    ],
)
def test_what_is_wrong_gets_its_status_and_code(
    ask: Callable[..., TestResponse], given: dict[str, object], status: int, code: str
) -> None:
    told = ask(**given)
    assert (told.status_code, ErrorResponse.model_validate_json(told.data).code) == (status, code)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_and_not_read_to_its_end(
    opened: Opened, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETMOOD_FILE_MB", "0.1")
    stream = io.BytesIO(bytes(1_000_000))
    chunks = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    server = chunks if chunked else {"CONTENT_LENGTH": "1000000"}
    told = asker(Function(opened))(headers=RAW, input_stream=stream, environ_overrides=server)
    assert (told.status_code, told.json["code"] if told.json else None) == (413, "too_large")
    assert stream.tell() < (300_000 if chunked else 1)


@pytest.mark.parametrize("terminated", [{}, {"wsgi.input_terminated": True}], ids=["plain", "gunicorn"])
def test_half_a_body_is_never_looked_at(ask: Callable[..., TestResponse], terminated: dict[str, object]) -> None:
    server = {"CONTENT_LENGTH": "100", **terminated}
    told = ask(input_stream=io.BytesIO(b"abc"), headers=RAW, environ_overrides=server)
    assert (told.status_code, told.json["code"] if told.json else None) == (400, "bad_request")


def test_the_bundle_is_opened_at_the_first_request_and_once(opened: Opened, tmp_path: Path) -> None:
    send = asker(Function(opened))
    assert opened.bundles == []
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda _: send(data=PHOTO, headers=RAW).status_code, range(16)))
    assert told == [200] * 16
    assert opened.bundles == [tmp_path]


def test_a_bundle_that_can_t_be_opened_is_logged_and_not_told(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(bundle: Path, **_: object) -> Predictor:
        raise BundleError(f"{bundle} is no bundle")

    with caplog.at_level(logging.ERROR):
        told = asker(Function(refuse))(data=PHOTO, headers=RAW)
    assert (told.status_code, told.json["code"] if told.json else None) == (500, "internal")
    assert "no bundle" in caplog.text
    assert b"no bundle" not in told.data
    assert opened.bundles == []


def test_without_a_bundle_in_the_environment_the_log_names_the_variable(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("PETMOOD_BUNDLE")
    assert asker(Function(opened))(data=PHOTO, headers=RAW).status_code == 500
    assert "PETMOOD_BUNDLE" in caplog.text


def test_a_failure_that_nobody_thought_of_is_logged_and_not_told(
    monkeypatch: pytest.MonkeyPatch, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> list[object]:
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr(FakePredictor, "predict", fail)
    told = asker(Function(opened))(data=PHOTO, headers=RAW)
    assert (told.status_code, told.json["code"] if told.json else None) == (500, "internal")
    assert "secret" in caplog.text
    assert b"secret" not in told.data


def test_a_token_is_asked_for_where_one_is_set(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    word = "0123456789abcdef" * 2
    monkeypatch.setenv("PETMOOD_TOKEN", word)
    send = asker(Function(opened))
    stranger = send(data=PHOTO, headers=RAW)
    assert (stranger.status_code, stranger.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert send(data=PHOTO, headers={**RAW, "Authorization": "Bearer wrong"}).status_code == 401
    assert send(data=PHOTO, headers={**RAW, "Authorization": f"Bearer {word}"}).status_code == 200


def test_the_target_is_a_function_of_a_request(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    monkeypatch.setattr(function, "_function", Function(opened))
    app = Flask("function")
    app.add_url_rule("/", "run", lambda: function.predict(request), methods=["POST"])
    assert app.test_client().post("/", data=PHOTO, headers=RAW).status_code == 200

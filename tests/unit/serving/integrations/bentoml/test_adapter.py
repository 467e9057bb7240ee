"""Tests of the BentoML middleware: same bodies, codes, limits and headers as the service."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from petmood.core.labels import DEFAULT_CLASSES
from petmood.core.schemas import ErrorResponse, PredictionResponse
from petmood.inference.base import Answer, Explained
from petmood.inference.fake import FakePredictor
from tests.support.images import jpeg, photo_like, png, zeros_png
from tests.support.waiting import wait_until

PHOTO = jpeg(photo_like(64, 48))
WORD = "0123456789abcdef" * 2
JPEG = {"Content-Type": "image/jpeg"}
PATHS = ("/predict", "/explain")


class Slow(FakePredictor):
    """Predictor that blocks until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Wait for the release, then predict."""
        assert self.go.wait(timeout=300)
        return super().predict_batch(photos)

    def explain_photo(self, photo: bytes | Path) -> Explained:
        """Wait for the release, then explain."""
        assert self.go.wait(timeout=300)
        return super().explain_photo(photo)


class Broken(FakePredictor):
    """Predictor that raises an unexpected exception."""

    def predict_batch(self, photos: Sequence[bytes | Path]) -> list[Answer]:
        """Raise an unexpected exception."""
        raise ZeroDivisionError(f"{len(photos)} photos at /secret/path")

    def explain_photo(self, photo: bytes | Path) -> Explained:
        """Raise an unexpected exception."""
        raise ZeroDivisionError(f"{len(bytes(photo))} bytes at /secret/path")


def test_a_form_and_a_raw_body_get_the_same_answer(asked: Callable[..., TestClient]) -> None:
    client = asked()
    form = client.post("/predict", files={"photo": ("../../etc/passwd", PHOTO)})
    raw = client.post("/predict", content=PHOTO, headers={"Content-Type": "image/jpeg"})
    assert form.status_code == raw.status_code == 200
    answers = [PredictionResponse.model_validate_json(one.content) for one in (form, raw)]
    assert answers[0].probabilities == answers[1].probabilities
    assert set(answers[0].probabilities) == set(DEFAULT_CLASSES)
    assert answers[0].request_id == form.headers["x-request-id"]
    assert "photo" not in form.json()


def test_the_sender_s_request_id_comes_back(asked: Callable[..., TestClient]) -> None:
    got = asked().post("/predict", content=PHOTO, headers={"Content-Type": "image/jpeg", "X-Request-Id": "abc-1"})
    assert got.headers["x-request-id"] == got.json()["request_id"] == "abc-1"


@pytest.mark.parametrize("max_batch", [1, 4])
@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 400, "empty_file"),
        (b"%PDF-1.7 no picture", 415, "unsupported_format"),
        (PHOTO[: len(PHOTO) // 2], 422, "corrupt_image"),
        (png(photo_like(1, 1)), 422, "too_small"),
        (zeros_png(13000, 13000), 413, "too_many_pixels"),
        (zeros_png(30000, 17), 422, "bad_aspect"),
    ],
    ids=["empty", "pdf", "half", "tiny", "huge", "long"],
)
def test_a_bad_photo_gets_its_status_and_code(
    asked: Callable[..., TestClient], photo: bytes, status: int, code: str, max_batch: int
) -> None:
    got = asked(max_batch=max_batch).post("/predict", files={"photo": ("a.jpg", photo)})
    assert (got.status_code, got.json()["code"]) == (status, code)
    assert ErrorResponse.model_validate_json(got.content).request_id == got.headers["x-request-id"]


@pytest.mark.parametrize(
    ("send", "status", "code"),
    [
        ({"json": {"photo": "x"}}, 415, "unsupported_media_type"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "bad_form"),
        ({"files": {"picture": ("a.jpg", PHOTO)}}, 422, "unprocessable_content"),
        ({"files": [("photo", ("a.jpg", PHOTO)), ("photo", ("b.jpg", PHOTO))]}, 422, "unprocessable_content"),
    ],
    ids=["json", "no boundary", "another field", "two photos"],
)
def test_a_bad_request_gets_its_status_and_code(
    asked: Callable[..., TestClient], send: dict[str, object], status: int, code: str
) -> None:
    got = asked().post("/predict", **send)  # type: ignore[arg-type] # the client's own keywords
    assert (got.status_code, got.json()["code"]) == (status, code)


def test_a_body_over_the_limit_is_refused_by_its_length_and_by_its_bytes(asked: Callable[..., TestClient]) -> None:
    client = asked(file_mb=0.1)

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield bytes(10_000)

    declared = client.post("/predict", content=bytes(200_000), headers={"Content-Type": "image/jpeg"})
    found = client.post("/predict", content=pieces(), headers={"Content-Type": "image/jpeg"})
    assert [one.status_code for one in (declared, found)] == [413, 413]
    assert [one.json()["code"] for one in (declared, found)] == ["too_large", "too_large"]


def test_other_addresses_and_methods_are_refused_in_the_same_form(asked: Callable[..., TestClient]) -> None:
    client = asked()
    missing, method = client.get("/nothing"), client.get("/predict")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "POST"


def test_bentoml_s_own_pages_are_passed_on(asked: Callable[..., TestClient]) -> None:
    client = asked()
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
    assert {*PATHS} <= set(client.get("/docs.json").json()["paths"])
    assert {route["route"] for route in client.get("/schema.json").json()["routes"]} == {*PATHS}


def test_a_token_is_asked_for_where_one_is_set(asked: Callable[..., TestClient]) -> None:
    client = asked(token=WORD)
    unauthorized = client.post("/predict", content=PHOTO, headers=JPEG)
    assert (unauthorized.status_code, unauthorized.json()["code"]) == (401, "unauthorized")
    known = client.post("/predict", content=PHOTO, headers=JPEG | {"Authorization": f"Bearer {WORD}"})
    assert known.status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("max_batch", [1, 4])
def test_more_photos_than_may_wait_are_refused_at_once_and_the_others_answered(
    asked: Callable[..., TestClient], max_batch: int, path: str
) -> None:
    predictor = Slow()
    client = asked(predictor, max_batch=max_batch, max_latency_ms=60_000, queue=4)

    def ask(_: int) -> tuple[int, str]:
        got = client.post(path, content=PHOTO, headers=JPEG)
        return got.status_code, got.headers.get("retry-after", "")

    with ThreadPoolExecutor(9) as threads:
        found = [threads.submit(ask, number) for number in range(9)]
        try:
            wait_until(lambda: sum(one.done() for one in found) >= 5, what="five refusals")
            refused = [one.result() for one in found if one.done()]
        finally:
            predictor.go.set()
        every = [one.result() for one in found]
    assert refused == [(503, "1")] * 5
    assert sorted(every) == [(200, "")] * 4 + [(503, "1")] * 5


def test_what_is_refused_is_refused_in_the_sentences_of_the_service(
    asked: Callable[..., TestClient], served: Callable[..., Any]
) -> None:
    through_bentoml, plain = asked(), served().client
    for method, path, body in [("GET", "/x", b""), ("GET", "/predict", b""), ("POST", "/predict", b"%PDF")]:
        texts = [one.request(method, path, content=body).json()["message"] for one in (through_bentoml, plain)]
        assert texts[0] == texts[1]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("max_batch", [1, 4])
def test_a_predictor_that_fails_is_ours_to_answer_for_and_says_nothing(
    asked: Callable[..., TestClient], max_batch: int, path: str
) -> None:
    got = asked(Broken(), max_batch=max_batch).post(path, files={"photo": ("a.jpg", PHOTO)})
    assert (got.status_code, got.json()["code"]) == (500, "internal")
    assert "secret" not in got.text


# --- one contract -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("send", "status"),
    [
        ({"files": {"photo": ("a.jpg", PHOTO)}}, 200),
        ({"content": PHOTO, "headers": JPEG}, 200),
        ({"content": PHOTO}, 200),
        ({"content": PHOTO, "params": {"x": "1"}}, 200),
        ({"content": b""}, 400),
        ({"content": b"%PDF-1.7 no photo"}, 415),
        ({"content": PHOTO[: len(PHOTO) // 2]}, 422),
        ({"content": png(photo_like(1, 1))}, 422),
        ({"content": zeros_png(13000, 13000)}, 413),
        ({"content": zeros_png(30000, 17)}, 422),
        ({"json": {"photo": "x"}}, 415),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"content": PHOTO, "headers": JPEG | {"Content-Encoding": "gzip"}}, 415),
        ({"files": {"picture": ("a.jpg", PHOTO)}}, 422),
        ({"files": [("photo", ("a.jpg", PHOTO)), ("photo", ("b.jpg", PHOTO))]}, 422),
        ({"content": bytes(1_200_000), "headers": JPEG}, 413),
        ({"method": "GET"}, 405),
        ({"method": "OPTIONS"}, 204),
        ({"content": PHOTO, "headers": {"Authorization": "Bearer other"}}, 401),
    ],
    ids=[
        *("form", "body", "body of no type", "query", "empty", "pdf", "half", "tiny", "huge", "long", "json"),
        *("no boundary", "compressed", "another field", "two photos", "too large", "method", "options", "wrong token"),
    ],
)
def test_bentoml_and_the_service_answer_alike(
    asked: Callable[..., TestClient], served: Callable[..., Any], path: str, send: dict[str, Any], status: int
) -> None:
    found = []
    for client in (asked(token=WORD, file_mb=1), served(token=WORD, file_mb=1).client):
        headers = {"Authorization": f"Bearer {WORD}", "X-Request-Id": "abc"} | send.get("headers", {})
        got = client.request(url=path, **{"method": "POST", **send, "headers": headers})
        names = ("content-type", "allow", "retry-after", "www-authenticate", "x-request-id")
        found.append((got.status_code, {name: got.headers.get(name) for name in names}, got.text))
    assert found[0] == found[1]
    assert found[0][0] == status

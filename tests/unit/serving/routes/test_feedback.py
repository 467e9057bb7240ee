"""Tests of the feedback route: who may give it, on what, and what is answered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from petmood.inference.fake import FakePredictor
from petmood.monitoring.feedback.store import read_feedback
from tests.support.logged import sqlite

WORD = "3f9ac2d871be40556ad1"
COOKIE = "petmood_visitor"


@pytest.fixture
def app(served: Callable[..., Any], photo: bytes, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that starts a service with a log, and predicts one photo under the id "abc"."""

    def start(**settings: Any) -> Any:  # noqa: ANN401 - what ``served`` takes and returns
        log, spool = f"sqlite:///{tmp_path}/log.db", str(tmp_path / "spool")
        made = served(prediction_log=log, prediction_log_spool=spool, **settings)
        signed = {"authorization": f"Bearer {WORD}"} if "token" in settings else {}
        made.client.post("/predict", content=photo, headers={"x-request-id": "abc", **signed})
        return made

    return start


def labels(folder: Path) -> list[str | None]:
    """Return the labels of all feedback, oldest first; None means right."""
    return [one.feedback.label for one in read_feedback(sqlite(folder))]


def test_feedback_directly_after_the_answer_is_stored_and_the_last_of_a_browser_wins(
    app: Callable[..., Any], tmp_path: Path
) -> None:
    made = app()
    first = made.client.post("/feedback", json={"request_id": "abc", "label": "sad", "note": "ears back"})
    assert (first.status_code, first.json()) == (
        200,
        {"request_id": "abc", "position": 0, "label": "sad", "replaced": False},
    )
    again = made.client.post("/feedback", json={"request_id": "abc", "right": True})
    assert (again.status_code, again.json()["replaced"]) == (200, True)
    assert labels(tmp_path) == [None]
    made.client.cookies.clear()
    assert made.client.post("/feedback", json={"request_id": "abc", "label": "sad"}).json()["replaced"] is False
    assert labels(tmp_path) == [None, "sad"]
    assert made.counted('petmood_feedback_total{result="wrong"}') == 2
    assert made.counted('petmood_feedback_total{result="right"}') == 1


def test_a_browser_gets_one_random_cookie_that_scripts_can_not_read(app: Callable[..., Any], tmp_path: Path) -> None:
    made = app()
    assert "set-cookie" not in made.client.get("/").headers
    first = made.client.post("/feedback", json={"request_id": "abc", "right": True})
    text = first.headers["set-cookie"]
    assert text.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(text.split("; "))
    assert "set-cookie" not in made.client.post("/feedback", json={"request_id": "abc", "right": True}).headers
    (found,) = read_feedback(sqlite(tmp_path))
    cookie = made.client.cookies[COOKIE]
    assert cookie not in found.feedback.visitor
    assert len(found.feedback.visitor) == 64


@pytest.mark.parametrize("cookie", ["short", "x" * 65, "<script>alert(1)</script>", "a b c d e f g h i j"])
def test_a_cookie_of_another_form_is_replaced(app: Callable[..., Any], cookie: str) -> None:
    made = app()
    headers = {"cookie": f"{COOKIE}={cookie}"}
    response = made.client.post("/feedback", json={"request_id": "abc", "right": True}, headers=headers)
    assert response.status_code == 200
    assert cookie not in response.headers["set-cookie"]


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (b"no json", 400, "bad_request", "Expected JSON such as"),
        (b"", 400, "bad_request", "Expected JSON such as"),
        (b"\xff\xfe", 400, "bad_request", "Expected JSON such as"),
        (b"[]", 422, "unprocessable_content", "Expected"),
        (b'{"right": true}', 422, "unprocessable_content", "request_id: Expected a value, got none."),
        (
            b'{"request_id": "abc"}',
            422,
            "unprocessable_content",
            'Expected either "right": true, or the right "label".',
        ),
        (
            b'{"request_id": "abc", "right": true, "label": "sad"}',
            422,
            "unprocessable_content",
            'Expected either "right": true',
        ),
        (b'{"request_id": "abc", "right": false}', 422, "unprocessable_content", "right: Expected True, got False."),
        (b'{"request_id": "a/b", "right": true}', 422, "unprocessable_content", "request_id: Expected 1 to 64 letters"),
        (
            b'{"request_id": "abc", "right": true, "position": -1}',
            422,
            "unprocessable_content",
            "position: Expected a number of 0 or more, got -1.",
        ),
        (
            b'{"request_id": "abc", "right": true, "name": "me"}',
            422,
            "unprocessable_content",
            "name: Expected no such key",
        ),
        (
            b'{"request_id": "abc", "right": true, "note": "' + b"x" * 501 + b'"}',
            422,
            "unprocessable_content",
            "note: Expected text with a length of 500 or less",
        ),
        (
            b'{"request_id": "abc", "right": true, "note": "\\u0000"}',
            422,
            "unprocessable_content",
            "note: Expected text without null characters",
        ),
        (b'{"request_id": "abc", "label": "sleepy"}', 422, "unprocessable_content", "Expected a label of the model"),
        (b"x" * 9000, 413, "too_large", "Expected a request body of at most 8 kB"),
    ],
)
def test_feedback_that_is_none_is_refused_and_nothing_is_stored(
    app: Callable[..., Any], tmp_path: Path, body: bytes, status: int, code: str, message: str
) -> None:
    response = app().client.post("/feedback", content=body)
    found = response.json()
    assert (response.status_code, found["code"]) == (status, code)
    assert found["message"].startswith(message)
    assert "set-cookie" not in response.headers
    assert labels(tmp_path) == []


def test_the_refusal_of_a_label_lists_those_of_the_model(app: Callable[..., Any]) -> None:
    message = app().client.post("/feedback", json={"request_id": "abc", "label": "sleepy"}).json()["message"]
    assert f"({', '.join(FakePredictor().classes)}), got 'sleepy'" in message


def test_an_unknown_request_is_not_found(app: Callable[..., Any], tmp_path: Path) -> None:
    response = app().client.post("/feedback", json={"request_id": "other", "right": True})
    assert (response.status_code, response.json()["code"]) == (404, "unknown_request")
    assert labels(tmp_path) == []


def test_a_service_without_a_log_takes_none_and_says_so(served: Callable[..., Any]) -> None:
    client = served().client
    response = client.post("/feedback", json={"request_id": "abc", "right": True})
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert "--prediction-log" in response.json()["message"]
    assert not {"takes_feedback", "keep_photos_days"} & set(client.get("/model").json())


def test_pages_are_told_that_a_service_takes_feedback_and_keeps_photos(app: Callable[..., Any]) -> None:
    card = app(keep_photos_days=7).client.get("/model").json()
    assert (card["takes_feedback"], card["keep_photos_days"]) == (True, 7)


def test_the_token_of_the_service_is_needed(app: Callable[..., Any], tmp_path: Path) -> None:
    client = app(token=WORD).client
    body = {"request_id": "abc", "right": True}
    assert client.post("/feedback", json=body).status_code == 401
    assert client.post("/feedback", json=body, headers={"authorization": f"Bearer {WORD}"}).status_code == 200
    assert labels(tmp_path) == [None]


def test_another_page_can_not_give_feedback_in_the_name_of_a_browser(app: Callable[..., Any]) -> None:
    headers = {"origin": "https://evil.example", "content-type": "text/plain"}
    body = json.dumps({"request_id": "abc", "right": True})
    assert app().client.post("/feedback", content=body, headers=headers).status_code == 403


def test_a_client_that_sends_much_is_told_to_wait(app: Callable[..., Any]) -> None:
    client = app(feedback_per_minute=2).client
    body = {"request_id": "abc", "right": True}
    responses = [client.post("/feedback", json=body) for _ in range(3)]
    assert [one.status_code for one in responses] == [200, 200, 429]
    assert responses[-1].json()["code"] == "too_many_requests"
    assert int(responses[-1].headers["retry-after"]) > 1


def test_a_database_without_tables_is_unavailable(served: Callable[..., Any], tmp_path: Path) -> None:
    made = served(prediction_log=f"sqlite:///{tmp_path}/log.db", prediction_log_spool=str(tmp_path / "spool"))
    engine = sqlite(tmp_path)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE predictions")
    engine.dispose()
    response = made.client.post("/feedback", json={"request_id": "abc", "right": True})
    assert (response.status_code, response.json()["code"], response.headers["retry-after"]) == (503, "unavailable", "1")

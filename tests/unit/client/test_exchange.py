"""Tests of requests and of the meaning of responses."""

from typing import Any

import httpx
import pytest

from petmood.client.exchange import (
    Call,
    answers_of,
    card_of,
    feedback_call,
    feedback_of,
    health_of,
    in_batches,
    predict_call,
    prediction_of,
    read_photo,
    retry_pause_s,
)
from petmood.core.errors import (
    ConfigError,
    CorruptImage,
    FileTooLarge,
    PhotoError,
    RequestError,
    ServiceError,
    UnknownRequest,
)
from petmood.core.prediction import Prediction
from tests.support.scripted_service import BODY, REFUSED

REQUEST = httpx.Request("POST", "http://pets.example/predict")
MB = 1_000_000


def response(status: int, body: object = None, **headers: str) -> httpx.Response:
    """Return a response with a JSON body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named, request=REQUEST)


def test_a_request_has_a_form_field_per_photo_and_none_without_photos() -> None:
    assert Call("GET", "/model").files is None
    assert Call("POST", "/predict", (b"a", b"b")).files == [("photo", ("photo", b"a")), ("photo", ("photo", b"b"))]


def test_a_batch_goes_to_the_batch_route_and_one_photo_to_predict() -> None:
    unread = PhotoError("gone")
    assert predict_call([b"a", unread], batch_size=2) == Call("POST", "/predict/batch", (b"a",))
    assert predict_call([b"a"]) == Call("POST", "/predict", (b"a",))
    assert predict_call([unread]) is None


def test_batches_are_bounded_by_photos_and_by_bytes() -> None:
    small, large, huge = bytes(1), bytes(20 * MB), bytes(40 * MB)
    given = [small, small, small, large, large, huge, small]
    batches = [
        [len(photo) for photo in batch if isinstance(photo, bytes)] for batch in in_batches(iter(given), batch_size=2)
    ]
    assert batches == [[1, 1], [1, 20 * MB], [20 * MB], [40 * MB], [1]]


def test_a_batch_of_nothing_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="Expected a batch_size of 1 or more, got 0"):
        in_batches([b"a"], batch_size=0)


def test_a_file_that_no_service_takes_is_not_read_whole() -> None:
    class Endless:
        """A file without an end."""

        def read(self, size: int = -1, /) -> bytes:
            """Return as many bytes as are asked for."""
            return bytes(size)

    with pytest.raises(FileTooLarge, match="256 MB"):
        read_photo(Endless())


def test_a_result_takes_the_place_of_its_photo() -> None:
    unread = PhotoError("gone")
    body = {"results": [BODY.model_dump(), REFUSED], "request_id": "r"}
    first, second, third = answers_of(response(200, body), [b"a", unread, b"b"], batch_size=8)
    assert (first, second) == (Prediction.from_response(BODY), unread)
    assert isinstance(third, CorruptImage)
    assert answers_of(None, [unread], batch_size=8) == [unread]


def test_too_few_results_are_noticed() -> None:
    with pytest.raises(ServiceError, match=r"Expected 2 results from http://pets\.example/predict, got 1"):
        answers_of(response(200, {"results": [REFUSED], "request_id": "r"}), [b"a", b"b"], batch_size=8)


def test_a_batch_of_one_gives_the_error_of_its_photo_and_raises_that_of_the_request() -> None:
    (bad,) = answers_of(response(422, REFUSED), [b"a"], batch_size=1)
    assert isinstance(bad, CorruptImage)
    with pytest.raises(RequestError):
        answers_of(response(401, {"code": "unauthorized", "message": "m"}), [b"a"], batch_size=1)


def test_bodies_of_something_else_are_refused() -> None:
    for read in (prediction_of, card_of, health_of):
        with pytest.raises(ServiceError, match="not from petmood"):
            read(response(200, {"hello": 1}))


def test_a_state_is_read_when_the_service_is_not_ready_too() -> None:
    assert health_of(response(503, {"status": "unready", "reason": "why"})).reason == "why"
    with pytest.raises(RequestError):
        health_of(response(503, {"code": "overloaded", "message": "m"}))


@pytest.mark.parametrize(
    ("status", "after", "left", "pause"),
    [
        (503, "2", 1, 2),
        (429, "0", 1, 0),
        (503, "2", 0, None),
        (503, "11", 1, None),
        (503, "", 1, None),
        (500, "2", 1, None),
    ],
)
def test_a_request_is_repeated_only_if_the_service_says_when(
    status: int, after: str, left: int, pause: float | None
) -> None:
    assert retry_pause_s(response(status, retry_after=after), retries_left=left) == pause


def test_feedback_is_json_with_the_cookie_of_a_visitor() -> None:
    none: dict[str, Any] = {"right": False, "label": None, "position": 0, "note": None, "visitor": None}
    assert feedback_call("r-1", **none | {"right": True}) == Call(
        "POST", "/feedback", json={"request_id": "r-1", "position": 0, "right": True}
    )
    call = feedback_call("r-1", **none | {"label": "sad", "visitor": "v" * 16})
    assert (call.json, call.headers) == (
        {"request_id": "r-1", "position": 0, "label": "sad"},
        {"cookie": f"petmood_visitor={'v' * 16}"},
    )
    with pytest.raises(ConfigError, match="Expected either right or a label"):
        feedback_call("r-1", **none)


def test_stored_feedback_is_read_and_an_unknown_request_is_an_error_of_its_own() -> None:
    body = {"request_id": "r-1", "position": 0, "label": None, "replaced": True}
    assert feedback_of(response(200, body)).model_dump() == body
    with pytest.raises(UnknownRequest):
        feedback_of(response(404, {"code": "unknown_request", "message": "There is no prediction."}))
    with pytest.raises(ServiceError, match="takes feedback"):
        feedback_of(response(404, {"code": "not_found", "message": "There is no such path."}))

"""Tests of error responses that become petmood's errors."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from petmood.client.responses import error_of, from_error_body, retry_after_s
from petmood.core import errors
from petmood.core.errors import PetmoodError, PhotoError, RequestError, ServiceError, Unavailable
from petmood.core.schemas import ErrorResponse

REQUEST = httpx.Request("POST", "http://pets.example/predict")
CODED = [
    kind
    for kind in (getattr(errors, name) for name in errors.__all__)
    if issubclass(kind, PhotoError | RequestError) and "code" in vars(kind)
]


def response(status: int, *, body: bytes = b"", **headers: str) -> httpx.Response:
    """Return a response; underscores in names of headers stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=body, headers=named, request=REQUEST)


@pytest.mark.parametrize("kind", CODED)
def test_every_code_of_the_service_is_the_class_that_the_service_raised(kind: type[PetmoodError]) -> None:
    error = from_error_body(ErrorResponse(code=kind.code, message="m", request_id="r"))
    assert (type(error), str(error), error.code, error.request_id) == (kind, "m", kind.code, "r")


def test_a_code_that_is_not_known_keeps_its_name_and_status() -> None:
    body = ErrorResponse(code="not_found", message="There is no such path.").model_dump_json().encode()
    error = error_of(response(404, body=body))
    assert isinstance(error, ServiceError)
    assert (error.code, error.status, str(error)) == ("not_found", 404, "There is no such path.")


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "unauthorized"), (413, "too_large"), (429, "too_many_requests"), (500, "internal"), (502, "unavailable")],
)
def test_a_proxy_s_response_is_reported_by_its_status(status: int, code: str) -> None:
    error = error_of(response(status, body=b"<html>", x_request_id="r"))
    assert (error.code, error.request_id) == (code, "r")
    assert "http://pets.example/predict returned status" in str(error)


def test_the_classes_keep_their_own_code_and_pause() -> None:
    error = error_of(response(503, retry_after="7"))
    assert isinstance(error, Unavailable)
    assert error.retry_after_s == 7
    assert Unavailable("again").retry_after_s == 1
    assert Unavailable("again").request_id is None


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("12", 12), ("-1", None), ("soon", None), ("", None)])
def test_a_pause_in_seconds_is_read(text: str, seconds: int | None) -> None:
    assert retry_after_s(response(503, retry_after=text)) == seconds


def test_a_pause_until_a_date_is_read() -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    pause = retry_after_s(response(503, retry_after=format_datetime(later, usegmt=True)))
    assert pause is not None
    assert 80_000 < pause <= 86_401
    assert retry_after_s(response(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")) == 0


@pytest.mark.parametrize("text", [f"Mon, {'9' * 20} Jan 2020 00:00:00 GMT", f"Mon, 01 Jan 2020 {'9' * 20}:00:00 GMT"])
def test_a_date_with_numbers_of_many_digits_is_none(text: str) -> None:
    assert retry_after_s(response(503, retry_after=text)) is None

"""Tests of the page's requests: predictions with their time, and failures as messages for the user."""

import pytest

from petmood.client.client import Client
from petmood.core.errors import (
    CorruptImage,
    InternalError,
    Overloaded,
    PetmoodError,
    ServiceTimeout,
    ServiceUnreachable,
    ShuttingDown,
    TooManyPixels,
)
from petmood.core.explanation import Explanation
from petmood.core.prediction import Prediction
from petmood.frontend.predictions import (
    RequestFailure,
    TimedPrediction,
    failure_of,
    request_explanation,
    request_prediction,
    send_feedback,
)
from tests.support.scripted_service import BODY, REFUSED, serving


def test_a_prediction_comes_with_its_time() -> None:
    with serving((200, BODY.model_dump())) as (address, _), Client(address) as service:
        found = request_prediction(service, b"pixels")
    assert isinstance(found, TimedPrediction)
    assert found.prediction == Prediction.from_response(BODY)
    assert found.seconds >= 0


def test_a_rejection_comes_in_the_service_s_own_words() -> None:
    with serving((422, REFUSED)) as (address, _), Client(address) as service:
        assert request_prediction(service, b"x") == RequestFailure(REFUSED["message"], retryable=False)


@pytest.mark.parametrize(
    ("status", "word"), [(401, "token"), (413, "too large"), (429, "wait a moment"), (503, "busy")]
)
def test_what_a_person_can_do_something_about_is_said_plainly(status: int, word: str) -> None:
    with serving((status, b"<html>")) as (address, _), Client(address) as service:
        found = request_prediction(service, b"x")
    assert isinstance(found, RequestFailure)
    assert word in found.message
    assert found.retryable == (status in {429, 503})


def test_another_program_at_that_address_is_noticed() -> None:
    with serving((200, b"<html>")) as (address, _), Client(address) as service:
        found = request_prediction(service, b"x")
    assert found == RequestFailure(
        "This page received an unexpected response from the service. Please contact the page's operator.",
        retryable=False,
    )


@pytest.mark.parametrize(
    ("error", "word", "retryable"),
    [
        (ServiceUnreachable("x"), "can't be reached right now", True),
        (ServiceTimeout("x"), "is taking too long", True),
        (Overloaded("x"), "busy", True),
        (ShuttingDown("x"), "busy", True),
        (InternalError("The service failed."), "The service failed.", True),
        (TooManyPixels("x"), "too large", False),
        (CorruptImage("Expected a complete image."), "Expected a complete image.", False),
    ],
)
def test_every_failure_says_whether_trying_again_may_help(error: PetmoodError, word: str, *, retryable: bool) -> None:
    found = failure_of(error)
    assert word in found.message
    assert found.retryable == retryable


def test_an_explanation_or_the_reason_why_there_is_none() -> None:
    body = {"prediction": BODY.model_dump(), "method": "hirescam", "maps": {"happy": [[1.0]]}, "box": [0, 0, 1, 1]}
    nothing = {"code": "not_found", "message": "There is no such path.", "request_id": "r"}
    with serving((200, body), (404, nothing), (503, b"<html>")) as (address, _), Client(address) as service:
        found = request_explanation(service, b"pixels")
        assert isinstance(found, Explanation)
        assert found.maps["happy"].tolist() == [[1.0]]
        assert request_explanation(service, b"pixels") == RequestFailure(
            "This service can't show which parts mattered: it is of an earlier version.",
            retryable=False,
        )
        assert request_explanation(service, b"pixels") == RequestFailure(
            "The service is busy. Please wait a moment, then try again.", retryable=True
        )


@pytest.mark.parametrize(("status", "words"), [(429, "a lot of feedback"), (503, "busy"), (500, "500")])
def test_feedback_that_is_not_stored_says_why(status: int, words: str) -> None:
    with serving((status, b"<html>")) as (address, _), Client(address) as service:
        found = send_feedback(service, Prediction.from_response(BODY), label="sad", visitor="v" * 16)
    assert found is not None
    assert words in found.message

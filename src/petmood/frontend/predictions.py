"""Requests of the page: a prediction with its duration, or its maps, or an error message for the user."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from petmood.client.client import Client
from petmood.core.errors import (
    FileTooLarge,
    InternalError,
    PetmoodError,
    RequestTimeout,
    ServiceError,
    ServiceTimeout,
    ServiceUnreachable,
    TooManyPixels,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from petmood.core.explanation import Explanation
from petmood.core.prediction import Prediction

__all__ = [
    "RequestFailure",
    "TimedPrediction",
    "failure_of",
    "request_explanation",
    "request_prediction",
    "send_feedback",
]

RETRYABLE: Final = (
    InternalError,
    RequestTimeout,
    ServiceTimeout,
    ServiceUnreachable,
    TooManyRequests,
    Unavailable,
)
MESSAGES: Final[tuple[tuple[type[PetmoodError], str], ...]] = (
    (
        Unauthorized,
        "This page has no access to the service: its token is missing or wrong. Please contact the page's operator.",
    ),
    (FileTooLarge, "This photo is too large. Please choose a smaller copy."),
    (TooManyPixels, "This photo is too large. Please choose a smaller copy."),
    (TooManyRequests, "That was a lot of photos in a short time. Please wait a moment, then try again."),
    (Unavailable, "The service is busy. Please wait a moment, then try again."),
    (ServiceTimeout, "The service is taking too long to respond. Please try again in a minute."),
    (ServiceUnreachable, "The service can't be reached right now. Your photo stays on this page: please try again."),
    (
        ServiceError,
        "This page received an unexpected response from the service. Please contact the page's operator.",
    ),
)
"""Messages that replace an error's own, which is for programmers; the first matching class is used."""
TOO_MUCH_FEEDBACK: Final = "That was a lot of feedback in a short time. Please wait a moment, then try again."
NO_EXPLANATIONS: Final = "This service can't show which parts mattered: it is of an earlier version."


@dataclass(frozen=True, slots=True)
class TimedPrediction:
    """A prediction with the seconds that the request took, as measured by the page."""

    prediction: Prediction
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """Error message for the user; ``retryable`` is True if a retry may succeed."""

    message: str
    retryable: bool


def request_prediction(service: Client, photo: bytes) -> TimedPrediction | RequestFailure:
    """Request the prediction of a photo; never raises an error of petmood."""
    began = time.perf_counter()
    try:
        return TimedPrediction(service.predict(photo), time.perf_counter() - began)
    except PetmoodError as error:
        return failure_of(error)


def request_explanation(service: Client, photo: bytes) -> Explanation | RequestFailure:
    """Request the maps of a photo; never raises an error of petmood."""
    try:
        return service.explain(photo)
    except PetmoodError as error:
        if isinstance(error, ServiceError) and error.status == HTTPStatus.NOT_FOUND:
            return RequestFailure(NO_EXPLANATIONS, retryable=False)
        return failure_of(error)


def send_feedback(service: Client, prediction: Prediction, *, label: str | None, visitor: str) -> RequestFailure | None:
    """Say which label is right, None for the predicted one; return what went wrong; never raises an error of petmood.

    ``visitor`` is a random id of the person.
    """
    try:
        service.feedback(str(prediction.request_id), right=label is None, label=label, visitor=visitor)
    except TooManyRequests:
        return RequestFailure(TOO_MUCH_FEEDBACK, retryable=True)
    except PetmoodError as error:
        return failure_of(error)
    return None


def failure_of(error: PetmoodError) -> RequestFailure:
    """Return the page's message for an error."""
    message = next((text for kind, text in MESSAGES if isinstance(error, kind)), str(error))
    return RequestFailure(message, retryable=isinstance(error, RETRYABLE))

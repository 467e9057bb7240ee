"""Requests of the page: a prediction with its time, or a message for the user."""

import time
from dataclasses import dataclass
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
from petmood.core.prediction import Prediction

__all__ = ["RequestFailure", "TimedPrediction", "failure_of", "request_prediction"]

RETRYABLE: Final = (
    InternalError,
    RequestTimeout,
    ServiceTimeout,
    ServiceUnreachable,
    TooManyRequests,
    Unavailable,
)
MESSAGES: Final[tuple[tuple[type[PetmoodError], str], ...]] = (
    (Unauthorized, "The service wants a token that this page does not have. Ask whoever runs it."),
    (FileTooLarge, "This photo is too large. Send a smaller copy."),
    (TooManyPixels, "This photo is too large. Send a smaller copy."),
    (TooManyRequests, "That was a lot of photos in a short time. Wait a moment, then try again."),
    (Unavailable, "The service is busy. Wait a moment, then try again."),
    (ServiceTimeout, "The service takes too long to answer. Try again in a minute."),
    (ServiceUnreachable, "The service can't be reached just now. Your photo is kept here: try again."),
    (ServiceError, "Something else than petmood answers at the service's address. Tell whoever runs this page."),
)
"""Messages that replace an error's own, which is for programmers; the first class that fits decides."""


@dataclass(frozen=True, slots=True)
class TimedPrediction:
    """A prediction with the seconds that the request took, as measured by the page."""

    prediction: Prediction
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestFailure:
    """Why a request failed, as a message for the user; ``retryable`` is True if trying again may help."""

    message: str
    retryable: bool


def request_prediction(service: Client, photo: bytes) -> TimedPrediction | RequestFailure:
    """Request the prediction of a photo; never raises an error of petmood."""
    began = time.perf_counter()
    try:
        return TimedPrediction(service.predict(photo), time.perf_counter() - began)
    except PetmoodError as error:
        return failure_of(error)


def failure_of(error: PetmoodError) -> RequestFailure:
    """Return what the page says about an error."""
    message = next((text for kind, text in MESSAGES if isinstance(error, kind)), str(error))
    return RequestFailure(message, retryable=isinstance(error, RETRYABLE))

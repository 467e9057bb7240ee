"""Construction of requests and parsing of responses, shared by both clients; no I/O except reading photos."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from petmood.client.responses import error_of, from_error_body, retry_after_s
from petmood.core.environment import DEFAULT_API_URL
from petmood.core.errors import ConfigError, PetmoodError, PhotoError, ServiceError, UnknownRequest
from petmood.core.explanation import Explanation
from petmood.core.photo_source import PhotoSource, photo_bytes, several_photos
from petmood.core.prediction import Prediction
from petmood.core.schemas import (
    PHOTO_FIELD,
    VISITOR_COOKIE,
    BatchResponse,
    ErrorResponse,
    ExplanationResponse,
    FeedbackRequest,
    FeedbackResponse,
    HealthStatus,
    ModelCardResponse,
    PredictionResponse,
)
from petmood.core.validation import validation_message

__all__ = [
    "BATCH",
    "MODEL",
    "READY",
    "Answer",
    "Call",
    "answers_of",
    "card_of",
    "explanation_of",
    "feedback_call",
    "feedback_of",
    "health_of",
    "in_batches",
    "lacks_batches",
    "predict_call",
    "prediction_of",
    "read_photo",
    "retry_pause_s",
]

BATCH: Final = 8
BATCH_BYTES: Final = 30_000_000
"""Maximum size of a batch of several photos; a service accepts 100 MB by default."""
MAX_PHOTO_BYTES: Final = 256_000_000
"""Limit against reading a video into memory; the service has lower limits."""
VISITOR: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")
LONGEST_PAUSE_S: Final = 10.0
"""A request is not retried if Retry-After is longer."""

Answer = Prediction | PetmoodError
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request: method, path and the photos of its form, or JSON with the headers that go with it."""

    method: str
    path: str
    photos: tuple[bytes, ...] = ()
    json: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None

    @property
    def files(self) -> list[tuple[str, tuple[str, bytes]]] | None:
        """The form's fields, as for httpx's ``files``; None if there are no photos."""
        return [(PHOTO_FIELD, ("photo", photo)) for photo in self.photos] or None


READY: Final = Call("GET", "/readyz")
MODEL: Final = Call("GET", "/model")


def predict_call(batch: Sequence[bytes | PhotoError], *, batch_size: int = 1) -> Call | None:
    """Return the request for the photos of a batch; None if none of them could be read.

    With a ``batch_size`` of 1 it is sent to ``/predict``, which every deployment has.
    """
    photos = tuple(photo for photo in batch if isinstance(photo, bytes))
    return Call("POST", "/predict" if batch_size == 1 else "/predict/batch", photos) if photos else None


def read_photo(photo: PhotoSource) -> bytes:
    """Return a photo's bytes.

    Raises:
        PhotoError: the file can't be read, or has more than 256 MB.
    """
    return photo_bytes(photo, max_bytes=MAX_PHOTO_BYTES)


def in_batches(photos: Iterable[PhotoSource], *, batch_size: int) -> Iterator[list[bytes | PhotoError]]:
    """Return an iterator over batches of at most ``batch_size`` photos and 30 MB (one photo may have more).

    Photos are read lazily, one batch at a time; a photo that can't be read is replaced by its error.

    Raises:
        ConfigError: ``batch_size`` is below 1.
        TypeError: ``photos`` is one photo, or one of them is not a path, bytes or a binary file.
    """
    if batch_size < 1:
        raise ConfigError(f"Expected a batch_size of 1 or more, got {batch_size}.")
    return _read_in_batches(several_photos(photos), batch_size)


def _read_in_batches(photos: Iterator[PhotoSource], batch_size: int) -> Iterator[list[bytes | PhotoError]]:
    batch: list[bytes | PhotoError] = []
    size = 0
    for photo in photos:
        try:
            found: bytes | PhotoError = read_photo(photo)
        except PhotoError as error:
            found = error
        more = len(found) if isinstance(found, bytes) else 0
        if batch and size + more > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(found)
        size += more
        if len(batch) == batch_size:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def prediction_of(response: httpx.Response) -> Prediction:
    """Return the prediction in a response; raise the service's error."""
    return Prediction.from_response(_body(response, PredictionResponse))


def explanation_of(response: httpx.Response) -> Explanation:
    """Return the explanation in a response; raise the service's error, or that it has no such route (status 404)."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise _not_found(
            response,
            "Expected a service that explains predictions; one of an earlier version does not. "
            "Update it, or check the address.",
        )
    return Explanation.from_response(_body(response, ExplanationResponse))


def feedback_call(
    request_id: str,
    *,
    right: bool,
    label: str | None,
    position: int,
    note: str | None,
    visitor: str | None,
) -> Call:
    """Return the request with feedback on a prediction.

    Raises:
        ConfigError: an argument is invalid, or there is neither ``right`` nor a label, or both.
    """
    given = {"request_id": request_id, "position": position, "right": right or None, "label": label, "note": note}
    try:
        body = FeedbackRequest.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"{name}: {validation_message(first)}." if name else "Expected either right or a label."
        ) from error
    if visitor is not None and not VISITOR.fullmatch(visitor):
        raise ConfigError("Expected a visitor of 16 to 64 letters, digits, hyphens and underscores. Take a random one.")
    cookie = None if visitor is None else {"cookie": f"{VISITOR_COOKIE}={visitor}"}
    return Call("POST", "/feedback", json=body.model_dump(exclude_none=True), headers=cookie)


def feedback_of(response: httpx.Response) -> FeedbackResponse:
    """Return the stored feedback in a response; raise the service's error, or that it has no such route."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        if isinstance(error := error_of(response), UnknownRequest):
            raise error
        raise _not_found(
            response,
            "Expected a service that takes feedback; one of an earlier version does not. Update it, or check the "
            "address.",
        )
    return _body(response, FeedbackResponse)


def answers_of(
    response: httpx.Response | None, batch: Sequence[bytes | PhotoError], *, batch_size: int
) -> list[Answer]:
    """Return one result per photo of a batch: from the response, or the error of a photo that wasn't sent.

    Raises:
        RequestError: the service rejected the entire request.
        ServiceError: the response is not from petmood.
    """
    results: list[Answer] = []
    if response is not None:
        results = _single(response) if batch_size == 1 else _several(response)
        sent = sum(isinstance(photo, bytes) for photo in batch)
        if len(results) != sent:
            raise ServiceError(f"Expected {sent} results from {response.url}, got {len(results)}. Check the address.")
    found = iter(results)
    return [next(found) if isinstance(photo, bytes) else photo for photo in batch]


def lacks_batches(response: httpx.Response | None) -> bool:
    """Return whether the service has no ``/predict/batch``, as with BentoML; photos are then sent one by one."""
    return response is not None and response.status_code == 404


def card_of(response: httpx.Response) -> ModelCardResponse:
    """Return the model card in a response; raise the service's error."""
    return _body(response, ModelCardResponse)


def health_of(response: httpx.Response) -> HealthStatus:
    """Return the health status in a response, also that of a service that is not ready; raise any other error."""
    if response.status_code == 503:
        try:
            return HealthStatus.model_validate_json(response.content)
        except ValidationError:
            raise error_of(response) from None
    return _body(response, HealthStatus)


def retry_pause_s(response: httpx.Response, *, retries_left: int) -> float | None:
    """Return the pause before a request is retried; None if it is not retried.

    Only 429 and 503 with a Retry-After of at most 10 s are retried: the service has not processed such a request.
    """
    if not retries_left or response.status_code not in {429, 503}:
        return None
    pause = retry_after_s(response)
    return pause if pause is not None and pause <= LONGEST_PAUSE_S else None


def _single(response: httpx.Response) -> list[Answer]:
    try:
        return [prediction_of(response)]
    except PhotoError as error:
        return [error]


def _several(response: httpx.Response) -> list[Answer]:
    return [
        from_error_body(result) if isinstance(result, ErrorResponse) else Prediction.from_response(result)
        for result in _body(response, BatchResponse).results
    ]


def _not_found(response: httpx.Response, expected: str) -> PetmoodError:
    error = error_of(response)
    error.args = (f"{response.url} does not exist. {expected}",)
    return error


def _body(response: httpx.Response, kind: type[Body]) -> Body:
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise _not_found(response, f"Expected the address of the service's root, such as {DEFAULT_API_URL}.")
    if response.status_code != 200:
        raise error_of(response)
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise ServiceError(
            f"{response.url} returned a response that is not from petmood. Check the address."
        ) from error

"""Conversion of the service's error responses to petmood's errors."""

import email.utils
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import httpx
from pydantic import ValidationError

from petmood.core.errors import (
    FileTooLarge,
    Forbidden,
    InternalError,
    PetmoodError,
    RequestError,
    RequestTimeout,
    ServiceError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from petmood.core.schemas import ErrorResponse

__all__ = ["error_of", "from_error_body", "retry_after_s"]

BY_STATUS: Final[dict[int, type[PetmoodError]]] = {
    401: Unauthorized,
    403: Forbidden,
    408: RequestTimeout,
    413: FileTooLarge,
    429: TooManyRequests,
    500: InternalError,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
"""Errors for responses without petmood's error body, such as those of a proxy."""


def error_of(response: httpx.Response) -> PetmoodError:
    """Return the error for a response whose status is not 200, with its code, request id and Retry-After."""
    try:
        error = from_error_body(ErrorResponse.model_validate_json(response.content))
    except ValidationError:
        kind = BY_STATUS.get(response.status_code, ServiceError)
        error = kind(f"{response.url} returned status {response.status_code} without a message. Check the address.")
        error.request_id = response.headers.get("x-request-id")
    if isinstance(error, RequestError):
        error.retry_after_s = retry_after_s(response)
    if isinstance(error, ServiceError):
        error.status = response.status_code
    return error


def from_error_body(body: ErrorResponse) -> PetmoodError:
    """Return the error of ``core.errors`` with the body's code; ``ServiceError`` if the code is unknown."""
    error = _classes().get(body.code, ServiceError)(body.message)
    error.code, error.request_id = body.code, body.request_id
    return error


def retry_after_s(response: httpx.Response) -> int | None:
    """Return a response's Retry-After in seconds, from a number or a date (RFC 9110); None if it is missing."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        until = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year of 20 digits
        return None
    return max(0, math.ceil((until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()))


def _classes() -> dict[str, type[PetmoodError]]:
    """Return every error class by its code; a base class comes before the subclasses that inherit its code."""
    found: dict[str, type[PetmoodError]] = {}
    for kind in _below(PetmoodError):
        found.setdefault(str(kind.code), kind)
    return found


def _below(kind: type[PetmoodError]) -> Iterator[type[PetmoodError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)

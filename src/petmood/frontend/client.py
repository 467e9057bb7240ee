"""HTTP client of the service, which returns every failure as a message for the user."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx
from pydantic import ValidationError

from petmood.core.schemas import ErrorResponse, ModelCardResponse, PredictionResponse

__all__ = ["ApiClient", "ApiResponse", "ServiceError"]

TRIES: Final = 3
LONGEST_PAUSE_S: Final = 3.0
STATUSES: Final = {
    401: "The service wants a token that this page does not have. Ask whoever runs it.",
    413: "This photo is too large. Send a smaller copy.",
    429: "That was a lot of photos in a short time. Wait a moment, then try again.",
    503: "The service is busy. Wait a moment, then try again.",
}


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A prediction with the duration of the request in seconds, as measured by the client."""

    body: PredictionResponse
    seconds: float


@dataclass(frozen=True, slots=True)
class ServiceError:
    """Why a request failed, as a message for the user; ``retryable`` is True if trying again may help."""

    message: str
    retryable: bool
    code: str = ""


class ApiClient:
    """Client of the service at an address; every call returns a response or ``ServiceError`` and never raises."""

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = address.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._timeout_s, self._pause = timeout_s, pause

    def predict(self, photo: bytes) -> ApiResponse | ServiceError:
        """Request the prediction of one photo; 429 and 503 are retried after the Retry-After time (at most 3 s)."""
        began = time.perf_counter()
        response = self._send_with_retries("POST", "/predict", files={"photo": ("photo", photo)})
        if isinstance(response, ServiceError):
            return response
        if response.status_code != 200:
            return _trouble(response)
        try:
            return ApiResponse(PredictionResponse.model_validate_json(response.content), time.perf_counter() - began)
        except ValidationError:
            return ServiceError(f"Something else than petmood answers at {self.address}.", retryable=False)

    def card(self) -> ModelCardResponse | ServiceError:
        """Request the manifest and model card of the served model."""
        response = self._send("GET", "/model")
        if isinstance(response, ServiceError):
            return response
        if response.status_code != 200:
            return _trouble(response)
        try:
            return ModelCardResponse.model_validate_json(response.content)
        except ValidationError:
            return ServiceError(f"Something else than petmood answers at {self.address}.", retryable=False)

    def _send_with_retries(self, method: str, path: str, **content: object) -> httpx.Response | ServiceError:
        for left in reversed(range(TRIES)):
            response = self._send(method, path, **content)
            if isinstance(response, ServiceError) or response.status_code not in {429, 503} or not left:
                break
            self._pause(_pause_s(response))
        return response

    def _send(self, method: str, path: str, **content: object) -> httpx.Response | ServiceError:
        try:
            return httpx.request(
                method,
                self.address + path,
                headers=self._headers,
                timeout=self._timeout_s,
                follow_redirects=False,
                **content,  # type: ignore[arg-type] # the body arguments of httpx
            )
        except httpx.TimeoutException:
            return ServiceError(
                "The service takes too long to answer. Try again in a minute.", retryable=True, code="slow"
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return ServiceError(
                "The service can't be reached just now. Your photo is kept here: try again.",
                retryable=True,
                code="away",
            )


def _pause_s(response: httpx.Response) -> float:
    said = response.headers.get("retry-after", "1")
    return min(float(said) if said.isdigit() else 1.0, LONGEST_PAUSE_S)


def _trouble(response: httpx.Response) -> ServiceError:
    again = response.status_code in {408, 429} or response.status_code >= 500
    try:
        body = ErrorResponse.model_validate_json(response.content)
    except ValidationError:
        return ServiceError(f"The service answered with status {response.status_code}, and no reason.", retryable=again)
    return ServiceError(STATUSES.get(response.status_code, body.message), retryable=again, code=body.code)
